"""Standard deviations over seeds, and when a language counts as improved by more than one (docs/report.md).

Reports and the cards of models say both, and must say the same.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

NOTHING = 1e-9
"""Scores and differences, in points, that are nearer to each other than this are equal: the rest is rounding."""


def sample_deviation(values: Sequence[float]) -> float | None:
    """Standard deviation with n - 1 in the denominator; None for fewer than two values."""
    return _without_rounding(statistics.stdev(values)) if len(values) > 1 else None


def population_deviation(values: Sequence[float]) -> float:
    """Standard deviation with n in the denominator."""
    return _without_rounding(statistics.pstdev(values))


def _without_rounding(deviation: float) -> float:
    return 0.0 if deviation < NOTHING else deviation


# The paper counts languages "improved by more than one standard deviation" (arXiv 2502.12959) and gives no formula.
# `bars-apart` is the reading that gives its numbers and agrees with the error bars of the authors' figures;
# docs/report.md compares it with others. All take the population's standard deviation, as those figures do.

Yardstick = Callable[[Sequence[float], Sequence[float]], float]
"""What a difference of means must exceed; takes the baseline's and the strategy's scores in points, paired by seed."""


def bars_apart(baseline: Sequence[float], strategy: Sequence[float]) -> float:
    """The sum of both deviations."""
    return population_deviation(baseline) + population_deviation(strategy)


def baseline_deviation(baseline: Sequence[float], strategy: Sequence[float]) -> float:
    """The baseline's deviation."""
    return population_deviation(baseline)


def paired_deviation(baseline: Sequence[float], strategy: Sequence[float]) -> float:
    """The deviation of the differences between runs of one seed."""
    return population_deviation([there - here for here, there in zip(baseline, strategy, strict=True)])


YARDSTICKS: dict[str, tuple[Yardstick, str]] = {
    "bars-apart": (
        bars_apart,
        "the difference of the means exceeds the sum of both standard deviations, so that bars of one deviation around "
        "the means do not touch",
    ),
    "baseline": (baseline_deviation, "the difference of the means exceeds the standard deviation of the baseline"),
    "paired": (
        paired_deviation,
        "the mean of the differences between runs of one seed exceeds their standard deviation",
    ),
}


def beyond(baseline: Sequence[float], strategy: Sequence[float], yardstick: Yardstick) -> int:
    """1 if the strategy's mean is better by more than the yardstick, -1 if worse, else 0.

    Also 0 if either has a single seed, which has no deviation.
    """
    if min(len(baseline), len(strategy)) < 2:
        return 0
    difference = statistics.fmean(strategy) - statistics.fmean(baseline)
    if abs(difference) <= yardstick(baseline, strategy) + NOTHING:
        return 0
    return 1 if difference > 0 else -1
