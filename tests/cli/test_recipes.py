"""`alignfreeze recipes` and `alignfreeze run` as a user meets them: what is printed where, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alignfreeze_cli.cli.app import app

WORDS = "the cat sees a dog\tder kater sieht einen hund\n"
RECIPE = """\
# Two strategies that never get to run.
model: nowhere/encoder
targets: [de]
seeds: [1]
align-pairs: {corpus: 'text/{source}-{target}.tsv', dictionary: 'text/{source}-{target}.txt'}
strategies: {baseline: {realign: false}, front: {freeze: front}}
"""


def alignfreeze(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def test_list_is_a_table_of_names_models_and_what_they_are() -> None:
    result = alignfreeze("recipes", "list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["recipe", "model", "strategies", "what", "it", "is"]
    front = next(line for line in lines if line.startswith("xlm-roberta-base-front "))
    assert "FacebookAI/xlm-roberta-base" in front
    assert "lower half" in front
    names = alignfreeze("recipes", "list", "-q").stdout.split()
    assert {"paper", "demo", "bert-base-multilingual-cased-baseline"} <= set(names)
    listed = json.loads(alignfreeze("recipes", "list", "--format", "json").stdout)
    assert [entry["name"] for entry in listed["recipes"]] == names


def test_show_prints_the_file_and_with_resolved_every_value() -> None:
    assert alignfreeze("recipes", "show", "own.yaml").stdout == RECIPE
    text = alignfreeze("recipes", "show", "xlm-roberta-base-front", "--resolved").stdout
    for line in ("  steps: 1970", "  freeze: front", "  learning-rate: null", "  words: published", "  warmup: 0.1"):
        assert line in text.splitlines()
    both = alignfreeze("recipes", "show", "own.yaml", "--resolved", "--set", "realign.steps=5").stdout
    assert "# strategy baseline, task pos\nalign-pairs: false\nrealign: false" in both
    assert "  steps: 5" in both.splitlines()


def test_validate_reports_every_mistake_of_every_file_at_once(here: Path) -> None:
    assert alignfreeze("recipes", "validate", "own.yaml", "default", "xlm-roberta-base-baseline").stdout == (
        "own.yaml: fine\n"
        "default: fine (no model: for others to extend)\n"
        "xlm-roberta-base-baseline: fine\n"
        "  published behaviours: finetune.qa-scoring, finetune.max-answer-length, finetune.answer-borders, "
        "finetune.windows, finetune.lone-pieces, finetune.ner-repair, finetune.multiword-tokens\n"
    )
    (here / "bad.yaml").write_text("model: a/b\nrealign:\n  stepss: 3\nfoo: 1\n", encoding="utf-8")
    (here / "worse.yaml").write_text("model: a/b\nseeds: x\n", encoding="utf-8")
    result = alignfreeze("recipes", "validate", "bad.yaml", "own.yaml", "worse.yaml")
    assert result.exit_code == 2
    assert result.stdout == "own.yaml: fine\n"
    assert result.stderr == (
        "alignfreeze: The recipe has 3 mistakes:\n"
        "  bad.yaml:3: realign.stepss: unknown key; did you mean 'steps'?\n"
        "  bad.yaml:4: foo: unknown key\n"
        "  worse.yaml:2: seeds: must be whole numbers from 0, not 'x'\n"
    )


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    result = alignfreeze("run", "xlm-roberta-base-frnt")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "There is no shipped recipe 'xlm-roberta-base-frnt'; did you mean 'xlm-roberta-base-front'?" in result.stderr


def test_copy_writes_a_recipe_and_never_overwrites_one(here: Path) -> None:
    result = alignfreeze("recipes", "copy", "bert-base-multilingual-cased-back", "mine/tuned.yaml")
    assert (result.exit_code, result.stdout) == (0, "mine/tuned.yaml\n")
    assert alignfreeze("recipes", "validate", "mine/tuned.yaml").exit_code == 0
    again = alignfreeze("recipes", "copy", "demo", "mine/tuned.yaml")
    assert again.exit_code == 2
    assert "mine/tuned.yaml exists" in again.stderr
    assert alignfreeze("recipes", "copy", "demo", "mine").stdout == "mine/demo.yaml\n"


def test_recipes_settings_lists_every_key() -> None:
    text = alignfreeze("recipes", "settings", "realign").stdout
    assert "  temperature (number, default 0.1)\n      Temperature of the contrastive loss." in text
    everything = json.loads(alignfreeze("recipes", "settings", "--format", "json").stdout)
    assert list(everything["steps"]) == ["align-pairs", "realign", "blend", "finetune", "evaluate"]
    assert "per-task" in everything["top"]
    wrong = alignfreeze("recipes", "settings", "relign")
    assert wrong.exit_code == 2
    assert "did you mean 'realign'?" in wrong.stderr


def test_a_dry_run_lists_the_steps_and_writes_nothing(here: Path) -> None:
    (here / "text").mkdir()
    (here / "text" / "en-de.tsv").write_text(WORDS * 3, encoding="utf-8")
    (here / "text" / "en-de.txt").write_text("cat kater\ndog hund\n", encoding="utf-8")
    result = alignfreeze("run", "own.yaml", "--strategies", "front", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert [line.split() for line in result.stdout.splitlines()[1:5]] == [
        ["planned", "align-pairs", "runs/pairs"],
        ["planned", "realign", "runs/encoder-front-s1/encoder", "from", "pairs"],
        ["planned", "finetune", "runs/encoder-front-s1/pos", "from", "encoder-front-s1/encoder"],
        ["planned", "evaluate", "runs/encoder-front-s1/pos-scores", "from", "encoder-front-s1/pos"],
    ]
    assert not (here / "runs").exists()


def test_a_run_says_which_published_behaviours_it_has(here: Path) -> None:
    changes = ["--set", "align-pairs.words=published", "--set", "realign.lone-pieces=delete"]
    result = alignfreeze("run", "own.yaml", "--dry-run", *changes)
    assert "published behaviours: align-pairs.words, realign.lone-pieces\n" in result.stderr
    assert "published" not in alignfreeze("run", "own.yaml", "--dry-run").stderr


def test_failures_are_listed_on_stderr_and_decide_the_exit_code(here: Path) -> None:
    (here / "nowhere" / "encoder").mkdir(parents=True)  # without a model in it
    (here / "text").mkdir()
    for name in ("en-de.tsv", "en-de.txt", "en.conllu", "de.conllu"):
        (here / "text" / name).write_text("", encoding="utf-8")
    local = "finetune: {train: text/en.conllu}\nevaluate: {data: 'text/{language}.conllu'}\n"
    (here / "own.yaml").write_text(RECIPE + local, encoding="utf-8")
    result = alignfreeze("run", "own.yaml", "-q")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "steps failed:" in result.stderr
    assert "encoder-baseline-s1/pos (finetune):" in result.stderr
    assert "pairs (align-pairs):" in result.stderr
    assert "Not run, because they need those: encoder-baseline-s1/pos-scores" in result.stderr
    printed = json.loads(alignfreeze("run", "own.yaml", "--format", "json").stdout)
    assert printed["status"] == "failed"
    assert [step["status"] for step in printed["steps"]].count("failed") == 2
    assert printed["runs"][1]["strategy"] == "front"


def test_a_small_demo_ends_in_one_table(here: Path) -> None:
    small = ["languages=2", "sentences=60", "pairs=40", "train=30", "test=10", "steps=4", "threads=1", "batch-size=8"]
    changes = [f"world.{text}" for text in small]
    changes += ["realign.steps=3", "finetune.steps=3", "realign.batch-size=4", "realign.probe-pairs=2"]
    arguments = ["demo", "--seeds", "0", "--jobs", "1", *(part for text in changes for part in ("--set", text))]
    assert "17 steps: 17 planned" not in alignfreeze(*arguments, "--dry-run").stderr
    assert not (here / "demo").exists()
    result = alignfreeze(*arguments)
    assert result.exit_code == 0, result.stderr
    table = result.stdout.split("\n\n")[1]
    assert [line.split("|")[1].strip() for line in table.splitlines()] == [
        *(
            "strategy",
            "----------------",
            "baseline",
            "full",
            "front",
            "back",
            "controls:",
            "shuffled-links",
            "true-links",
        )
    ]
    assert table in (here / "demo" / "table.md").read_text(encoding="utf-8")
    assert "demo/runs/small-front-s0" in result.stdout
    assert (here / "demo" / "runs" / "small-true-links-s0" / "pairs").resolve().name == "pairs-true-links"
    assert alignfreeze(*arguments, "-q").stdout == "demo\n"
    reported = alignfreeze("report", "demo/runs", "--resamples", "100", "--no-plots")
    assert reported.exit_code == 0, reported.stderr
    assert "share of words that the demo world's language does not have" in (here / "report" / "report.md").read_text()


def test_a_folder_given_as_snakefile_is_refused(here: Path) -> None:
    result = alignfreeze("run", "own.yaml", "--snakefile", str(here), "--output", "runs")
    assert result.exit_code == 2
    assert "is a folder; name a file." in result.stderr
    assert not (here / "runs").exists()
