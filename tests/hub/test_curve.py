"""The retrieval curve: how many steps it says are enough, and how a card says it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.hub.cards import make_card
from alignfreeze_cli.hub.curve import MOST_ROWS, Curve, recorded_curve
from tests.hub.hubworld import Made


def details(*means: float, words: int = 100) -> dict[str, Any]:
    """One language, measured every 50 steps."""
    steps = [50 * place for place in range(len(means))]
    return {"retrieval-curve": {"steps": steps, "words": {"de": words}, "accuracy": {"de": list(means)}}}


def curve(*means: float, words: int = 100) -> Curve:
    found = recorded_curve(details(*means, words=words))
    assert found
    return found


# With 100 words a mean of 0.5 has the standard error 0.05.
@pytest.mark.parametrize(
    ("means", "best", "enough"),
    [
        ((0.1, 0.46, 0.44, 0.50, 0.48), 150, 150),  # 0.44 is too low, so 0.46 before it was not yet enough
        ((0.1, 0.46, 0.45, 0.50, 0.48), 150, 50),
        ((0.1, 0.2, 0.3, 0.5), 150, 150),
        ((0.1, 0.5, 0.4, 0.3), 50, None),
        ((0.46, 0.5, 0.47), 50, 0),
        ((0.5, 0.5, 0.5), 0, 0),
    ],
)
def test_enough_is_where_no_later_mean_is_a_standard_error_below_the_highest(
    means: tuple[float, ...], best: int, enough: int | None
) -> None:
    found = curve(*means)
    assert found.best.steps == best
    assert (found.enough and found.enough.steps) == enough or (found.enough is None and enough is None)


def test_the_error_is_that_of_a_mean_over_languages() -> None:
    accuracy = {"de": [0.1, 0.5], "fr": [0.1, 0.2]}
    found = recorded_curve({"retrieval-curve": {"steps": [0, 9], "words": {"de": 25, "fr": 16}, "accuracy": accuracy}})
    assert found
    assert found.error == pytest.approx((0.25 / 25 + 0.16 / 16) ** 0.5 / 2)
    assert (found.words, found.languages) == (41, 2)
    assert (found.best.mean, found.best.lowest, found.best.highest) == (0.35, 0.2, 0.5)


def test_no_curve_without_measurements_during_training() -> None:
    assert recorded_curve({"steps": 3}) is None


@given(st.lists(st.floats(0, 1), min_size=3, max_size=90))
def test_about_a_dozen_points_are_shown_among_them_those_that_are_spoken_of(means: list[float]) -> None:
    found = curve(*means)
    assert len(found.shown) <= MOST_ROWS + 3
    assert found.shown == sorted(found.shown, key=lambda point: point.steps)
    assert {found.points[0], found.points[-1], found.best} <= set(found.shown)
    assert found.enough is None or found.enough in found.shown


ENOUGH = (
    "From 50 steps on it was never farther below it than that: by this measure, on these pairs, 50 of the 150 steps "
    "were enough. "
)
CASES = {
    (0.1, 0.46, 0.5, 0.48): ENOUGH + "It is no score",
    (0.1, 0.46, 0.48, 0.5): ENOUGH + "It was highest at the end, so more steps may raise it. It is no score",
    (0.1, 0.2, 0.5): "so this run does not show how many steps are enough",
    (0.1, 0.5, 0.3): "At the end it was lower by more than that: the steps beyond 50 did not help this measure.",
    (0.5, 0.5, 0.5): "so by this measure no number of steps shows a gain",
}


def test_a_card_says_no_more_than_was_measured(made: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made.run() / "encoder", tmp_path / "encoder"))
    assert "How many steps" not in make_card(folder)["README.md"].decode()
    path = folder / "alignfreeze.json"
    record = json.loads(path.read_text())
    for means, sentence in CASES.items():
        path.write_text(json.dumps(record | {"details": record["details"] | details(*means)}))
        text = make_card(folder)["README.md"].decode()
        assert "## How many steps are enough" in text
        assert f"| 50 | {100 * means[1]:.1f} |\n" in text
        assert "with a standard error of 5.0 points if its 100 words are taken as independent" in text
        assert sentence in text
        assert "It is no score of a task" in text
    several = details(0.1, 0.3)
    several["retrieval-curve"] |= {"words": {"de": 4, "fr": 4}, "accuracy": {"de": [0.1, 0.3], "fr": [0.2, 0.5]}}
    path.write_text(json.dumps(record | {"details": record["details"] | several}))
    assert "| 50 | 40.0 | 30.0 | 50.0 |\n" in make_card(folder)["README.md"].decode()


EMPTY = {"steps": [], "words": {}, "accuracy": {}}
NO_WORDS = {"steps": [0], "words": {"de": 0}, "accuracy": {"de": [0.5]}}


@pytest.mark.parametrize("odd", [7, {}, EMPTY, NO_WORDS], ids=str)
def test_a_curve_of_another_form_is_refused(made: Made, tmp_path: Path, odd: Any) -> None:
    folder = Path(shutil.copytree(made.run() / "encoder", tmp_path / "encoder"))
    path = folder / "alignfreeze.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"details": record["details"] | {"retrieval-curve": odd}}))
    with pytest.raises(ArtifactError):
        make_card(folder)
