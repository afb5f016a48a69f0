"""Tests, corrections, and when a language counts as improved, as functions of numbers alone (docs/report.md).

numpy and scipy are imported where they are used: the settings need `YARDSTICKS`, and `--help` must be fast.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

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


def paired_t(differences: Sequence[float]) -> float | None:
    """Two-sided p of a paired t-test: t = mean / (s / √n) with n - 1 degrees of freedom, s the sample deviation.

    None where the test is not defined: for fewer than two differences, or if all of them are equal.
    """
    deviation = sample_deviation(differences)
    if not deviation:
        return None
    import numpy as np
    from scipy.special import stdtr  # the distribution function of t; scipy.stats takes a second to import

    n = len(differences)
    t = float(np.mean(differences)) / (deviation / math.sqrt(n))
    return float(2 * stdtr(n - 1, -abs(t)))


def student_quantile(share: float, freedom: int) -> float:
    """The quantile of Student's t with so many degrees of freedom."""
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    return float(stdtrit(freedom, share))


def student_interval(values: Sequence[float], level: float) -> tuple[float, float] | None:
    """Student's interval for the mean, mean ± t((1 + level) / 2; n - 1) s / √n; None for fewer than two values."""
    deviation = sample_deviation(values)
    if deviation is None:
        return None
    n, mean = len(values), statistics.fmean(values)
    half = student_quantile((1 + level) / 2, n - 1) * deviation / math.sqrt(n)
    return mean - half, mean + half


def holm(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm's step-down correction of p values by name; where there is none, there is no test to correct for.

    Holm 1979: the i-th smallest of m, counted from 0, times m - i, at least as large as the ones before, at most 1.
    """
    tested = sorted((p, name) for name, p in values.items() if p is not None)
    corrected: dict[str, float | None] = dict.fromkeys(values)
    highest = 0.0
    for rank, (p, name) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        corrected[name] = highest
    return corrected


def spearman(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """Spearman's rank correlation and its two-sided p: ties share the mean of their ranks, p is that of Student's t.

    None for fewer than three values, or if one side does not vary.
    """
    if len(first) < 3 or any(max(each) - min(each) < NOTHING for each in (first, second)):
        return None
    from scipy.stats import spearmanr

    found = spearmanr(first, second)
    return float(found.statistic), float(found.pvalue)


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

    Also 0 for a single seed, which has no deviation.
    """
    if len(baseline) < 2:
        return 0
    difference = statistics.fmean(strategy) - statistics.fmean(baseline)
    if abs(difference) <= yardstick(baseline, strategy) + NOTHING:
        return 0
    return 1 if difference > 0 else -1
