"""What a recipe takes: its steps by themselves, alike ones once, and all together; ten steps tell the time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alignfreeze_cli.cli.app import app
from alignfreeze_cli.runs.estimates import estimates, origin
from alignfreeze_cli.runs.graph import Graph, expand
from alignfreeze_cli.runs.recipes import load
from alignfreeze_cli.steps.estimates import Estimate
from tests.runs import world


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = world.make(tmp_path_factory.mktemp("estimates") / "data")
    path = folder / "tiny.yaml"
    path.write_text(world.RECIPE.replace("DATA", str(folder)), encoding="utf-8")
    return path


def graph_of(recipe: Path, root: Path, *overrides: str) -> Graph:
    return expand([load(str(recipe), list(overrides))], root)


def test_every_step_of_a_recipe_has_an_estimate_before_anything_is_there(recipe: Path, tmp_path: Path) -> None:
    graph = graph_of(recipe, tmp_path / "runs")
    found = estimates(graph, threads=1)
    assert list(found.steps) == list(graph.nodes)
    assert found.unknown == {}
    assert not (tmp_path / "runs").exists()
    assert {origin(graph, node) for node in graph.nodes.values()} == {None, str(recipe.parent / "encoder")}
    memory = sorted((each.memory_bytes for each in found.steps.values()), reverse=True)
    assert (found.memory_bytes(), found.memory_bytes(3)) == (memory[0], sum(memory[:3]))
    assert found.disk_bytes == sum(each.disk_bytes for each in found.steps.values())
    assert found.seconds is None


def test_a_model_that_cannot_be_found_leaves_its_steps_unknown(recipe: Path, tmp_path: Path) -> None:
    graph = graph_of(recipe, tmp_path / "runs", "model=no/such-model")
    found = estimates(graph, known={"pairs": Estimate(7, 7)})
    assert set(found.unknown) == set(graph.nodes) - {"pairs"}
    assert all("no/such-model" in why for why in found.unknown.values())
    assert found.steps == {"pairs": Estimate(7, 7)}


def test_an_estimate_of_a_step_holds_for_those_that_are_like_it(recipe: Path, tmp_path: Path) -> None:
    """Other seeds, and encoders that are still to be made from the same one; not what is trained in another way."""
    graph = graph_of(recipe, tmp_path / "runs")
    found = estimates(graph, threads=1, known={"tiny-baseline-s0/pos": Estimate(7, 7)}).steps
    assert {name for name, each in found.items() if each == Estimate(7, 7)} == {
        name for name, node in graph.nodes.items() if node.step == "finetune"
    }


@pytest.mark.slow
def test_a_dry_run_measures_every_kind_of_training_once(recipe: Path, tmp_path: Path) -> None:
    """Those whose data are there; seeds are alike, and an encoder that is to be made is like its base."""

    def dry(*more: str) -> dict[str, dict[str, object]]:
        given = ["run", str(recipe), "--output", str(tmp_path / "runs"), "--strategies", "baseline,front", *more]
        ran = CliRunner().invoke(app, [*given, "--format", "json"])
        assert ran.exit_code == 0, ran.stderr
        return {each["name"]: each.get("needs", {}) for each in json.loads(ran.stdout)["steps"]}

    steps = dry("--dry-run", "--measure")
    measured = {name for name, needs in steps.items() if needs["measured"]}
    assert measured == {f"tiny-{strategy}-s{seed}/pos" for strategy in ("baseline", "front") for seed in (0, 1)}
    assert len({json.dumps(steps[name]) for name in measured}) == 1
    assert all(steps[name]["seconds"] > 0.5 for name in measured)  # type: ignore[operator]
    assert all(3e8 < steps[name]["memory-bytes"] < 3e9 for name in measured)  # type: ignore[operator]
    assert list(tmp_path.iterdir()) == []


def test_the_text_is_a_table_with_a_sum(recipe: Path, tmp_path: Path) -> None:
    given = ["run", str(recipe), "--output", str(tmp_path / "runs"), "--seeds", "0", "--jobs", "2", "--dry-run"]
    ran = CliRunner().invoke(app, given)
    assert ran.exit_code == 0, ran.stderr
    table = ran.stdout.partition("it takes")[2].splitlines()
    assert table[0].split() == ["memory", "disk", "time"]
    nodes = graph_of(recipe, tmp_path / "runs", "seeds=0").nodes
    assert [line.split()[0] for line in table[1 : 1 + len(nodes)]] == [*nodes]
    assert table[1 + len(nodes)].startswith("all, 2 at a time")
    assert table[2 + len(nodes)].startswith("assumed: ")
    alone = CliRunner().invoke(app, ["run", str(recipe), "--measure"])
    assert alone.exit_code == 2
    assert "--measure goes with --dry-run" in alone.stderr
