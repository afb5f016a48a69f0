"""The published numbers: whole, and joined with what the toolkit calls models, tasks and languages."""

from __future__ import annotations

import pytest

from alignfreeze_cli.published import STRATEGIES, bare_id, distances, full_id, language_names, published, rows
from alignfreeze_cli.tasks.registry import TASKS


def test_every_row_is_a_model_a_task_a_strategy_and_languages_that_we_know() -> None:
    assert len(rows()) == 435
    names = language_names()
    for row in rows():
        assert full_id(row["model"]) != row["model"], "a model of the recipes"
        assert row["strategy"] in STRATEGIES
        assert (row["aligner"] is None) == (row["strategy"] == "baseline")
        assert set(row["scores"]) <= set(names) - {"en"}
        task = TASKS[row["task"]]
        assert set(row["scores"]) == set(task.languages)
        assert row["metric"] == task.metric
        assert task.source_language == "en"
    assert set(distances()) == set(names) - {"en"}


@pytest.mark.parametrize(
    ("model", "task", "strategy", "aligner", "average", "spread", "english"),
    [
        ("xlm-roberta-base", "pos", "baseline", "dictionary", 80.90, 0.10, 96.73),
        ("FacebookAI/xlm-roberta-base", "pos", "front", "dictionary", 81.69, 0.14, 96.84),
        ("google-bert/bert-base-multilingual-cased", "pos", "back", "awesome", 78.86, 0.34, 96.58),
        ("distilbert/distilbert-base-multilingual-cased", "qa", "full", "dictionary", 39.29, 1.17, 69.64),
    ],
)
def test_averages_are_those_of_the_published_tables(
    model: str, task: str, strategy: str, aligner: str, average: float, spread: float, english: float
) -> None:
    cell = published(model, task, strategy, aligner)
    assert cell is not None
    assert (round(100 * cell.average, 2), round(100 * cell.average_spread, 2)) == (average, spread)
    assert round(100 * cell.source, 2) == english
    assert cell.seeds == (17, 23, 31, 42, 66)


def test_single_languages_and_what_was_never_published() -> None:
    front, baseline = (published("xlm-roberta-base", "pos", strategy) for strategy in ("front", "baseline"))
    assert front is not None
    assert baseline is not None
    assert round(100 * (front.values["hi"] - baseline.values["hi"]), 2) == 4.03
    assert round(100 * baseline.spread["ja"], 2) == 2.18
    assert published("xlm-roberta-base", "ner", "front", "fastalign") is None
    assert published("org/another-model", "pos", "front") is None
    assert bare_id("org/another-model") == full_id("org/another-model") == "org/another-model"
    assert distances("precomputed")["ta"] is None
