"""When a language counts as improved or degraded: the paper's "more than one standard deviation", made exact.

The paper names no formula. `bars-apart` is the reading that gives its numbers and agrees with the error bars of the
authors' figures; docs/report.md compares it with others. All of them take the population's standard deviation
(n in the denominator, ddof 0), as those figures do.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

NOTHING = 1e-9
"""Scores and differences, in points, that are nearer to each other than this are equal: the rest is rounding."""

Yardstick = Callable[[Sequence[float], Sequence[float]], float]
"""What a difference of means must exceed; gets the baseline's and the strategy's scores in points, paired by seed."""


def sample_deviation(values: Sequence[float]) -> float | None:
    """Standard deviation with n - 1 in the denominator; None for fewer than two values."""
    return _no_rounding(statistics.stdev(values)) if len(values) > 1 else None


def population_deviation(values: Sequence[float]) -> float:
    """Standard deviation with n in the denominator."""
    return _no_rounding(statistics.pstdev(values))


def _no_rounding(deviation: float) -> float:
    return 0.0 if deviation < NOTHING else deviation


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

    Also 0 for a single seed, which has no deviation.
    """
    if len(baseline) < 2:
        return 0
    difference = statistics.fmean(strategy) - statistics.fmean(baseline)
    if abs(difference) <= yardstick(baseline, strategy) + NOTHING:
        return 0
    return 1 if difference > 0 else -1
