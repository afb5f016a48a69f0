"""Measured points beside a law: what theory says of their shape, brought to their height by least squares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from benchmarks.table import markdown


@dataclass(frozen=True)
class Law:
    """`fixed + factor * shape(size)`; the fixed part is fitted, and the factor too unless theory gives it."""

    name: str  # as the legend says it
    shape: Callable[[float], float]
    factor: float | None = None

    def fitted(self, sizes: Sequence[float], values: Sequence[float]) -> Callable[[float], float]:
        """The law through some points, none of its parts negative; relative errors count, so that small points do."""
        weights = 1 / np.array(values)
        shape = np.array([self.shape(size) for size in sizes])
        if self.factor is not None:
            fixed = max(0.0, float(np.median(np.array(values) - self.factor * shape)))
            return lambda size: fixed + (self.factor or 0.0) * self.shape(size)
        columns: NDArray[np.float64] = np.stack([np.ones(len(sizes)), shape], axis=1) * weights[:, None]
        (constant, factor), _ = nnls(columns, np.ones(len(sizes)))
        return lambda size: float(constant + factor * self.shape(size))


LINEAR = Law("linear", lambda size: size)
FLAT = Law("flat", lambda _: 0.0, factor=0.0)


@dataclass
class Series:
    """What one piece of work takes at different sizes."""

    name: str
    time_law: Law
    memory_law: Law
    sizes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)  # bytes of resident memory at most

    def add(self, size: int, seconds: float, peak: int) -> None:
        self.sizes.append(size)
        self.seconds.append(seconds)
        self.peaks.append(peak)


@dataclass(frozen=True)
class Growth:
    """All that was measured over one kind of size."""

    name: str  # of the plot's file too
    size: str  # what the sizes count
    time: str  # what the seconds are of
    series: list[Series]

    def markdown(self) -> str:
        """A table of the points beside their laws, and which law is whose."""
        columns = ("work", self.size, self.time, "law", "GB", "law")
        laws = (f"{each.name}: {each.time_law.name}; {each.memory_law.name}" for each in self.series)
        return f"{markdown(columns, self._cells())}\n\nLaws of time and memory. {'. '.join(laws)}."

    def _cells(self) -> list[list[str]]:
        rows = []
        for series in self.series:
            time = series.time_law.fitted(series.sizes, series.seconds)
            memory = series.memory_law.fitted(series.sizes, series.peaks)
            for size, seconds, peak in zip(series.sizes, series.seconds, series.peaks, strict=True):
                numbers = f"{seconds:.3g}", f"{time(size):.3g}", f"{peak / 1e9:.2f}", f"{memory(size) / 1e9:.2f}"
                rows.append([series.name, f"{size:,}", *numbers])
        return rows
