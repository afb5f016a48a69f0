"""Fine-tuning and scoring on the command line, for the tasks besides part-of-speech tagging."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from alignfreeze_cli.artifacts import read_record
from alignfreeze_cli.hub.cards import phrase, write_card
from alignfreeze_cli.hub.facts import card_facts
from tests.cli.world import alignfreeze
from tests.runs.world import SOURCE, TARGETS, other, sentences

TAGS = {"cat": "B-PER", "dog": "B-ORG", "house": "B-LOC", "river": "B-LOC"}
LABELS = ("entailment", "neutral", "contradiction")


def ner(language: str, seed: int, count: int) -> str:
    """Sentences of the small world whose animals and places are entities, in columns as CoNLL-2003 has them."""
    rows = [
        "".join(f"{other(word, language)} {tag} {TAGS.get(word, 'O')}\n" for word, tag in sentence)
        for sentence in sentences(seed, count)
    ]
    return "-DOCSTART- -X- O\n\n" + "\n".join(rows)


def nli(language: str, seed: int, count: int) -> str:
    """Pairs with the labels in turn, one in ten without agreement, as JSON lines."""
    found = sentences(seed, 2 * count)
    lines = []
    for number, (premise, hypothesis) in enumerate(zip(found[::2], found[1::2], strict=True)):
        texts = [" ".join(other(word, language) for word, _ in sentence) for sentence in (premise, hypothesis)]
        label = "-" if number % 10 == 9 else LABELS[number % 3]
        lines.append(json.dumps({"gold_label": label, "sentence1": texts[0], "sentence2": texts[1]}) + "\n")
    return "".join(lines)


@pytest.mark.parametrize(
    ("task", "write", "suffix", "options", "metric", "scored"),
    [
        ("ner", ner, "txt", ["--ner-repair", "published", "--windows", "published"], "f1", None),
        ("nli", nli, "jsonl", [], "accuracy", 18),
    ],
)
def test_finetune_and_evaluate(
    world: Path, tmp_path: Path, task: str, write, suffix: str, options: list[str], metric: str, scored: int | None
) -> None:
    (tmp_path / f"train.{suffix}").write_text(write(SOURCE, 1, 30), encoding="utf-8")
    for language in (SOURCE, *TARGETS):
        (tmp_path / f"{language}.{suffix}").write_text(write(language, 2, 20), encoding="utf-8")
    result = alignfreeze(
        "finetune", "--task", task, "--model", world / "encoder", "--train", tmp_path / f"train.{suffix}",
        "--steps", "3", "--batch-size", "8", "--max-length", "32", "--output", tmp_path / task,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = re.search(
        r"```python\n(.*?)```", write_card(tmp_path / task, repo_id=str(tmp_path / task)).read_text(), re.S
    )
    assert found is not None
    exec(found[1], {})  # as a reader of the card would
    result = alignfreeze(
        "evaluate", "--model", tmp_path / task, "--languages", "en,xx,yy", "--max-length", "32", *options,
        "--data", tmp_path / f"{{language}}.{suffix}", "--output", tmp_path / "scores",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    scores = json.loads((tmp_path / "scores/scores.json").read_text())
    assert (scores["task"], scores["metric"]) == (task, metric)
    assert list(scores["languages"]) == ["en", "xx", "yy"]
    for entry in scores["languages"].values():
        assert entry["examples"] == 20
        assert entry["scored"] == scored or (scored is None and entry["scored"] > 20)
    header, *lines = [line.split() for line in result.stdout.splitlines() if "(languages" in line or "  " in line]
    names = list(scores["languages"]["en"]["metrics"])
    assert header == ["language", *names, "scored", "examples"]
    assert names[0] == metric
    for code, entry in scores["languages"].items():
        (line,) = (each for each in lines if each[0] == code)
        values = [value for value in line[1:] if value != "(source)"]
        assert values[: len(names)] == [f"{100 * entry['metrics'][name]:.2f}" for name in names]
    assert lines[-1][: len(names) + 1][1] == f"{100 * scores['average']:.2f}"
    # The test files are parallel, so they hold the same entities.
    assert len({entry["scored"] for entry in scores["languages"].values()}) == 1


def test_a_card_says_that_xnli_is_not_for_commercial_use(world: Path) -> None:
    record = read_record(world / "front-pos")
    assert record is not None
    for task, source, forbidden in (
        ("nli", "facebook/xnli/en/train-*.parquet", True),
        ("ner", "unimelb-nlp/wikiann", False),
    ):
        inputs = [
            {**each, "source": source, "commit": "0" * 40} if each["name"].startswith("train") else each
            for each in record.inputs
        ]
        other = dataclasses.replace(record, inputs=inputs, details={**record.details, "task": task})
        table = phrase("data_table", card_facts(other))
        assert ("**XNLI: the licence forbids commercial use.**" in table) is forbidden


def test_data_without_labels_is_refused_by_both_commands(world: Path, tmp_path: Path) -> None:
    (tmp_path / "en.tsv").write_text("the\ncat\n\n", encoding="utf-8")
    result = alignfreeze(
        "finetune", "--task", "ner", "--model", world / "encoder", "--train", tmp_path / "en.tsv",
        "--steps", "1", "--output", tmp_path / "ner",
    )  # fmt: skip
    assert result.exit_code == 3
    assert "line 1: there is a word without a tag ('the'); labelled data is needed" in " ".join(result.stderr.split())
    assert not (tmp_path / "ner").exists()
    (tmp_path / "train.tsv").write_text("the cat\ta dog\tneutral\n", encoding="utf-8")
    (tmp_path / "en.tsv").write_text("the cat\ta dog\n", encoding="utf-8")
    result = alignfreeze(
        "finetune", "--task", "nli", "--model", world / "encoder", "--train", tmp_path / "train.tsv",
        "--steps", "1", "--output", tmp_path / "nli",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    result = alignfreeze(
        "evaluate", "--model", tmp_path / "nli", "--languages", "en", "--data", tmp_path / "en.tsv",
        "--output", tmp_path / "scores",
    )  # fmt: skip
    assert result.exit_code == 3
    assert "line 1: the line has no label" in " ".join(result.stderr.split())
