"""Tests, intervals and corrections as functions of numbers alone (docs/report.md).

numpy and scipy are imported where they are used: `--help` must be fast.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from alignfreeze_cli.deviations import NOTHING, sample_deviation


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
