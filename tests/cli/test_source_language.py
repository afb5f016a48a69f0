"""Any language can be the one that others are aligned with and that the task is learned in: xx here, not English."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.artifacts import read_record
from tests.cli.world import alignfreeze
from tests.runs.world import WORDS, make, other, sentences

TREES = "treebanks"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world with text and dictionaries between xx and the two others, and a treebank of xx to learn from."""
    folder = make(tmp_path_factory.mktemp("source") / "world")
    words = sorted({word for tagged in WORDS.values() for word in tagged})
    for target in ("en", "yy"):
        lines = [
            " ".join(other(word, "xx") for word, _ in sentence)
            + "\t"
            + " ".join(other(word, target) for word, _ in sentence)
            for sentence in sentences(5, 60)
        ]
        (folder / "text" / f"xx-{target}.tsv").write_text("\n".join(lines) + "\n")
        entries = "".join(f"{other(word, 'xx')} {other(word, target)}\n" for word in words)
        (folder / "dictionaries" / f"xx-{target}.txt").write_text(entries)
    blocks = (folder / TREES / "en-train.conllu").read_text().splitlines()
    rows = [line.split("\t") for line in blocks]
    moved = ["\t".join([r[0], other(r[1], "xx"), *r[2:]]) if len(r) > 1 else r[0] for r in rows]
    (folder / TREES / "xx-train.conllu").write_text("\n".join(moved) + "\n")
    return folder


def run(*arguments: str | Path) -> None:
    result = alignfreeze(*arguments, "--quiet")
    assert result.exit_code == 0, result.stderr


def align(world: Path, source: str, targets: str, output: Path) -> None:
    run(
        "align-pairs", "--source", source, "--target", targets, "--corpus", world / "text" / "{source}-{target}.tsv",
        "--dictionary", world / "dictionaries" / "{source}-{target}.txt", "--output", output,
    )  # fmt: skip


def details(folder: Path) -> dict[str, Any]:
    record = read_record(folder)
    assert record is not None
    return record.details


def test_every_step_with_another_source(world: Path) -> None:
    align(world, "xx", "en,yy", world / "pairs")
    assert sorted(path.name for path in (world / "pairs" / "data").iterdir()) == ["xx-en.parquet", "xx-yy.parquet"]
    few = ("--steps", "3", "--batch-size", "4", "--device", "cpu")
    run(
        "realign", "--model", world / "encoder", "--pairs", world / "pairs", *few, "--probe-pairs", "4",
        "--output", world / "encoder-xx",
    )  # fmt: skip
    assert list(details(world / "encoder-xx")["languages"]) == ["en", "yy"]
    train = ("--task", "pos", "--language", "xx", "--train", world / TREES / "{language}-train.conllu", *few)
    run("finetune", "--model", world / "encoder-xx", *train, "--output", world / "pos")
    run(
        "evaluate", "--model", world / "pos", "--languages", "xx,en,yy",
        "--data", world / TREES / "{language}-test.conllu", "--output", world / "pos-scores",
    )  # fmt: skip
    scores = json.loads((world / "pos-scores" / "scores.json").read_text())
    assert scores["source-language"] == "xx"
    values = {code: entry["value"] for code, entry in scores["languages"].items()}
    assert scores["average"] == pytest.approx((values["en"] + values["yy"]) / 2)

    card = (world / "pos" / "README.md").read_text()
    assert "between `xx` and 2 languages (English and `yy`)" in card
    assert "fine-tuned on 40 `xx` examples" in card
    assert "- Fine-tuned in `xx` only" in card
    assert "--source xx" in card
    assert "--language xx" in card
    assert "English (source)" not in card
    assert "aligned sentence pairs: xx with en and yy" in (world / "pairs" / "README.md").read_text()

    run(
        "finetune", "--model", world / "encoder", *train, "--realign-with", world / "pairs", "--freeze", "front",
        "--output", world / "pos-during",
    )  # fmt: skip
    assert list(details(world / "pos-during")["realign"]["languages"]) == ["en", "yy"]


