"""Intervals around the mean over other languages that hold without a model of how gains are distributed.

Languages are taken as exchangeable: nothing is known of one but that it is one more. Then its gain is as likely to lie
so far from the mean over the others as that of any other language (conformal prediction, in its leave-one-out form the
jackknife: Barber, Candès, Ramdas and Tibshirani 2021, arXiv 1905.02928). The distances of all cells are taken together:
some cells have eleven languages, too few for a quantile of their own to be sure.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEVEL = 0.8
"""Share of languages whose gain an interval should hold."""

LEAST = 4
"""Languages that a mean needs: of fewer, none can lie outside in a share of 1 - `LEVEL`."""


@dataclass(frozen=True)
class Interval:
    """A prediction in points, and how far the gain lies from it in a share `LEVEL` of cases."""

    center: float
    radius: float

    @property
    def low(self) -> float:
        return self.center - self.radius

    @property
    def high(self) -> float:
        return self.center + self.radius

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def radius(errors: Sequence[float], level: float = LEVEL) -> float | None:
    """How large the next error is at most, with probability `level`, after n exchangeable ones.

    It is the ⌈(n + 1) level⌉-th smallest of their absolute values; None where n is too small for that.
    """
    rank = math.ceil((len(errors) + 1) * level - 1e-9)  # 5 x 0.8 is 4, whatever a float makes of it
    return sorted(map(abs, errors))[rank - 1] if rank <= len(errors) else None


def from_others(values: Sequence[float]) -> list[float]:
    """How far each value lies from the mean of all the others; nothing for a single one."""
    n = len(values)
    if n < 2:
        return []
    mean = statistics.fmean(values)
    return [(value - mean) * n / (n - 1) for value in values]


Cells = Sequence[Mapping[str, float]]
"""Cells as language → gain."""


def of_mean(cell: Mapping[str, float], cells: Cells, language: str) -> Interval | None:
    """Where the gain of a language lies, as the gains of all other languages have it, in this cell and in all cells.

    The mean is over the other languages of `cell`, the radius from those of `cells`. None if they are fewer than
    `LEAST`.
    """
    others = _without(cell, language)
    if len(others) < LEAST:
        return None
    found = radius([error for each in cells for error in from_others(_without(each, language))])
    return None if found is None else Interval(statistics.fmean(others), found)


def coverage(cells: Cells) -> dict[str, tuple[int, int]]:
    """Language → (gains inside the interval that all other languages give, gains)."""
    found: dict[str, list[bool]] = defaultdict(list)
    for language in dict.fromkeys(code for cell in cells for code in cell):
        errors = [error for cell in cells for error in from_others(_without(cell, language))]
        wide = radius(errors)
        for cell in cells:
            others = _without(cell, language)
            if language in cell and len(others) >= LEAST and wide is not None:
                found[language].append(Interval(statistics.fmean(others), wide).holds(cell[language]))
    return {language: (sum(inside), len(inside)) for language, inside in found.items()}


def _without(cell: Mapping[str, float], language: str) -> list[float]:
    return [value for code, value in cell.items() if code != language]
