"""The table of scores over seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.report.markdown import score_text
from alignfreeze_cli.report.score_table import ScoreTable, score_tables
from alignfreeze_cli.report.scores import COLUMNS, read_scores
from tests.report.samples import score_rows

Rows = list[dict[str, Any]]


def score(strategy: str, seed: int, control: bool = False, **values: float) -> Rows:
    return score_rows("enc", strategy, seed, control, "pos", "accuracy", "en", values)


def made(*runs: Rows) -> list[ScoreTable]:
    return score_tables(pd.DataFrame([row for run in runs for row in run], columns=COLUMNS))


SCORES = [
    score("baseline", 0, en=0.9, de=0.5, tr=0.3),
    score("shuffled", 0, True, en=0.9, de=0.4, tr=0.2),
    score("front", 0, en=0.9, de=0.7, tr=0.5),
    score("baseline", 1, en=0.92, de=0.54, tr=0.4),
    score("front", 1, en=0.9, de=0.7, tr=0.5),
    score("shuffled", 1, True, en=0.9, de=0.4),
]


def test_mean_and_sample_deviation_over_seeds_with_the_mean_of_targets_taken_per_seed() -> None:
    (table,) = made(*SCORES)
    assert table.columns == ("en", "de", "tr", "mean of targets")
    assert [row.strategy for row in table.rows] == ["baseline", "front", "shuffled"]
    baseline = table.rows[0].cells
    assert baseline[1] is not None
    assert baseline[1].mean == pytest.approx(52.0)
    assert baseline[1].deviation == pytest.approx(2.8284271)  # sqrt(((50-52)^2 + (54-52)^2) / (2-1))
    assert baseline[3] is not None
    assert (baseline[3].mean, baseline[3].deviation) == (pytest.approx(43.5), pytest.approx(4.9497475))
    shuffled = table.rows[2].cells
    assert shuffled[2] is not None
    assert (shuffled[2].seeds, shuffled[2].deviation) == (1, None)
    assert shuffled[3] is not None
    assert shuffled[3].seeds == 1  # the seed that lacks a language would shift the mean


def test_the_text_reads_as_markdown_and_sets_controls_apart() -> None:
    (table,) = made(*SCORES)
    assert score_text(table) == "\n".join(
        [
            f"{table.caption}\n",
            "| strategy  | en (source) |         de |         tr | mean of targets |",
            "|-----------|------------:|-----------:|-----------:|----------------:|",
            "| baseline  |  91.0 ± 1.4 | 52.0 ± 2.8 | 35.0 ± 7.1 |      43.5 ± 4.9 |",
            "| front     |  90.0 ± 0.0 | 70.0 ± 0.0 | 50.0 ± 0.0 |      60.0 ± 0.0 |",
            "| controls: |             |            |            |                 |",
            "| shuffled  |  90.0 ± 0.0 | 40.0 ± 0.0 |       20.0 |            30.0 |",
        ]
    )
    assert "mean ± sample standard deviation over 2 seeds" in table.caption
    assert table.narrow().columns == ("en", "mean of targets")


def test_a_strategy_with_fewer_seeds_says_so_and_missing_scores_leave_a_dash() -> None:
    (table,) = made(*SCORES[:4], score("back", 0, en=0.8))
    text = score_text(table)
    assert "| back (1 of 2 seeds)" in text
    assert text.count("–") == 3


def test_models_and_tasks_get_tables_of_their_own() -> None:
    other = score_rows("enc2", "baseline", 0, False, "pos", "accuracy", "en", {"en": 1.0})
    assert [(table.model, table.columns) for table in made(*SCORES, other)][1] == ("enc2", ("en",))


def test_scores_that_do_not_compare_get_tables_of_their_own() -> None:
    from_german = score_rows("enc", "front", 2, False, "pos", "accuracy", "de", {"en": 0.5, "de": 1.0})
    assert [table.source for table in made(*SCORES, from_german)] == ["en", "de"]


def test_scores_are_read_from_run_folders_as_far_as_they_are_there(tmp_path: Path) -> None:
    run = {
        "model": "enc",
        "strategy": "front",
        "seed": 3,
        "source": "en",
        "control": False,
        "tasks": {"pos": "pos-scores"},
    }
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(run), encoding="utf-8")
    (tmp_path / "a" / "pos-scores").mkdir()
    scores = {"metric": "accuracy", "source-language": "en", "languages": {"en": {"value": 0.5}, "de": {"value": 0.25}}}
    (tmp_path / "a" / "pos-scores" / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    found = read_scores([tmp_path / "a", tmp_path / "b"])
    folder = tmp_path / "a" / "pos-scores"
    expected = score_rows("enc", "front", 3, False, "pos", "accuracy", "en", {"en": 0.5, "de": 0.25})
    behind: dict[str, Any] = {"behaviours": {}, "precisions": {}}
    assert found.to_dict("records") == [{**row, "data": None, "folder": folder, **behind} for row in expected]
    (tmp_path / "b" / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"run\.json"):
        read_scores([tmp_path / "b"])
    (tmp_path / "b" / "run.json").write_text(json.dumps({**run, "seed": 4}).replace("model", "modell"))
    with pytest.raises(ArtifactError, match="lacks model"):
        read_scores([tmp_path / "b"])
    (folder / "scores.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"scores\.json: is no file of scores"):
        read_scores([tmp_path / "a"])
