"""`python -m benchmarks predict`: the rows known from before, and the page that shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignfreeze_cli.advice.gains import Gain, published_gains
from benchmarks import predict
from benchmarks.inputs import Inputs, Options

PAGE = Path(__file__).resolve().parents[2] / "docs" / "advice.md"
NEAR = 0.02


@pytest.fixture(scope="module")
def gains() -> list[Gain]:
    return published_gains()


@pytest.fixture(scope="module")
def found(gains: list[Gain]) -> dict[tuple[str, str], predict.Outcome]:
    return {(name, title): each for name, title, each in predict.outcomes(gains)}


@pytest.mark.parametrize(
    ("name", "error", "sign"),
    [("language", 1.40, 0.77), ("branch", 1.43, 0.78), ("model", 1.94, 0.61), ("task", 2.03, 0.53)],
)
def test_references(found: dict[tuple[str, str], predict.Outcome], name: str, error: float, sign: float) -> None:
    reference = next(each for (held, _), each in found.items() if held == name)
    assert (reference.error, reference.sign, reference.r2) == pytest.approx((error, sign, 0), abs=NEAR)


def test_typology_carries_nothing_and_a_new_task_cannot_be_predicted(
    found: dict[tuple[str, str], predict.Outcome],
) -> None:
    assert all(each.r2 <= 0.03 for (_, title), each in found.items() if title == "ridge: typology")
    assert all(each.r2 <= 0 for (name, _), each in found.items() if name == "task")
    advise = found["model", "ridge: baseline score in each task, and language (`advise`)"]
    assert advise.r2 == pytest.approx(0.34, abs=NEAR)
    assert advise.low > 0.1


def test_ceiling_and_choice_of_strategy(gains: list[Gain]) -> None:
    data = predict.Data(gains)
    assert predict.ceiling(data) == pytest.approx(0.92, abs=NEAR)
    known = {"always baseline": 1.69, "always full": 0.79, "always front": 0.84, "always back": 0.98}
    known |= {"the best mean of other languages": 0.40, "the best in a pilot of one seed, with the other seeds": 0.28}
    lost = predict.losses(data)
    assert {name: lost[name] for name in known} == pytest.approx(known, abs=NEAR)


def test_the_page_shows_what_the_benchmark_prints(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for line in predict.run(Inputs(Options(), tmp_path)).markdown().splitlines():
        assert line in page, line
