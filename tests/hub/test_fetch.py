"""`alignfreeze fetch` fills the caches, and `run --offline` needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.hubworld import BASE, Cli, Made

RECIPE = f"""\
# Fetched, then run without a network.
model: {BASE}
targets: [de, fr]
seeds: [1]
tasks: [pos]
threads: 1
realign: {{steps: 1, batch-size: 4, probe-pairs: 0, max-length: 32, checkpoint-every: 0}}
finetune: {{steps: 1, batch-size: 4, max-length: 32, checkpoint-every: 0}}
evaluate: {{max-length: 32}}
strategies:
  front: {{freeze: front}}
"""


@pytest.fixture
def fresh(made: Made, tmp_path: Path) -> Iterator[Cli]:
    """The command line with empty caches."""
    cli = Cli(made.hub, tmp_path / "home")
    yield cli
    cli.close()
    made.hub.faults.clear()


@pytest.mark.slow
def test_a_recipe_is_fetched_and_then_runs_offline(made: Made, fresh: Cli, tmp_path: Path) -> None:
    recipe, runs, home = tmp_path / "own.yaml", tmp_path / "runs", tmp_path / "home"
    recipe.write_text(RECIPE)
    made.hub.log.clear()
    refused = fresh("run", recipe, "--offline", "--tasks", "pos", "-o", runs)
    assert refused.code == 4
    assert refused.stderr.splitlines()[-7:] == [
        "alignfreeze: Offline, and the caches lack 5 things that the steps read:",
        "  parallel text opus-100: de, fr",
        "  dictionaries of MUSE: de, fr",
        f"  model {BASE}",
        "  training data of pos (Universal Dependencies): en",
        "  test data of pos (Universal Dependencies): en, de, fr",
        "Where there is a network, with the same HF_HOME and ALIGNFREEZE_CACHE: "
        f"alignfreeze fetch {recipe} --tasks pos",
    ]
    assert not runs.exists()
    assert not made.hub.log

    planned = fresh("fetch", recipe, "--dry-run", "--format", "json")
    assert planned.code == 0, planned.stderr
    plan = json.loads(planned.stdout)
    weights = made.hub.repository(BASE).head().files["model.safetensors"]
    (of_model,) = [each for each in plan["downloads"] if each["title"] == f"model {BASE}"]
    assert of_model["bytes"] > len(weights.data)
    assert (plan["status"], plan["here"]) == ("planned", 0)
    assert not list((home / "huggingface").rglob("*.safetensors"))

    made.hub.fail("GET", "/files/dictionaries/en-de", times=1, status=500)
    first = fresh("fetch", recipe)
    assert first.code == 4
    assert "1 of 7 could not be had:\n  dictionaries of MUSE de: The server answered 500" in first.stderr
    assert "[3/7] " in first.stderr
    made.hub.log.clear()
    again = fresh("fetch", recipe, "--format", "json")
    assert again.code == 0, again.stderr
    done = json.loads(again.stdout)
    assert done["bytes"] == plan["bytes"]
    german = (made.hub.plain[f"dictionaries/{name}.txt"] for name in ("en-de", "de-en"))
    assert done["bytes"] - done["here"] == sum(map(len, german))
    assert not made.hub.asked("GET", "/(objects|resolve-cache)/"), "what is here is not fetched again"

    made.hub.log.clear()
    ran = fresh("run", recipe, "--offline", "--tasks", "pos", "-o", runs)
    assert ran.code == 0, ran.stderr
    assert "5 steps: 5 made." in ran.stdout or "4 steps: 4 made." in ran.stdout
    assert not made.hub.log


def test_names_of_models_and_data(made: Made, cli: Cli) -> None:
    made.hub.add("org/text", {"README.md": "x", "data/train.parquet": b"y"}, kind="dataset")
    name = BASE.split("/")[1]  # as the pipeline calls it; the Hub knows it by both
    asked = cli("fetch", name, "pos", "muse", "opus-100", "--languages", "de", "--dry-run", "--format", "json")
    assert asked.code == 0, asked.stderr
    found = json.loads(asked.stdout)
    assert [(each["title"], each["parts"]) for each in found["downloads"]] == [
        (f"model {name}", []),
        ("training data of pos (Universal Dependencies)", ["en"]),
        ("test data of pos (Universal Dependencies)", ["de"]),
        ("dictionaries of MUSE", ["de"]),
        ("parallel text opus-100", ["de"]),
    ]
    assert found["bytes"] == found["here"] > 0, "the pipeline has read all of it"
    table = cli("fetch", "muse", "--languages", "de,fr", "--dry-run")
    row = next(line for line in table.stdout.splitlines() if "dictionaries of MUSE" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")][:3] == ["dictionaries of MUSE", "de, fr", "4"]

    wrong = cli("fetch", "xlm-roberta-base-frnt", "muse", "--languages", "de")
    assert wrong.code == 4
    assert "1 of 2 could not be had:\n  model xlm-roberta-base-frnt: " in wrong.stderr
    assert "did you mean 'xlm-roberta-base-front'?" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("demo", "--languages", "de"), "a recipe names its own: --set targets=de,fr"),
        (("pos", "--set", "model=org/x"), "--set are for recipes"),
        (("muse", "--treebanks", "ud.tgz"), "--treebanks goes with `pos`"),
        (("ner", "--dictionaries", "here"), "--dictionaries goes with `muse`"),
        (("pso.yaml",), "There is no recipe file 'pso.yaml'"),
    ],
)
def test_what_does_not_go_together(cli: Cli, arguments: tuple[str, ...], sentence: str) -> None:
    done = cli("fetch", *arguments)
    assert (done.code, sentence in done.stderr) == (2, True), done.stderr


def test_a_recipe_of_files_reads_nothing_from_the_hub(cli: Cli) -> None:
    done = cli("fetch", "demo")
    assert (done.code, done.stdout) == (0, "Nothing to fetch: all of it is made by the steps, or lies here as files.\n")
