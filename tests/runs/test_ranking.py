"""The ranking of a search: who goes on, differences with their intervals, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alignfreeze_cli.runs.ranking import Difference, keep, rank

NEAR, FAR = ["xx"], ["yy"]


def scores(**by_name: list[tuple[float, float]]) -> dict[str, dict[int, dict[str, float]]]:
    """Candidate → for each seed its scores, in percent, in the selecting and the reporting language."""
    return {
        name: {seed: {"xx": here / 100, "yy": there / 100} for seed, (here, there) in enumerate(pairs)}
        for name, pairs in by_name.items()
    }


@given(st.lists(st.floats(-50, 50).map(lambda value: round(value, 3)), min_size=2, max_size=9))
def test_an_interval_is_that_of_a_one_sample_t_test(differences: list[float]) -> None:
    found = Difference.of(differences)
    assert found.interval is not None
    if np.std(differences) < 1e-9:
        assert found.interval == (found.mean, found.mean)
        return
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    np.testing.assert_allclose(found.interval, (expected.low, expected.high), atol=1e-9)


def test_one_seed_has_no_interval_and_resolves_nothing() -> None:
    found = Difference.of([3.0])
    assert (found.interval, found.resolved, found.seeds_needed(), found.text()) == (None, False, None, "+3.0")


def test_seeds_needed_are_the_fewest_that_find_such_a_difference_four_times_of_five() -> None:
    found = Difference.of([0.0, 1.0, 2.0])  # mean 1, standard deviation 1
    # n = 9: (2.306 + 0.889) / 3 = 1.07; n = 10: (2.262 + 0.883) / 3.162 = 0.99
    assert found.seeds_needed() == 10
    assert Difference.of([-1.0, 1.0]).seeds_needed() is None
    assert Difference.of([1.0, -0.999]).seeds_needed() is None, "more than a thousand"


def test_the_selecting_languages_decide_and_the_others_report() -> None:
    first = scores(a=[(70, 10)], b=[(80, 20)], c=[(75, 90)], d=[(60, 95)])
    assert keep(first, NEAR, 3) == ["b", "c", "a"]
    second = scores(b=[(80, 50)], c=[(81, 52)], a=[(70, 51)])
    third = scores(b=[(80, 50), (82, 52), (84, 51)], c=[(83, 55), (85, 58), (87, 56)])
    found = rank([first, second, third], NEAR, FAR)
    assert [(place.name, place.rung, place.runs) for place in found.places] == [
        ("c", 3, 5), ("b", 3, 5), ("a", 2, 2), ("d", 1, 1),
    ]  # fmt: skip
    assert (found.winner.selecting, found.winner.reporting) == (pytest.approx(85), pytest.approx(169 / 3))
    behind = [place.behind for place in found.places]
    assert behind[0] is None
    assert behind[1] is not None
    assert behind[1].mean == pytest.approx(np.mean([-5, -6, -5]))
    assert behind[2] is not None
    assert (behind[2].mean, behind[2].seeds) == (pytest.approx(-1), 1)
    assert behind[3] is not None
    assert behind[3].mean == pytest.approx(5), "in the first rung, where it was left out for the selecting languages"
    assert found.resolved
    assert found.sentences()[0].startswith("c is better than b: +5.3 [+3.9, +6.8] points over 3 seeds")
    assert found.spread == pytest.approx(np.std([-5, -6, -5], ddof=1))
    assert found.unresolved == ("a", "d"), "a is 1 point behind on one seed, the spread is 0.6; d is ahead"


def test_what_the_budget_cannot_tell_is_said() -> None:
    third = scores(b=[(80, 50), (80, 54)], c=[(83, 53), (85, 52)])
    found = rank([scores(b=[(80, 50)], c=[(83, 51)], a=[(0, 0)]), scores(b=[(80, 50)], c=[(83, 51)]), third], NEAR, FAR)
    assert not found.resolved
    said = found.sentences()[0]
    assert said.startswith("c and b can't be told apart with this budget: +0.5 [")
    assert said.endswith("A difference of this size would take about 395 seeds each.")
    assert found.unresolved == ("b",), "a is 50 points behind"
    assert len(found.sentences()) == 1


def test_a_choice_that_does_not_carry_over_is_said() -> None:
    third = scores(b=[(80, 60), (80, 61)], c=[(83, 50), (85, 51)])
    found = rank([scores(b=[(80, 60)], c=[(83, 50)], a=[(0, 0)]), scores(b=[(1, 1)], c=[(2, 2)]), third], NEAR, FAR)
    assert (found.winner.name, found.resolved) == ("c", False)
    assert "but b is better in the others (−10.0 [−10.0, −10.0] points" in found.sentences()[0]


def test_equal_scores_keep_the_order_of_the_candidates() -> None:
    assert keep(scores(a=[(1, 0)], b=[(2, 0)], c=[(2, 0)]), NEAR, 2) == ["b", "c"]
