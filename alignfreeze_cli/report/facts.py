"""What a report knows, as plain values that every form of it (Markdown, CSV, LaTeX, plots, the page) reads.

All differences are in percentage points, strategy minus baseline; a report never computes while it writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alignfreeze_cli.report.table import MEAN, Cell, Score, Table


@dataclass(frozen=True)
class Gain:
    """A strategy against the baseline in one language, or in the mean over languages, over the seeds both have."""

    mean: float
    deviation: float | None  # sample standard deviation of the differences between runs of one seed; None for one seed
    seeds: int
    p: float | None  # two-sided paired t-test over seeds; None for one seed
    p_corrected: float | None  # the same, corrected for the number of languages
    interval: tuple[float, float] | None  # 95 %, bootstrap over test examples; None without predictions of both
    interval_p: float | None  # two-sided, of the same bootstrap
    interval_p_corrected: float | None
    beyond: int  # 1 improved, -1 degraded, 0 neither, by more than one standard deviation as `Report.yardstick` has it


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a language's distance from the source with its gain."""

    rho: float
    p: float
    languages: int


@dataclass(frozen=True)
class Comparison:
    """A strategy against the baseline. `gains` goes by target language, in the order of the table's columns.

    `close` and `distant` are the mean gains over the nearer and the farther half of the targets; None without
    distances, like `correlation`. `source` is the gain in the source language, None if it was not scored.
    """

    strategy: str
    control: bool
    gains: Mapping[str, Gain]
    average: Gain
    close: Gain | None
    distant: Gain | None
    correlation: Correlation | None
    source: Gain | None = None

    @property
    def improved(self) -> tuple[str, ...]:
        return tuple(language for language, gain in self.gains.items() if gain.beyond > 0)

    @property
    def degraded(self) -> tuple[str, ...]:
        return tuple(language for language, gain in self.gains.items() if gain.beyond < 0)


@dataclass(frozen=True)
class Section:
    """One model and task. `published` has the published runs of the same, where they were asked for.

    `scores` are the single runs behind the table; `distance_title` says what kind of distance it is.
    """

    table: Table
    baseline: str | None  # the strategy that the others are compared with; None if it was not run
    comparisons: tuple[Comparison, ...]
    distances: Mapping[str, float]  # target language → distance from the source, 0 to 1; empty if unknown
    close: tuple[str, ...]
    distant: tuple[str, ...]
    published: Section | None = None
    scores: tuple[Score, ...] = ()
    distance_title: str = ""

    @property
    def name(self) -> str:
        """For headings and captions: `xlm-roberta-base, pos`."""
        return f"{self.table.model}, {self.table.task}"

    @property
    def heading(self) -> str:
        """The name, and the source language where it is not English, which tells sections of one task apart."""
        return self.name if self.table.source == "en" else f"{self.name}, from {self.table.source}"

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(each for each in self.table.columns if each not in (self.table.source, MEAN))

    def cell(self, strategy: str, column: str) -> Cell | None:
        """The mean over seeds of a strategy in a language or in the mean of targets; None where there is none."""
        for row in self.table.rows:
            if row.strategy == strategy and column in self.table.columns:
                return row.cells[self.table.columns.index(column)]
        return None

    def comparison(self, strategy: str) -> Comparison | None:
        return next((each for each in self.comparisons if each.strategy == strategy), None)


@dataclass(frozen=True)
class Report:
    """Everything. `method` says in sentences how the numbers were made: tests, corrections, yardstick, sources."""

    title: str
    sections: tuple[Section, ...]
    yardstick: str
    method: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what a reader must know of these runs: seeds missing, languages left out
    of_published: bool = False  # whether these are the published runs alone

    @property
    def strategies(self) -> tuple[str, ...]:
        """All strategies in the order of the sections, controls last."""
        rows = [row for section in self.sections for row in section.table.rows]
        return tuple(dict.fromkeys(row.strategy for row in sorted(rows, key=lambda row: row.control)))
