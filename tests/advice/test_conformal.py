"""Intervals around a mean, against their definition and by how often they hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.advice.conformal import coverage, from_others, of_mean, radius

points = st.floats(-20, 20)


def cell(values: list[float]) -> dict[str, float]:
    return {f"l{n}": value for n, value in enumerate(values)}


def test_the_radius_is_the_rank_that_leaves_the_wanted_share_outside() -> None:
    errors = [-9.0, 1.0, 2.0, -3.0, 4.0, 5.0, 6.0, 7.0, 8.0]  # sizes 1 to 9
    assert radius(errors, 0.8) == 8.0  # the (9 + 1) 0.8 = 8th
    assert radius(errors, 0.5) == 5.0
    assert radius(errors[:3], 0.8) is None  # the 4th of three
    assert radius(errors[:4], 0.8) == 9.0
    assert radius([], 0.8) is None


@given(st.lists(points, min_size=4, max_size=12))
def test_the_interval_is_made_of_distances_from_the_mean_of_the_others(values: list[float]) -> None:
    errors = [abs(value - np.mean(values[:n] + values[n + 1 :])) for n, value in enumerate(values)]
    interval = of_mean(cell(values), [cell(values)], "new")
    assert interval is not None
    assert interval.center == pytest.approx(np.mean(values), abs=1e-9)
    assert interval.radius == pytest.approx(sorted(errors)[-(-(len(values) + 1) * 4 // 5) - 1], abs=1e-9)


@given(st.lists(points, min_size=5, max_size=12), points)
def test_a_shift_of_all_gains_moves_the_interval_and_keeps_its_width(values: list[float], shift: float) -> None:
    moved = cell([value + shift for value in values])
    one, other = of_mean(cell(values), [cell(values)], "l0"), of_mean(moved, [moved], "l0")
    assert one is not None
    assert other is not None
    assert other.center == pytest.approx(one.center + shift, abs=1e-9)
    assert other.radius == pytest.approx(one.radius, abs=1e-9)


@given(st.lists(points, min_size=5, max_size=9), points)
def test_a_language_has_no_say_in_its_own_interval(values: list[float], other: float) -> None:
    known = cell(values)
    assert of_mean(known, [known, known], "l0") == of_mean(known | {"l0": other}, [known, known | {"l0": other}], "l0")


@pytest.mark.parametrize("draw", ["normal", "heavy tails", "skewed"])
def test_it_holds_the_next_gain_in_four_of_five_cases_whatever_the_distribution(draw: str) -> None:
    rng = np.random.default_rng(0)
    size = (2000, 20)
    drawn = {
        "normal": rng.normal(size=size),
        "heavy tails": rng.standard_t(3, size=size),
        "skewed": rng.exponential(size=size),
    }
    held = 0
    for *known, new in drawn[draw].tolist():
        interval = of_mean(cell(known), [cell(known)], "new")
        assert interval is not None
        held += interval.holds(new)
    assert 0.77 <= held / size[0] <= 0.84


def test_coverage_takes_intervals_of_the_other_languages_alone() -> None:
    known = {"aa": 1.0, "bb": 1.1, "cc": 0.9, "dd": 1.05, "ee": 0.95, "ff": 30.0}
    assert coverage([known]) == {code: (int(code != "ff"), 1) for code in known}
    assert coverage([known, {"aa": 1.0, "bb": 2.0}])["aa"] == (1, 1), "a cell too small for a mean does not count"


def test_few_gains_make_no_interval() -> None:
    assert from_others([]) == from_others([1.0]) == []
    assert of_mean(cell([1.0, 2.0, 3.0]), [cell([1.0, 2.0, 3.0])], "new") is None
    assert of_mean(cell([1.0, 2.0, 3.0, 4.0]), [cell([1.0, 2.0, 3.0, 4.0])], "l0") is None
