"""Timing implementations in turn."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.processes import Ended


def processor_time() -> float:
    """User and system seconds of this process and of its ended children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@dataclass
class Laps:
    """Measured times of one implementation, in seconds.

    `wall` is what a clock on the wall says; `cpu` is the processor time of this process and of the children that have
    ended, which says more on a machine that others use too.
    """

    name: str
    steps: int = 1  # steps done in a lap; times are kept per step
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    units: list[float] = field(default_factory=list)  # what was done per step: tokens, words, lines
    peak: list[int] = field(default_factory=list)  # bytes of resident memory at most, of whole processes
    padding: float | None = None  # share of computed positions
    _started: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        """Begin a lap."""
        self._started = (time.perf_counter(), processor_time())

    def stop(self, units: float) -> None:
        """End a lap, in which so many units were done."""
        wall, cpu = time.perf_counter() - self._started[0], processor_time() - self._started[1]
        self.wall.append(wall / self.steps)
        self.cpu.append(cpu / self.steps)
        self.units.append(units / self.steps)

    def add(self, ended: Ended) -> None:
        """A whole process as a lap; says so, since the next one may take a while."""
        print(f"{self.name}: {ended.wall:.1f} s, {ended.cpu:.1f} s of processor time", file=sys.stderr, flush=True)
        self.wall.append(ended.wall)
        self.cpu.append(ended.cpu)
        self.peak.append(ended.peak)

    def without(self, start: Ended) -> Laps:
        """The same laps, less what another process took."""
        return Laps(self.name, wall=[x - start.wall for x in self.wall], cpu=[x - start.cpu for x in self.cpu])

    @contextmanager
    def lap(self, units: float) -> Iterator[None]:
        """Time the block."""
        self.start()
        yield
        self.stop(units)

    @property
    def rate(self) -> float:
        """Units per second of wall-clock time."""
        return sum(self.units) / sum(self.wall)


def details(laps: Laps, unit: str) -> str:
    """A line of what the table does not show: units per second, and padding."""
    padding = "" if laps.padding is None else f", padding {percent(laps.padding)}"
    return f"{laps.name}: {laps.rate:,.0f} {unit}/s{padding}"


def percent(share: float) -> str:
    """A share in percent, to a tenth."""
    return f"{100 * share:.1f} %"
