"""The graph: what runs share, how folders are called, in which order steps come."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.runs.graph import Graph, expand
from alignfreeze_cli.runs.recipes import load

BASE = """
model: org/enc
seeds: [0, 1]
align-pairs: {corpus: 'text/{source}-{target}.tsv', target: de}
strategies:
  baseline: {realign: false}
  front: {freeze: front}
  true-links: {align-pairs: {aligner: pharaoh, links: 'gold/{target}'}}
  true-front: {freeze: front, align-pairs: {aligner: pharaoh, links: 'gold/{target}'}}
"""


def graph(folder: Path, text: str = BASE, strategies: tuple[str, ...] = (), name: str = "own") -> Graph:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return expand([load(path)], folder / "runs", strategies)


def test_steps_come_after_what_they_need_and_shared_ones_once(tmp_path: Path) -> None:
    made = graph(tmp_path)
    seen: set[str] = set()
    for node in made.nodes.values():
        assert set(node.needs) <= seen
        seen.add(node.name)
    assert [name for name in made.nodes if "/" not in name] == ["pairs", "pairs-true-links"]
    assert made.nodes["enc-front-s1/encoder"].needs == ("pairs",)
    assert made.nodes["enc-true-front-s0/encoder"].needs == ("pairs-true-links",)
    assert made.nodes["enc-baseline-s0/pos"].needs == ()
    assert len(made.nodes) == 2 + 2 * (2 + 3 * 3)


def test_seeds_and_inputs_reach_every_step(tmp_path: Path) -> None:
    made = graph(tmp_path)
    runs = tmp_path / "runs"
    realign = made.nodes["enc-front-s1/encoder"].settings.recorded()
    assert (realign["seed"], realign["model"], realign["pairs"]) == (1, "org/enc", [str(runs / "pairs")])
    finetune = made.nodes["enc-front-s1/pos"].settings.recorded()
    assert (finetune["seed"], finetune["model"]) == (1, str(runs / "enc-front-s1" / "encoder"))
    assert made.nodes["enc-baseline-s1/pos"].settings.recorded()["model"] == "org/enc"
    assert made.nodes["enc-front-s1/pos-scores"].settings.recorded()["model"] == str(runs / "enc-front-s1" / "pos")


def test_a_part_of_a_recipe_uses_the_folders_of_the_whole(tmp_path: Path) -> None:
    whole, part = graph(tmp_path), graph(tmp_path, strategies=("true-front",))
    assert set(part.nodes) < set(whole.nodes)
    assert "pairs-true-links" in part.nodes
    assert all(whole.nodes[name] == node for name, node in part.nodes.items())


def test_run_folders_link_to_their_pairs_by_relative_paths(tmp_path: Path) -> None:
    made = graph(tmp_path)
    for run in made.runs:
        run.write()
        run.write()  # a second time changes nothing
    runs = tmp_path / "runs"
    assert os.readlink(runs / "enc-front-s0" / "pairs") == "../pairs"
    assert os.readlink(runs / "enc-true-front-s0" / "pairs") == "../pairs-true-links"
    assert not (runs / "enc-baseline-s0" / "pairs").is_symlink()


def test_ready_made_pairs_stand_for_the_step(tmp_path: Path) -> None:
    text = "model: org/enc\npairs: [a/pairs, org/more-pairs]\nseeds: [0]\ntargets: [de]\nrealign: {steps: 2}\n"
    made = graph(tmp_path, text)
    assert list(made.nodes) == ["enc-front-s0/encoder", "enc-front-s0/pos", "enc-front-s0/pos-scores"]
    recorded = made.nodes["enc-front-s0/encoder"].settings.recorded()
    assert (recorded["pairs"], recorded["targets"]) == (["a/pairs", "org/more-pairs"], ["de"])


def test_two_recipes_share_what_is_equal_and_may_not_write_different_things_to_one_folder(tmp_path: Path) -> None:
    text = (
        "model: org/enc\nseeds: [0]\nalign-pairs: {corpus: 'x-{target}.tsv', target: de, words: WORDS}\nfreeze: PLAN\n"
    )
    paths = {}
    for name, words, plan in (("a", "blank", "front"), ("b", "blank", "back"), ("c", "unicode", "even")):
        paths[name] = tmp_path / f"{name}.yaml"
        paths[name].write_text(text.replace("WORDS", words).replace("PLAN", plan), encoding="utf-8")
    both = expand([load(paths["a"]), load(paths["b"])], tmp_path)
    assert [node.name for node in both.nodes.values() if node.step == "align-pairs"] == ["pairs"]
    with pytest.raises(SettingsError, match=r"a and c would both write .*pairs, with different settings"):
        expand([load(paths["a"]), load(paths["c"])], tmp_path)


def test_unknown_strategies_are_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--strategies: there is no 'frnt', only baseline.*did you mean 'front'"):
        graph(tmp_path, strategies=("frnt",))
