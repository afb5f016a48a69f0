"""What benchmarks report: rows of the one table (work | peer | ours | ratio) and text below it, all in Markdown.

The Markdown is printed as it stands in the documentation, so that figures are pasted and never typed.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.clock import Laps

COLUMNS = ("work", "peer", "seconds", "ours", "times as fast", "by processor time", "peak memory")
_GB = 1e9


@dataclass(frozen=True)
class Row:
    """One peer beside ours, on the same work, in turn."""

    work: str
    peer: Laps
    ours: Laps

    @property
    def ratios(self) -> list[float]:
        """How many times as fast ours is by the clock on the wall, round by round."""
        return [theirs / own for theirs, own in zip(self.peer.wall, self.ours.wall, strict=True)]

    def cells(self) -> list[str]:
        """One cell for each of the `COLUMNS`."""
        cpu = peak = ""
        if self.peer.cpu and self.ours.cpu:
            cpu = f"{statistics.median(self.peer.cpu) / statistics.median(self.ours.cpu):.2f}"
        if self.peer.peak and self.ours.peak:
            peak = f"{max(self.peer.peak) / _GB:.2f} GB, ours {max(self.ours.peak) / _GB:.2f} GB"
        middle, spread = f"**{statistics.median(self.ratios):.2f}**", ""
        if len(self.ratios) > 1:
            spread = f" ({min(self.ratios):.2f}–{max(self.ratios):.2f})"
        return [self.work, self.peer.name, seconds(self.peer.wall), seconds(self.ours.wall), middle + spread, cpu, peak]


@dataclass
class Report:
    """What came out of a benchmark."""

    rows: list[Row] = field(default_factory=list)
    text: str = ""

    def markdown(self) -> str:
        """The rows as a table, then the text."""
        return "\n\n".join(part for part in (comparison(self.rows) if self.rows else "", self.text) if part)


def comparison(rows: Iterable[Row]) -> str:
    """The one table: medians, and in brackets the smallest and the largest value of all rounds."""
    return markdown(COLUMNS, [row.cells() for row in rows], left=2)


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """A table in Markdown; the first `left` columns hold text, the others numbers."""
    line = ["---"] * left + ["---:"] * (len(columns) - left)
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in (columns, line, *rows))


def seconds(values: Sequence[float]) -> str:
    """The median and the spread of some times, to three digits: 34.5 (33.1–38.0)."""
    middle = statistics.median(values)
    magnitude = int(f"{middle:e}".split("e")[1])  # the power of ten of the first digit
    digits = max(0, min(4, 2 - magnitude))
    texts = [f"{value:,.{digits}f}" for value in (middle, min(values), max(values))]
    return texts[0] if len(values) == 1 else f"{texts[0]} ({texts[1]}–{texts[2]})"
