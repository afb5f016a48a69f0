"""Pairs that an encoder links: the model itself, and, in a second round, the encoder that a first one has realigned."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignfreeze_cli.artifacts import read_record
from alignfreeze_cli.demo.settings import DemoWorldSettings
from alignfreeze_cli.demo.world import make_world
from alignfreeze_cli.hub.commands import commands
from alignfreeze_cli.pairs.folder import open_pairs
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.graph import Graph, expand
from alignfreeze_cli.runs.recipes import RecipeError, load
from alignfreeze_cli.runs.reference import resolved_text
from alignfreeze_cli.runs.snakefile import snakefile
from tests.cli.world import alignfreeze

ROUNDS = """
model: org/enc
seeds: [0, 1]
tasks: [pos, ner]
targets: [de, fi]
align-pairs: {aligner: encoder, corpus: 'text/{source}-{target}.tsv'}
realign: {steps: 10}
per-task: {ner: {realign: {steps: 30}}}
strategies:
  round-1: {}
  round-2: {links-from: round-1}
"""


def graph(folder: Path, text: str = ROUNDS, *overrides: str, **part: tuple[str, ...]) -> Graph:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return expand([load(path, overrides)], Path("runs"), **part)


def test_the_second_round_waits_for_the_encoder_of_the_first_with_its_seed(tmp_path: Path) -> None:
    made = graph(tmp_path)
    pairs = {name: node for name, node in made.nodes.items() if node.step == "align-pairs"}
    assert list(pairs) == ["pairs-enc", "enc-round-2-s0/pairs", "enc-round-2-s1/pairs"]
    assert pairs["pairs-enc"].settings.recorded()["encoder"] == "org/enc"
    second = pairs["enc-round-2-s1/pairs"]
    assert second.needs == ("enc-round-1-s1/encoder",)
    assert second.settings.recorded()["encoder"] == "runs/enc-round-1-s1/encoder"  # the whole of it, not steps-10
    realign = made.nodes["enc-round-2-s1/encoder"]
    assert realign.needs == ("enc-round-2-s1/pairs",)
    assert realign.settings.recorded()["model"] == "org/enc"
    runs = {run.folder.name: run.links for run in made.runs}
    assert runs["enc-round-1-s0"] == {"pairs": "../pairs-enc"}
    assert runs["enc-round-2-s0"] == {}


def test_a_part_holds_what_the_second_round_needs(tmp_path: Path) -> None:
    made = graph(tmp_path, strategies=("round-2",), tasks=("pos",))
    assert [name for name in made.nodes if name.endswith("-s0/encoder")] == [
        "enc-round-1-s0/encoder",
        "enc-round-2-s0/encoder",
    ]
    assert "enc-round-1-s0/pos" not in made.nodes


def test_tasks_with_realignments_of_their_own_have_pairs_of_their_own(tmp_path: Path) -> None:
    made = graph(tmp_path, ROUNDS.replace("{realign: {steps: 30}}", "{realign: {temperature: 0.2}}"))
    assert made.nodes["enc-round-2-s0/pairs-ner"].needs == ("enc-round-1-s0/encoder-ner",)
    assert made.nodes["enc-round-2-s0/encoder-ner"].needs == ("enc-round-2-s0/pairs-ner",)


def test_models_that_link_pairs_themselves_do_not_share_them(tmp_path: Path) -> None:
    paths = []
    for name in ("one", "other"):
        paths.append(tmp_path / f"{name}.yaml")
        paths[-1].write_text(ROUNDS.replace("org/enc", f"org/{name}"), encoding="utf-8")
    made = expand([load(path) for path in paths], Path("runs"))
    assert {"pairs-one", "pairs-other"} <= set(made.nodes)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("links-from: round-1", "links-from: round-3", "there is no strategy 'round-3'; did you mean"),
        ("links-from: round-1", "links-from: round-2", "goes round in a circle, back to round-2"),
        ("round-1: {}", "round-1: {links-from: round-2}", "goes round in a circle"),
        ("round-1: {}", "round-1: {realign: false}", "round-1 realigns no encoder before fine-tuning"),
        ("round-1: {}", "round-1: {schedule: during}", "round-1 realigns no encoder before fine-tuning"),
        ("aligner: encoder,", "", "needs align-pairs.aligner: encoder"),
        ("aligner: encoder,", "aligner: encoder, encoder: org/other,", "needs align-pairs.aligner: encoder"),
        ("links-from: round-1", "links-from: [round-1]", "must be a name"),
    ],
)
def test_where_links_cannot_come_from(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    with pytest.raises(RecipeError) as raised:
        graph(tmp_path, ROUNDS.replace(old, new))
    assert complaint in str(raised.value)


def test_the_shipped_recipe(tmp_path: Path) -> None:
    recipe = load("xlm-roberta-base-iterative")
    made = expand([recipe], tmp_path)
    assert made.nodes["xlm-roberta-base-round-2-s31/pairs"].needs == ("xlm-roberta-base-round-1-s31/encoder",)
    assert "encoder: encoder of round-1" in resolved_text(recipe)
    rule = snakefile(made, 2).split("rule step_")[1]  # the first one links pairs
    assert "align-pairs" in rule
    assert "gpu=GPU" in rule


DEMO = """
extends: demo
data: DATA
seeds: [0]
tasks: [pos]
targets: [qbe, qci]
controls: []
align-pairs: {aligner: encoder}
realign: {steps: 3, probe-pairs: 0}
finetune: {steps: 3}
strategies:
  {baseline: null, full: null, front: null, back: null, shuffled-links: null, true-links: null,
  round-1: {freeze: front}, round-2: {freeze: front, links-from: round-1}}
"""


@pytest.mark.slow
def test_two_rounds_on_the_demo_world(tmp_path: Path) -> None:
    made = make_world(
        DemoWorldSettings(output=tmp_path / "world", languages=2, sentences=150, pairs=80, train=60, test=20, steps=20),
        Console(),
    )
    path = tmp_path / "two.yaml"
    path.write_text(DEMO.replace("DATA", str(made.path)), encoding="utf-8")
    ran = alignfreeze("run", path, "--output", tmp_path / "runs", "-q")
    assert ran.exit_code == 0, ran.stderr
    second = tmp_path / "runs" / "small-round-2-s0"
    record = read_record(second / "encoder")
    assert record is not None
    assert [ancestor["kind"] for ancestor in record.lineage] == ["pairs", "encoder", "pairs"]
    assert '--encoder "$encoder"' in commands(record)
    first, again = (
        open_pairs(folder).table("qbe")["links"] for folder in (tmp_path / "runs/pairs-small", second / "pairs")
    )
    assert first != again
    assert "already done" in alignfreeze("run", path, "--output", tmp_path / "runs").stderr
