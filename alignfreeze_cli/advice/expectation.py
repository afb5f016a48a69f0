"""The gain to expect in one language of one cell, from the best that is known of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alignfreeze_cli.advice import conformal
from alignfreeze_cli.advice.conformal import LEVEL, Interval
from alignfreeze_cli.advice.gains import Cell, Gain, means
from alignfreeze_cli.phrases import counted
from alignfreeze_cli.report.statistics import student_interval

PUBLISHED, RUNS, MEAN, RIDGE = "published", "runs", "mean of other languages", "ridge on the baseline score"
"""What an expectation can be based on."""


@dataclass(frozen=True)
class Expectation:
    """What to expect of a strategy in a language, in points.

    `basis` is one of the four above. `interval` holds the gain in a share `LEVEL` of cases: of gains that were
    measured the mean over many seeds, of others the gain in one more language or with one more model; None where there
    is too little to say. `seeds` are those behind a measured gain, `languages` those behind a mean, `of` says whose
    they are: "published" or "runs".
    """

    strategy: str
    basis: str
    gain: float
    interval: Interval | None
    of: str
    seeds: int = 0
    languages: int = 0

    @property
    def low(self) -> float:
        return -math.inf if self.interval is None else self.interval.low

    @property
    def high(self) -> float:
        return math.inf if self.interval is None else self.interval.high

    def said(self) -> str:
        """Where it comes from, for a table."""
        if self.basis == MEAN:
            return f"mean of {counted(self.languages, 'language')}" + (" in your runs" if self.of == RUNS else "")
        if self.basis == RIDGE:
            return "the baseline's score"
        return counted(self.seeds, "published seed" if self.basis == PUBLISHED else "seed") + (
            " of yours" if self.basis == RUNS else ""
        )

    def to_dict(self) -> dict[str, Any]:
        """As `--format json` gives it."""
        found: dict[str, Any] = {"strategy": self.strategy, "basis": self.basis, "of": self.of, "gain": self.gain}
        found |= {"low": None, "high": None} if self.interval is None else {"low": self.low, "high": self.high}
        counts = {"seeds": self.seeds, "languages": self.languages}
        return found | {name: count for name, count in counts.items() if count}


Known = Mapping[str, Mapping[Cell, Mapping[str, Gain]]]
"""Whose they are ("runs" or "published") → cell → language → gain."""


def expectation(known: Known, cell: Cell, language: str, single: float) -> Expectation | None:
    """The gain that was measured in the language, in runs before a published one, or else the mean of its cell.

    Of the cell of the runs, too, if it is large enough, else of the published one. None where neither
    is there. `single`: how far the gain of a single seed lies from the mean over many, in a share `LEVEL` of cases.
    """
    cells = {whose: known[whose].get(cell, {}) for whose in (RUNS, PUBLISHED)}
    for whose, gains in cells.items():
        if language in gains:
            gain = gains[language]
            ends = student_interval(gain.by_seed, LEVEL)
            interval = Interval(gain.mean, single if ends is None else (ends[1] - ends[0]) / 2)
            return Expectation(cell.strategy, whose, gain.mean, interval, whose, seeds=len(gain.by_seed))
    for whose, gains in cells.items():
        found = conformal.of_mean(means(gains), [means(each) for each in known[whose].values()], language)
        if found is not None:
            return Expectation(cell.strategy, MEAN, found.center, found, whose, languages=len(gains))
    return None
