"""What is used of the published gains gives the numbers that were worked out of them before, by other code."""

from __future__ import annotations

import numpy as np
import pytest

from alignfreeze_cli.advice import ridge
from alignfreeze_cli.advice.conformal import coverage, from_others
from alignfreeze_cli.advice.gains import Cell, Gain, by_cell, means, published_gains
from alignfreeze_cli.advice.pilot import pilot

NEAR = 0.02


@pytest.fixture(scope="module")
def gains() -> list[Gain]:
    return published_gains()


def test_there_are_819_cells_of_five_seeds(gains: list[Gain]) -> None:
    assert len(gains) == 819
    assert {len(gain.by_seed) for gain in gains} == {5}
    front = by_cell(gains)[Cell("pos", "xlm-roberta-base", "front")]
    assert front["hi"].mean == pytest.approx(4.03, abs=0.005)
    assert np.mean([gain.mean for gain in front.values()]) == pytest.approx(81.69 - 80.90, abs=0.01)


def test_the_mean_over_other_languages(gains: list[Gain]) -> None:
    errors = np.concatenate([from_others(list(means(cell).values())) for cell in by_cell(gains).values()])
    truth = np.concatenate([list(means(cell).values()) for cell in by_cell(gains).values()])
    assert np.abs(errors).mean() == pytest.approx(1.40, abs=NEAR)
    assert (np.sign(truth - errors) == np.sign(truth)).mean() == pytest.approx(0.77, abs=NEAR)


def test_intervals_hold_in_four_of_five_cases_and_where_they_do_not(gains: list[Gain]) -> None:
    found = coverage([means(cell) for cell in by_cell(gains).values()])
    inside, of = np.sum(list(found.values()), axis=0)
    assert of == 819
    assert inside / of == pytest.approx(0.80, abs=NEAR)
    for language, share in {"fa": 0.28, "th": 0.56, "sv": 0.56, "vi": 0.56}.items():
        assert found[language][0] / found[language][1] == pytest.approx(share, abs=NEAR)


@pytest.mark.parametrize(
    ("tasks", "seeds", "r2"),
    [("pos ner nli qa", 1, 0.53), ("pos ner nli qa", 2, 0.69), ("pos", 1, 0.80), ("nli", 1, 0.73), ("ner", 1, -0.02),
     ("qa", 1, -0.41)],
)  # fmt: skip
def test_pilots(gains: list[Gain], tasks: str, seeds: int, r2: float) -> None:
    assert pilot([gain for gain in gains if gain.cell.task in tasks.split()], seeds).r2 == pytest.approx(r2, abs=NEAR)


def test_a_pilot_by_hand() -> None:
    cell = Cell("pos", "m", "front")
    gains = [Gain(cell, code, values, 50.0) for code, values in {"aa": (1.0, 2.0, 4.0), "bb": (0.0, 3.0, 3.0)}.items()]
    errors, spread = [], []
    for seed in range(3):
        rest = [np.mean([v for n, v in enumerate(gain.by_seed) if n != seed]) for gain in gains]
        errors += [gain.by_seed[seed] - mean for gain, mean in zip(gains, rest, strict=True)]
        spread += [rest[0] - rest[1], rest[1] - rest[0]]
    assert pilot(gains, 1).r2 == pytest.approx(1 - np.square(errors).sum() / np.square(spread).sum())


def test_ridge_with_each_model_held_out(gains: list[Gain]) -> None:
    """Against the mean over the other models of the same task and strategy."""
    reference = [
        np.mean([g.mean for g in gains if g.cell.model != gain.cell.model and (g.cell.task, g.cell.strategy) == key])
        for gain in gains
        for key in [(gain.cell.task, gain.cell.strategy)]
    ]
    errors = np.array(ridge.errors(gains))
    off = np.array([gain.mean for gain in gains]) - reference
    assert np.abs(off).mean() == pytest.approx(1.94, abs=NEAR)
    assert 1 - np.square(errors).sum() / np.square(off).sum() == pytest.approx(0.34, abs=NEAR)


def test_ridge_is_least_squares_on_longer_columns() -> None:
    """The penalty is the same as rows of √penalty on the diagonal with target 0."""
    rng = np.random.default_rng(0)
    features, target = rng.normal(size=(30, 4)) * [1, 10, 0.1, 1], rng.normal(size=30)
    fitted = ridge.Ridge.fit(features, target, penalty=3.0)
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    longer = np.vstack([standard, np.sqrt(3.0) * np.eye(4)])
    weights = np.linalg.lstsq(longer, np.r_[target - target.mean(), np.zeros(4)], rcond=None)[0]
    assert fitted.predict(features) == pytest.approx(target.mean() + standard @ weights)


def test_a_language_that_no_known_gain_has_is_predicted_from_task_strategy_and_score_alone(gains: list[Gain]) -> None:
    new, other = (ridge.Case("pos", "front", code, 70.0) for code in ("sw", "yo"))
    assert ridge.predict(gains, [new])[0] == ridge.predict(gains, [other])[0]
    known = ridge.Case("pos", "front", "hi", 70.0)
    assert ridge.predict(gains, [known])[0] != ridge.predict(gains, [new])[0]
