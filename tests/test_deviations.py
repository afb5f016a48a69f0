"""Standard deviations over seeds and the yardsticks made of them, worked out by hand."""

from __future__ import annotations

import math

import pytest

from alignfreeze_cli.deviations import (
    YARDSTICKS,
    bars_apart,
    baseline_deviation,
    beyond,
    paired_deviation,
    population_deviation,
    sample_deviation,
)
from alignfreeze_cli.report.settings import ReportSettings


def test_equal_scores_do_not_deviate_in_spite_of_rounding() -> None:
    assert sample_deviation([0.1 + 0.2, 0.3, 0.3]) == 0.0
    assert sample_deviation([0.3]) is None


def test_yardsticks_by_hand() -> None:
    baseline, strategy = [10.0, 12.0, 14.0], [13.0, 13.0, 16.0]
    assert population_deviation(baseline) == pytest.approx(math.sqrt(8 / 3))
    assert sample_deviation(baseline) == pytest.approx(2.0)
    assert bars_apart(baseline, strategy) == pytest.approx(math.sqrt(8 / 3) + math.sqrt(2))
    assert baseline_deviation(baseline, strategy) == pytest.approx(math.sqrt(8 / 3))
    assert paired_deviation(baseline, strategy) == pytest.approx(math.sqrt(2 / 3))  # differences 3, 1, 2
    # The difference of the means is 2: more than 1.63 and .82, not more than 3.05.
    assert [beyond(baseline, strategy, YARDSTICKS[name][0]) for name in YARDSTICKS] == [0, 1, 1]
    assert [beyond(strategy, baseline, YARDSTICKS[name][0]) for name in YARDSTICKS] == [0, -1, -1]


def test_beyond_is_strict_and_needs_two_seeds() -> None:
    assert beyond([1.0, 3.0], [3.0, 5.0], bars_apart) == 0  # exactly the sum of both
    assert beyond([1.0, 3.0], [3.0, 5.001], bars_apart) == 0  # its own deviation has grown as well
    assert beyond([1.0, 3.0], [3.1, 5.1], bars_apart) == 1
    assert beyond([2.0, 2.0], [2.0, 2.0], bars_apart) == 0
    assert beyond([2.0, 2.0], [1.5, 1.5], bars_apart) == -1
    assert beyond([2.0], [9.0], bars_apart) == beyond([2.0, 2.0], [9.0], bars_apart) == 0


def test_the_options_know_every_yardstick() -> None:
    assert ReportSettings(published_only=True).yardstick in YARDSTICKS
