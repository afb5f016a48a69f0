"""The statistics of a report, as functions of numbers alone. docs/report.md says what each is good for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from alignfreeze_cli.report.yardsticks import NOTHING, sample_deviation


def paired_t(differences: Sequence[float]) -> float | None:
    """Two-sided p of a paired t-test: t = mean / (s / √n) with n - 1 degrees of freedom, s the sample deviation.

    None where the test is not defined: for fewer than two differences, or if all of them are equal.
    """
    deviation = sample_deviation(differences)
    if not deviation:
        return None
    from scipy.special import stdtr  # the distribution function of t; scipy.stats takes a second to import

    n = len(differences)
    t = float(np.mean(differences)) / (deviation / math.sqrt(n))
    return float(2 * stdtr(n - 1, -abs(t)))


def holm(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm's step-down correction of p values by name; where there is none, there is no test to correct for.

    Holm 1979: the i-th smallest of m, counted from 0, times m - i, at least as large as the ones before, at most 1.
    """
    tested = sorted((p, name) for name, p in values.items() if p is not None)
    corrected: dict[str, float | None] = dict.fromkeys(values)
    highest = 0.0
    for place, (p, name) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - place) * p))
        corrected[name] = highest
    return corrected


def spearman(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """Spearman's rank correlation and its two-sided p: ties share the mean of their ranks, p is that of Student's t.

    None for fewer than three values, or if one side does not vary.
    """
    if len(first) < 3 or np.ptp(first) < NOTHING or np.ptp(second) < NOTHING:
        return None
    from scipy.stats import spearmanr

    found = spearmanr(first, second)
    return float(found.statistic), float(found.pvalue)


def percentile_interval(samples: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The interval that leaves out the same share of the bootstrap samples, (resamples,), on both sides."""
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_p(samples: np.ndarray) -> float:
    """Two-sided p of "no difference", from bootstrap samples of a difference, (resamples,).

    Twice the smaller share of samples on one side of zero (zero itself is on both), one added to both counts so that
    p is never 0 (Davison and Hinkley 1997, section 4.2).
    """
    below, above = np.count_nonzero(samples <= NOTHING), np.count_nonzero(samples >= -NOTHING)
    return min(1.0, 2 * (min(below, above) + 1) / (len(samples) + 1))


def resampled_sums(tallies: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Sums of tallies over samples of as many examples, drawn with replacement.

    `tallies`: (examples, columns); gives (resamples, columns).
    Every column sees the same draws. They depend on the seed and the number of examples alone, so test sets that are
    translations of each other, example by example, are resampled alike.
    """
    examples, columns = tallies.shape
    draw = np.random.default_rng([seed, examples])
    sums = np.empty((resamples, columns))
    weights = tallies.astype(float)
    chunk = max(1, 2_000_000 // max(1, examples))  # draws at a time: some 16 MB of counts
    for begin in range(0, resamples, chunk):
        rows = min(chunk, resamples - begin)
        drawn = draw.integers(examples, size=(rows, examples))
        drawn += np.arange(rows)[:, None] * examples
        counts = np.bincount(drawn.ravel(), minlength=rows * examples).reshape(rows, examples)
        sums[begin : begin + rows] = counts @ weights
    return sums
