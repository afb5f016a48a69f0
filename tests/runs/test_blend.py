"""Strategies that blend: whose realignment they take, where it lies, what is refused, and a whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignfreeze_cli.artifacts import read_record
from alignfreeze_cli.progress import Console
from alignfreeze_cli.report.scores import collect
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.runs import runner
from alignfreeze_cli.runs.graph import Graph, expand
from alignfreeze_cli.runs.recipes import RecipeError, load
from alignfreeze_cli.runs.snakefile import command_line
from alignfreeze_cli.steps.report import make_report
from tests.runs import world as small

BASE = """
model: org/enc
seeds: [0]
targets: [de]
align-pairs: {corpus: 'text/{source}-{target}.tsv'}
strategies:
  baseline: {realign: false}
  three-quarters: {freeze: none, blend: {alpha: 0.75}}
  full: {freeze: none}
  put-back: {freeze: none, blend: {restore: front}}
  chosen: {freeze: front, blend: {alpha: auto}}
"""


def graph(folder: Path, text: str = BASE, *overrides: str, strategies: tuple[str, ...] = ()) -> Graph:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return expand([load(path, overrides)], Path("runs"), strategies)


def nodes(made: Graph, step: str) -> dict[str, tuple[str, ...]]:
    """Name → needs of the nodes of a step."""
    return {node.name: node.needs for node in made.nodes.values() if node.step == step}


def test_blends_take_the_realignment_of_a_strategy_that_realigns_alike(tmp_path: Path) -> None:
    made = graph(tmp_path)
    assert list(nodes(made, "realign")) == ["enc-full-s0/encoder", "enc-chosen-s0/realigned"]
    assert nodes(made, "blend") == {
        "enc-three-quarters-s0/encoder": ("enc-full-s0/encoder",),
        "enc-put-back-s0/encoder": ("enc-full-s0/encoder",),
        "enc-chosen-s0/encoder": ("enc-chosen-s0/realigned", "pairs"),
    }
    assert nodes(made, "finetune")["enc-put-back-s0/pos"] == ("enc-put-back-s0/encoder",)
    recorded = made.nodes["enc-put-back-s0/encoder"].settings.recorded()
    assert (recorded["base"], recorded["model"], recorded["restore"]) == (
        "org/enc",
        "runs/enc-full-s0/encoder",
        "front",
    )
    assert made.nodes["enc-chosen-s0/encoder"].settings.recorded()["pairs"] == ["runs/pairs"]
    part = graph(tmp_path, strategies=("put-back",))
    assert all(made.nodes[name] == node for name, node in part.nodes.items())
    assert "enc-full-s0/encoder" in part.nodes


def test_tasks_of_other_lengths_blend_what_was_realigned_for_them(tmp_path: Path) -> None:
    text = BASE + "tasks: [pos, ner, nli]\nrealign: {steps: 10}\nper-task: {nli: {realign: {steps: 30}}}\n"
    made = graph(tmp_path, text, strategies=("put-back",))
    assert list(nodes(made, "realign")) == ["enc-full-s0/encoder"]
    blends = {name: made.nodes[name].settings.recorded()["model"] for name in nodes(made, "blend")}
    assert blends == {
        "enc-put-back-s0/encoder": "runs/enc-full-s0/encoder/steps-10",
        "enc-put-back-s0/encoder-nli": "runs/enc-full-s0/encoder",
    }
    assert nodes(made, "finetune")["enc-put-back-s0/ner"] == ("enc-put-back-s0/encoder",)


def test_a_recipe_of_one_strategy_is_named_after_its_blend(tmp_path: Path) -> None:
    text = BASE.partition("strategies")[0] + "freeze: none\nblend: {alpha: 0.5}\n"
    made = graph(tmp_path, text)
    assert [run.strategy for run in made.runs] == ["blend-full"]
    assert list(nodes(made, "realign")) == ["enc-blend-full-s0/realigned"]
    below = tmp_path / "below.yaml"
    below.write_text("extends: ./own.yaml\nblend: false\n", encoding="utf-8")
    assert load(below).strategies == ("full",)


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        (BASE.replace("0.75", "2"), (), "blend.alpha: must be a number from 0 to 1"),
        (BASE.replace("restore: front", "restore: none"), (), "strategy put-back .*: this would copy the realigned"),
        (BASE.replace("restore: front", "pairs: x"), (), r"blend.pairs: is filled in .* write `pairs:` at the top"),
        (BASE.replace("restore: front}", "restore: front}, schedule: during"), (), "needs an encoder realigned before"),
        (BASE.replace("{restore: front}", "true"), (), r"blend: must hold .* \(or false for none\)"),
        (BASE.partition("  three")[0] + "  full: {freeze: none}\n", ("blend.alpha=0.5",), "none of the strategies"),
    ],
)
def test_mistakes_are_named(text: str, overrides: tuple[str, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=said):
        graph(tmp_path, text, *overrides)


def test_settings_on_the_command_line_change_blends_alone(tmp_path: Path) -> None:
    made = graph(tmp_path, BASE, "blend.alpha=0.5")
    assert len(nodes(made, "blend")) == 3
    assert {made.nodes[name].settings.recorded()["alpha"] for name in nodes(made, "blend")} == {"0.5"}


def test_a_snakefile_says_blends_as_a_person_would(tmp_path: Path) -> None:
    command = command_line(graph(tmp_path).nodes["enc-put-back-s0/encoder"])
    assert command[:4] == ["alignfreeze", "blend", "org/enc", "runs/enc-full-s0/encoder"]
    assert command[4:] == ["--restore", "front", "--output", "runs/enc-put-back-s0/encoder"]


@pytest.mark.slow
def test_blends_run_and_are_reported_beside_the_others(tmp_path: Path) -> None:
    text = small.RECIPE.replace("  shuffled-links:", "  half: {freeze: front, blend: {alpha: 0.5}}\n  shuffled-links:")
    recipe = load(small.recipe(tmp_path, small.make(tmp_path / "world"), text))
    made = expand([recipe], tmp_path / "runs", ("baseline", "front", "half"))
    outcomes = runner.run(made, Console())
    assert {outcome.status for outcome in outcomes} == {"made"}
    assert [name for name in made.nodes if name.endswith("realigned")] == []
    record = read_record(tmp_path / "runs" / "tiny-half-s0" / "pos")
    assert record is not None
    assert [step["kind"] for step in record.lineage] == ["pairs", "encoder", "encoder"]
    assert {outcome.status for outcome in runner.run(made, Console())} == {"already done"}

    found = collect([tmp_path / "runs"]).scores
    assert set(found["strategy"]) == {"baseline", "front", "half"}
    settings = ReportSettings(runs=(str(tmp_path / "runs"),), output=tmp_path / "report", resamples=0, plots=False)
    report = make_report(settings, Console()).path / "report.md"
    assert "| half" in report.read_text()
    assert "same behaviour" not in report.read_text()
