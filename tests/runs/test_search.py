"""A search from a recipe to its files, what it refuses, and going on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignfreeze_cli.artifacts import read_record
from alignfreeze_cli.errors import AlignFreezeError, SettingsError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs import runner
from alignfreeze_cli.runs.recipes import load
from alignfreeze_cli.runs.search import Search, run_search
from alignfreeze_cli.runs.search_report import write_search
from tests.cli.world import alignfreeze
from tests.runs import world as small
from tests.support.console import RecordingConsole
from tests.support.models import save_bert

BUDGET = 11  # what two blocks, whose plans are four candidates, take at least


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small.make(tmp_path_factory.mktemp("world"))
    words = sorted({word for tagged in small.WORDS.values() for word in tagged})
    spelt = [small.other(word, code) for code in (small.SOURCE, *small.TARGETS) for word in words]
    save_bert(folder / "shallow", spelt, num_hidden_layers=2)
    return folder


def planned(data: Path, folder: Path, *overrides: str, budget: int = BUDGET, text: str = small.RECIPE) -> Search:
    recipe = load(small.recipe(data, data, text), [f"model={data / 'shallow'}", *overrides])
    return Search.plan(recipe, None, budget, 0, folder)


def test_rungs_are_recipes_of_ordinary_runs(data: Path, tmp_path: Path) -> None:
    search = planned(data, tmp_path)
    assert [each.name for each in search.candidates] == ["baseline", "full", "embeddings", "front"]
    assert [(rung.candidates, rung.seeds) for rung in search.rungs] == [(4, 1), (3, 1), (2, 2)]
    seeds = [seed for rung in range(3) for seed in search.seeds(rung)]
    assert len(set(seeds)) == 4, "no seed in two rungs"
    larger = planned(data, tmp_path, budget=40)
    assert [larger.seeds(rung)[: len(search.seeds(rung))] for rung in range(3)] == [search.seeds(r) for r in range(3)]

    (seed,) = search.seeds(0)
    first = search.graph(0, ["baseline", "full", "embeddings", "front"])
    steps = [(node.name, node.step) for node in first.nodes.values() if node.step in ("realign", "blend")]
    assert steps == [
        (f"tiny-full-s{seed}/encoder", "realign"),
        (f"tiny-put-back-embeddings-s{seed}/encoder", "blend"),
        (f"tiny-put-back-front-s{seed}/encoder", "blend"),
    ]
    restored = first.nodes[f"tiny-put-back-front-s{seed}/encoder"].settings.recorded()["restore"]
    (seed,) = search.seeds(1)
    second = search.graph(1, ["front", "baseline"])
    steps = [(node.name, node.step) for node in second.nodes.values() if node.step in ("realign", "blend")]
    assert steps == [(f"tiny-front-s{seed}/encoder", "realign")]
    assert restored == second.nodes[f"tiny-front-s{seed}/encoder"].settings.recorded()["freeze"] == "front"


@pytest.mark.slow
def test_a_search_goes_on_where_it_stopped_and_leaves_files(data: Path, tmp_path: Path) -> None:
    search, console = planned(data, tmp_path), RecordingConsole()
    runner.run(search.graph(0, [each.name for each in search.candidates]), Console())  # as if killed after it
    write_search(run_search(search, console))
    first = console.said[: next(n for n, said in enumerate(console.said) if said.startswith("Rung 2"))]
    assert sum("already done" in said for said in first) == 12  # pairs, one realigned, two blends, 4 models and scores

    names = ["search.json", "search.md", "strips.png", "strips.svg"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == names
    files = [(tmp_path / name).read_bytes() for name in names]
    result = json.loads(files[0])
    assert [place["runs"] for place in result["ranking"]] == [4, 4, 2, 1]
    assert sum(len(rung["candidates"]) * len(rung["seeds"]) for rung in result["rungs"]) == BUDGET
    assert sorted(result["languages"]["selecting"] + result["languages"]["reporting"]) == ["xx", "yy"]
    assert len([path for path in (tmp_path / "runs").iterdir() if (path / "run.json").is_file()]) == BUDGET
    for name in result["rungs"][2]["candidates"]:
        record = read_record(tmp_path / "runs" / f"tiny-{name}-s{result['rungs'][2]['seeds'][0]}" / "pos")
        assert record is not None
        assert all("blend" not in step["details"] for step in record.lineage), "the last rungs realign by the plan"

    small.recipe(data, data)
    command = ("search", data / "tiny.yaml", "--model", data / "shallow", "--budget", str(BUDGET), "-o", tmp_path)
    shown = alignfreeze(*command)
    assert (shown.exit_code, shown.stdout) == (0, f"{files[1].decode()}\n{tmp_path}\n"), shown.stderr
    assert "| selecting | reporting |" in shown.stdout
    as_json = alignfreeze(*command, "--format", "json").stdout
    assert json.loads(as_json) == {"path": str(tmp_path), **result}
    assert [(tmp_path / name).read_bytes() for name in names] == files


def test_a_dry_run_says_what_would_be_tried(data: Path, tmp_path: Path) -> None:
    small.recipe(data, data)
    arguments = ("search", data / "tiny.yaml", "--output", tmp_path / "out", "--dry-run")
    shown = alignfreeze(*arguments, "--budget", "24")
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.startswith("Would search (dry run): 24 runs on pos\n  rung 1: 8 candidates, blocks of one")
    assert "  odd            frozen: 1, 3\n" in shown.stdout
    assert not (tmp_path / "out").exists()
    refused = alignfreeze(*arguments, "--budget", "15")
    assert refused.exit_code == 2
    assert "--budget 15 is too little for 8 candidates" in refused.stderr
    assert alignfreeze(*arguments, "--budget", "24", "--task", "poss").exit_code == 2


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seeds=1,2", "--set seeds: is chosen by the search itself"),
        ("freeze=front", "search varies the freeze plan"),
        ("realign.freeze=front", "search varies the freeze plan"),
        ("schedule=during", "search varies the freeze plan"),
        ("realign=false", "search varies the freeze plan"),
    ],
)
def test_what_would_fix_the_plan_is_refused(override: str, said: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        planned(data, tmp_path, override)


def test_a_failing_step_ends_the_search_with_its_reason(data: Path, tmp_path: Path) -> None:
    text = small.RECIPE.replace("en-train.conllu", "none.conllu")
    with pytest.raises(
        AlignFreezeError, match=r"of rung 1 failed: .*none\.conllu.* run the same command again"
    ) as error:
        run_search(planned(data, tmp_path, text=text), Console())
    assert error.value.exit_code == 3