def test_pairs_with_different_source_languages_are_joined(world: Path) -> None:
    align(world, "xx", "en,yy", world / "one")
    align(world, "en", "yy", world / "other")
    joined = f"{world / 'one'},{world / 'other'}"
    run(
        "realign", "--model", world / "encoder", "--pairs", joined, "--steps", "30", "--batch-size", "4",
        "--probe-pairs", "0", "--device", "cpu", "--output", world / "encoder-both",
    )  # fmt: skip
    languages = details(world / "encoder-both")["languages"]
    single = {code: details(world / "one")["languages"][code]["kept"] for code in ("en", "yy")}
    assert languages["en"]["usable"] == single["en"]
    assert languages["yy"]["usable"] == single["yy"] + details(world / "other")["languages"]["yy"]["kept"]
    assert languages["yy"]["distinct"] == 60
    card = (world / "encoder-both" / "README.md").read_text()
    assert "between `xx` or English and 2 languages (English and `yy`)" in card
    assert "a task in `xx` or English" in card


def test_with_another_source_english_is_a_default_target(world: Path, tmp_path: Path) -> None:
    from alignfreeze_cli.tasks.registry import TASKS

    run(
        "finetune", "--task", "pos", "--language", "fr", "--model", world / "encoder", "--steps", "1",
        "--batch-size", "4", "--train", world / TREES / "en-train.conllu", "--output", tmp_path / "pos",
    )  # fmt: skip
    wanted = ["fr", "en", *(code for code in TASKS["pos"].languages if code != "fr")]
    for code in wanted:
        shutil.copy(world / TREES / "xx-test.conllu", tmp_path / f"{code}.conllu")
    run(
        "evaluate",
        "--model",
        tmp_path / "pos",
        "--data",
        tmp_path / "{language}.conllu",
        "--output",
        tmp_path / "scores",
    )
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert list(scores["languages"]) == wanted
    assert len(wanted) == 35
    targets = [entry["value"] for code, entry in scores["languages"].items() if code != "fr"]
    assert scores["average"] == pytest.approx(sum(targets) / 34)


def test_a_recipe_with_another_source(world: Path, tmp_path: Path) -> None:
    recipe = f"""
model: {world / "encoder"}
name: small
source: xx
targets: [en, yy]
seeds: [1]
tasks: [pos]
align-pairs:
  corpus: "{world}/text/{{source}}-{{target}}.tsv"
  dictionary: "{world}/dictionaries/{{source}}-{{target}}.txt"
realign: {{steps: 2, batch-size: 4, probe-pairs: 0}}
finetune: {{steps: 2, batch-size: 4, train: "{world}/treebanks/{{language}}-train.conllu"}}
evaluate: {{data: "{world}/treebanks/{{language}}-test.conllu"}}
strategies:
  front: {{freeze: front}}
"""
    (tmp_path / "source.yaml").write_text(recipe)
    run("run", tmp_path / "source.yaml", "--output", tmp_path / "runs")
    folder = tmp_path / "runs" / "small-front-s1"
    assert json.loads((folder / "run.json").read_text())["source"] == "xx"
    scores = json.loads((folder / "pos-scores" / "scores.json").read_text())
    assert (scores["source-language"], list(scores["languages"])) == ("xx", ["xx", "en", "yy"])
    result = alignfreeze("report", tmp_path / "runs", "--output", tmp_path / "report")
    assert result.exit_code == 0, result.stderr
    assert "trained on xx, zero-shot elsewhere" in (tmp_path / "report" / "report.md").read_text()


def test_a_source_that_is_a_default_target_is_refused() -> None:
    result = alignfreeze("align-pairs", "--source", "de")
    assert result.exit_code == 2
    assert "by default the paper's 34 languages, holds the source language de; name the others" in result.stderr
