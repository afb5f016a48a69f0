"""The one table of all benchmarks: work | peer | ours | ratio, in Markdown as it stands in the documentation."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.clock import Laps

HEADER = (
    "| work | peer | seconds | ours | times as fast | by processor time | peak memory |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
)
_GB = 1e9


@dataclass(frozen=True)
class Row:
    """One peer beside ours, on the same work, in turn."""

    work: str
    peer: Laps
    ours: Laps

    @property
    def ratios(self) -> list[float]:
        """How many times as fast ours is, by the clock on the wall, round by round."""
        return [theirs / own for theirs, own in zip(self.peer.wall, self.ours.wall, strict=True)]

    def markdown(self) -> str:
        """The row of the table."""
        cpu = ""
        if self.peer.cpu and self.ours.cpu:
            cpu = f"{statistics.median(self.peer.cpu) / statistics.median(self.ours.cpu):.2f}"
        peak = ""
        if any(self.peer.peak) and any(self.ours.peak):
            peak = f"{max(self.peer.peak) / _GB:.2f}, ours {max(self.ours.peak) / _GB:.2f} GB"
        cells = (self.work, self.peer.name, _spread(self.peer.wall), _spread(self.ours.wall), _ratios(self.ratios))
        return f"| {' | '.join(cells)} | {cpu} | {peak} |"


def table(rows: Iterable[Row]) -> str:
    """All rows, with the header; medians, and in brackets the smallest and the largest of all rounds."""
    return "\n".join([HEADER, *(row.markdown() for row in rows)])


def _spread(values: Sequence[float]) -> str:
    middle = statistics.median(values)
    digits = max(0, min(4, 2 - _magnitude(middle)))
    texts = [f"{value:,.{digits}f}" for value in (middle, min(values), max(values))]
    return texts[0] if len(values) == 1 else f"{texts[0]} ({texts[1]}–{texts[2]})"


def _ratios(values: Sequence[float]) -> str:
    middle = f"**{statistics.median(values):.2f}**"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f}–{max(values):.2f})"


def _magnitude(value: float) -> int:
    """The power of ten of the first digit: 1 for 34.5, -2 for 0.034."""
    return int(f"{value:e}".split("e")[1])
