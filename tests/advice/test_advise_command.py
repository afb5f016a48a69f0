"""`alignfreeze advise`: what it says of published cells, of unseen languages and models, and of one's own runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.advice.expectation import PUBLISHED, RUNS, expectation
from alignfreeze_cli.advice.gains import Cell, Gain, by_cell
from alignfreeze_cli.advice.verdict import verdict
from alignfreeze_cli.published import published
from tests.cli.world import alignfreeze
from tests.report.runs import write

XLMR, MBERT, DISTIL = "xlm-roberta-base", "bert-base-multilingual-cased", "distilbert-base-multilingual-cased"


def advise(*arguments: str | Path) -> dict[str, Any]:
    result = alignfreeze("advise", *arguments, "--format", "json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def of(found: dict[str, Any], language: str, strategy: str) -> dict[str, Any]:
    row: dict[str, Any] = next(each for each in found["languages"][language] if each["strategy"] == strategy)
    return row


def test_a_published_gain_is_looked_up() -> None:
    found = advise("hi", "--task", "pos", "--model", "FacebookAI/xlm-roberta-base")
    front, baseline = published(XLMR, "pos", "front"), published(XLMR, "pos", "baseline")
    assert front is not None
    assert baseline is not None
    row = of(found, "hi", "front")
    assert (row["basis"], row["seeds"]) == ("published", 5)
    assert row["gain"] == pytest.approx(100 * (front.values["hi"] - baseline.values["hi"]))
    assert row["low"] < row["gain"] < row["high"]
    assert list(found["languages"]) == ["hi"]


def test_a_language_that_was_not_published_gets_the_mean_of_the_others() -> None:
    found = advise("sw", "--task", "pos", "--model", XLMR)
    front, baseline = published(XLMR, "pos", "front"), published(XLMR, "pos", "baseline")
    assert front is not None
    assert baseline is not None
    row = of(found, "sw", "front")
    assert (row["basis"], row["languages"]) == ("mean of other languages", 34)
    assert row["gain"] == pytest.approx(100 * (front.average - baseline.average))
    assert row["low"] < row["gain"] < row["high"]
    assert found["advised"] == "front"


@pytest.mark.parametrize("model", [MBERT, XLMR])
def test_where_nearly_everything_was_worse_the_advice_is_not_to_realign(model: str) -> None:
    found = advise("it", "de", "--task", "qa", "--model", model)
    assert found["advised"] == "baseline"
    assert found["advice"][0].startswith("Don't realign")
    low, of_all = (sum(each[key] for each in found["below-baseline"].values()) for key in ("languages", "of"))
    assert of_all == 33
    assert low >= 32


def test_languages_whose_intervals_fail_are_warned_of() -> None:
    result = alignfreeze("advise", "fa", "it", "--task", "nli", "--model", XLMR)
    assert result.exit_code == 0, result.stderr
    assert "fa: the interval is too narrow" in result.stderr
    assert "28%" in result.stderr
    assert "it: " not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--task", "pos", "--model", XLMR], 2, "LANGUAGE is missing"),
        (["hi", "--task", "poss", "--model", XLMR], 2, "did you mean 'pos'?"),
        (["en", "--task", "pos", "--model", XLMR], 2, "en is the language that the task is learned in"),
        (["hi", "hi", "--task", "pos", "--model", XLMR], 2, "hi is named twice"),
        (["qqq-?", "--task", "pos", "--model", XLMR], 2, "no code of a language"),
        (["hi", "--task", "pos", "--model", "org/new"], 2, "--baseline-score hi=PERCENT"),
        (["hi", "--task", "pos", "--model", XLMR, "--source", "de"], 2, "the published runs are from English"),
        (["hi", "--task", "pos", "--model", "org/new", "--baseline-score", "hi"], 2, "must be LANGUAGE=PERCENT"),
        (["hi", "--task", "pos", "--model", "org/new", "--baseline-score", "hi=nan"], 2, "must be LANGUAGE=PERCENT"),
        (["hi", "--task", "pos", "--model", "org/new", "--baseline-score", "hi=0.71"], 2, "is in percent"),
        (["hi", "--task", "pos", "--model", "org/new", "--baseline-score", "hi=71,hi=72"], 2, "names hi twice"),
        (["hi", "--task", "pos", "--model", "org/new", "--baseline-score", "sw=71"], 2, "none of the languages asked"),
        (["hi", "--task", "pos", "--model", XLMR, "--runs", "nowhere"], 2, "no such folder"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments: list[str], code: int, said: str) -> None:
    result = alignfreeze("advise", *arguments)
    assert result.exit_code == code
    assert said in result.stderr


def test_it_starts_without_heavy_libraries() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from alignfreeze_cli.cli.app import app;"
        "r = CliRunner().invoke(app, ['advise', 'sw', '--task', 'pos', '--model', 'xlm-roberta-base']);"
        "assert r.exit_code == 0, r.output;"
        "print([m for m in ('torch', 'transformers', 'datasets', 'pyarrow', 'pandas', 'matplotlib')"
        " if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def own_runs(folder: Path, right: dict[str, dict[str, int]], seeds: tuple[int, ...], model: str = "new") -> Path:
    """Runs whose scores are so many right words of ten, plus one with odd seeds, in every strategy and language."""
    for strategy, of_languages in right.items():
        for seed in seeds:
            words = {code: [number + seed % 2] for code, number in of_languages.items()}
            write(folder, strategy, seed, {"en": [9], **words}, model=model, control=strategy == "shuffled")
    return folder


def test_gains_of_own_runs_come_first_and_make_cells_of_their_own(tmp_path: Path) -> None:
    codes = {"hi": 5, "sw": 4, "yo": 3, "ta": 5, "te": 6}
    runs = own_runs(
        tmp_path / "runs",
        {"baseline": codes, "even": {code: n + 2 for code, n in codes.items()}, "shuffled": codes},
        (1, 2),
    )
    found = advise("hi", "am", "--task", "pos", "--model", "org/new", "--runs", runs)
    row = of(found, "hi", "even")
    assert (row["basis"], row["seeds"], row["gain"]) == ("runs", 2, pytest.approx(20))
    row = of(found, "am", "even")
    assert (row["basis"], row["of"], row["languages"]) == ("mean of other languages", "runs", 5)
    assert (row["gain"], row["low"], row["high"]) == pytest.approx((20, 20, 20))
    assert [each["strategy"] for each in found["languages"]["hi"]] == ["even"], "controls are no strategies"
    assert found["advised"] == "even"


def test_a_pilot_in_one_language_beside_the_published_cell(tmp_path: Path) -> None:
    runs = own_runs(tmp_path / "runs", {"baseline": {"hi": 5}, "front": {"hi": 6}}, (1,), XLMR)
    found = advise("hi", "sw", "--task", "pos", "--model", XLMR, "--runs", runs)
    row = of(found, "hi", "front")
    assert (row["basis"], row["seeds"], row["gain"]) == ("runs", 1, pytest.approx(10))
    assert row["high"] - row["low"] == pytest.approx(2 * found["pilots"][0]["radius"])
    assert of(found, "hi", "full")["basis"] == "published"
    assert (of(found, "sw", "front")["of"], of(found, "sw", "front")["languages"]) == ("published", 34)


def test_too_few_own_languages_say_nothing_of_others(tmp_path: Path) -> None:
    runs = own_runs(tmp_path / "runs", {"baseline": {"hi": 5, "ta": 5}, "front": {"hi": 6, "ta": 7}}, (1, 2))
    result = alignfreeze("advise", "sw", "--task", "pos", "--model", "new", "--runs", runs)
    assert result.exit_code == 2
    assert "Too little is known of pos with new in other languages" in result.stderr


def test_a_baseline_score_predicts_the_gain_of_an_unseen_model() -> None:
    found = advise("sw", "yo", "--task", "pos", "--model", "org/new", "--baseline-score", "sw=50,yo=85")
    weak, strong = of(found, "sw", "full"), of(found, "yo", "full")
    assert weak["basis"] == "ridge on the baseline score"
    assert weak["gain"] > strong["gain"], "where the baseline is weak there is more to gain"
    assert weak["low"] < weak["gain"] < weak["high"]


def test_a_score_in_one_of_two_languages_advises_for_that_one() -> None:
    arguments = ("advise", "sw", "yo", "--task", "pos", "--model", "org/new", "--baseline-score", "sw=50")
    found = advise(*arguments[1:])
    assert found["advised"] == advise("sw", *arguments[3:])["advised"] != "baseline"
    assert "Nothing is known of yo." in found["advice"]
    assert "come from the three published ones, too few" in alignfreeze(*arguments).stderr


@pytest.mark.parametrize(("extra", "advised"), [(-1.0, "baseline"), (1.0, "even")])
def test_a_strategy_in_few_languages_hides_no_clear_harm_but_may_gain(extra: float, advised: str) -> None:
    full, even = (Cell("qa", "new", name) for name in ("full", "even"))
    harmed = [Gain(full, code, (-1.0,), 50.0) for code in ("ar", "de", "el", "es", "hi", "ru", "th", "vi")]
    gains = [*harmed, Gain(even, "ar", (extra,), 50.0), Gain(even, "de", (extra,), 50.0)]
    known = {PUBLISHED: {}, RUNS: by_cell(gains)}
    expected = {"ar": {cell.strategy: expectation(known, cell, "ar", 1.0) for cell in (full, even)}}
    found = verdict(expected, gains)
    assert found.strategy == advised
    assert found.sentences[0].startswith("Don't realign:") == (advised == "baseline")


def test_the_table_names_where_each_gain_comes_from() -> None:
    result = alignfreeze("advise", "hi", "sw", "--task", "pos", "--model", XLMR)
    assert result.exit_code == 0, result.stderr
    assert "5 published seeds" in result.stdout
    assert "mean of 34 languages" in result.stdout
    assert "+4.03" in result.stdout
    assert alignfreeze("advise", "sw", "--task", "pos", "--model", XLMR, "-q").stdout == "front\n"


def test_codes_of_other_standards_are_the_same_language() -> None:
    found = advise("zho", "--task", "pos", "--model", XLMR)
    assert of(found, "zho", "front")["basis"] == "published"
    assert (
        of(found, "zho", "front")["gain"] == of(advise("zh", "--task", "pos", "--model", XLMR), "zh", "front")["gain"]
    )


def test_one_pilot_does_not_outweigh_what_all_languages_say(tmp_path: Path) -> None:
    runs = own_runs(tmp_path / "runs", {"baseline": {"hi": 5}, "front": {"hi": 6}}, (1,), XLMR)
    for scores in runs.glob("*/pos-scores"):  # the same runs, as ones of another task
        scores.rename(scores.with_name("qa-scores"))
    for path in runs.glob("*/run.json"):
        path.write_text(path.read_text().replace("pos", "qa"))
    for path in runs.glob("*/qa-scores/scores.json"):
        path.write_text(path.read_text().replace("accuracy", "f1"))
    found = advise("hi", "--task", "qa", "--model", XLMR, "--runs", runs)
    assert of(found, "hi", "front")["basis"] == "runs"
    assert found["advised"] == "baseline"


def test_the_example_of_the_page() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "advice.md").read_text(encoding="utf-8")
    result = alignfreeze("advise", "hi", "sw", "fa", "--task", "pos", "--model", XLMR)
    assert result.exit_code == 0, result.stderr
    for line in result.stdout.splitlines():
        assert line in page
