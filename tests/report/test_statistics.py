"""The statistics: against formulas worked out here, definitions, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.report.bootstrap import bootstrap_p, percentile_interval, resampled_sums
from alignfreeze_cli.report.statistics import holm, paired_t, spearman


def test_paired_t_test_by_hand() -> None:
    baseline, strategy = [70.0, 72.0, 71.0], [71.0, 74.0, 74.0]
    differences = [there - here for here, there in zip(baseline, strategy, strict=True)]  # 1, 2, 3
    # mean 2, sample deviation sqrt((1 + 0 + 1) / 2) = 1, t = 2 / (1 / sqrt 3) = 2 sqrt 3 with 2 degrees of freedom;
    # there the distribution function is 1/2 + t / (2 sqrt(2 + t²)), so p = 1 - t / sqrt(2 + t²) = 1 - sqrt(12/14).
    assert paired_t(differences) == pytest.approx(1 - math.sqrt(12 / 14), abs=1e-12)
    # One degree of freedom is Cauchy's distribution: mean 2, deviation sqrt 2, t = 2, p = 1 - (2/π) atan 2.
    assert paired_t([1.0, 3.0]) == pytest.approx(1 - 2 / math.pi * math.atan(2), abs=1e-12)


def test_paired_t_test_agrees_with_scipy_and_has_no_side() -> None:
    from scipy.stats import ttest_rel

    draw = np.random.default_rng(1)
    baseline, strategy = draw.normal(70, 2, 5), draw.normal(71, 2, 5)
    p = paired_t(list(strategy - baseline))
    assert p == pytest.approx(ttest_rel(strategy, baseline).pvalue, abs=1e-12)
    assert paired_t(list(baseline - strategy)) == p


@pytest.mark.parametrize("differences", [[], [1.0], [0.0, 0.0, 0.0], [0.5, 0.5]], ids=["none", "one", "zero", "equal"])
def test_where_the_t_test_is_not_defined_there_is_no_p(differences: list[float]) -> None:
    assert paired_t(differences) is None


def test_equal_differences_are_equal_in_spite_of_rounding() -> None:
    assert paired_t([0.1 + 0.2, 0.3, 0.3]) is None


def test_holm_by_hand() -> None:
    # Sorted .01 .02 .03 .04, times 4 3 2 1: .04 .06 .06 .04; the last must not be below the ones before.
    found = holm({"a": 0.03, "b": 0.01, "c": None, "d": 0.04, "e": 0.02})
    assert found == {"a": pytest.approx(0.06), "b": 0.04, "c": None, "d": pytest.approx(0.06), "e": 0.06}
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.floats(0, 1), min_size=1))
def test_holm_only_raises_keeps_the_order_and_is_bonferroni_for_the_smallest(values: dict[str, float]) -> None:
    found = {name: p for name, p in holm(values).items() if p is not None}
    assert found.keys() == values.keys()
    assert all(values[name] <= p <= 1 for name, p in found.items())
    order = sorted(values, key=lambda name: values[name])
    assert [found[name] for name in order] == sorted(found.values())
    assert found[order[0]] == min(1.0, len(values) * values[order[0]])


def test_spearman_with_ties_by_hand() -> None:
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: Pearson's correlation of the ranks is 4.5 / sqrt(4.5 * 5).
    found = spearman([0.1, 0.2, 0.2, 0.9], [5.0, 6.0, 7.0, 8.0])
    assert found is not None
    rho, p = found
    assert rho == pytest.approx(4.5 / math.sqrt(4.5 * 5.0), abs=1e-12)
    # t = rho sqrt(2 / (1 - rho²)) = sqrt(.9 * 2 / .1), with 2 degrees of freedom p = 1 - t / sqrt(2 + t²).
    assert p == pytest.approx(1 - math.sqrt(18 / 20), abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second"),
    [([0.1, 0.2], [1.0, 2.0]), ([0.1, 0.1, 0.1], [1.0, 2.0, 3.0]), ([0.1, 0.2, 0.3], [1.0, 1.0, 1.0])],
    ids=["two languages", "same distances", "same gains"],
)
def test_where_ranks_say_nothing_there_is_no_correlation(first: list[float], second: list[float]) -> None:
    assert spearman(first, second) is None


def test_resamples_are_draws_of_whole_examples_with_replacement() -> None:
    tallies = np.array([[1, 10], [2, 100], [4, 1000]])
    sums = resampled_sums(tallies, 500, seed=0)
    assert sums.shape == (500, 2)
    # The second column says how often each example was drawn; the first must be made of the same draws.
    counts = np.stack([sums[:, 1] // base % 10 for base in (10, 100, 1000)], axis=1)
    assert (counts.sum(axis=1) == 3).all()
    assert (counts @ tallies[:, 0] == sums[:, 0]).all()
    assert len(np.unique(counts, axis=0)) == 10  # all multisets of three out of three turn up
    assert (resampled_sums(tallies, 500, seed=0) == sums).all()
    assert (resampled_sums(tallies, 500, seed=1) != sums).any()


def test_the_draws_depend_on_the_number_of_examples_alone() -> None:
    first = resampled_sums(np.eye(50), 40, seed=3)
    second = resampled_sums(np.concatenate([np.eye(50), np.ones((50, 1))], axis=1), 40, seed=3)
    assert (second[:, :50] == first).all()
    assert (second[:, 50] == 50).all()


def test_many_examples_are_drawn_in_parts_of_a_right_size() -> None:
    sums = resampled_sums(np.ones((1_500_000, 1)), 3, seed=0)
    assert sums.tolist() == [[1_500_000.0]] * 3


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Two taggers on sentences of different ease, one of them better by an amount that differs between sentences."""
    draw = np.random.default_rng(5)
    trials, sentences, words, truth = 400, 120, 20, 0.05
    covered = rejected = 0
    for trial in range(trials):
        first = 0.25 + 0.4 * draw.beta(2, 2, size=(sentences, 1))
        second = first + truth + draw.uniform(-0.25, 0.25, size=(sentences, 1))
        right = [(draw.random((sentences, words)) < each).sum(axis=1) for each in (first, second)]
        sums = resampled_sums(np.stack(right, axis=1), 400, seed=trial)
        gains = (sums[:, 1] - sums[:, 0]) / (sentences * words)
        low, high = percentile_interval(gains)
        covered += low <= truth <= high
        rejected += bootstrap_p(gains - truth) < 0.05  # a hypothesis that is true
    # The standard deviation of a share of .95 in 400 is .011. Resampling words instead of sentences would cover .87.
    assert 0.92 <= covered / trials <= 0.98
    assert 0.02 <= rejected / trials <= 0.08


def test_pairing_makes_the_interval_narrow() -> None:
    draw = np.random.default_rng(0)
    first = draw.integers(0, 11, 300)  # sentences differ a lot, the two taggers hardly
    second = np.minimum(10, first + (draw.random(300) < 0.2))
    paired = resampled_sums(np.stack([first, second], axis=1), 1000, seed=0)
    alone = resampled_sums(second[:, None], 1000, seed=1)
    width = np.ptp(percentile_interval(paired[:, 1] - paired[:, 0]))
    assert width < 0.2 * np.ptp(percentile_interval(alone[:, 0] - paired[:, 0]))


def test_bootstrap_p_by_hand() -> None:
    assert bootstrap_p(np.array([-1.0, *[1.0] * 98])) == pytest.approx(2 * 2 / 100)
    assert bootstrap_p(np.ones(99)) == pytest.approx(2 * 1 / 100)
    assert bootstrap_p(np.zeros(99)) == 1.0
    assert bootstrap_p(np.array([-1.0, 1.0] * 50)) == 1.0
