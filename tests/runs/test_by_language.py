"""Languages aligned by steps of their own: the same encoders as from one folder of all languages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.by_language import by_language
from alignfreeze_cli.runs.graph import expand
from alignfreeze_cli.runs.recipes import load
from alignfreeze_cli.runs.runner import run
from tests.runs import world


def test_every_reader_of_the_pairs_reads_those_of_all_languages() -> None:
    recipes = [
        load(name, ["seeds=31", "tasks=pos,nli"]) for name in ("xlm-roberta-base-front", "xlm-roberta-base-during")
    ]
    graph = expand(recipes, Path("runs"))
    targets = graph.nodes["pairs"].settings.recorded()["target"]
    divided = by_language(graph)
    assert [name for name in divided.nodes if name.startswith("pairs")] == [f"pairs-by-language/{t}" for t in targets]
    for name, node in divided.nodes.items():
        assert set(node.needs) <= set(divided.nodes)
        if name.startswith("pairs"):
            (target,) = node.settings.recorded()["target"]
            assert node.output == Path("runs") / name
            assert name.endswith(f"/{target}")
            continue
        before = graph.nodes[name].settings.recorded()
        for key in ("pairs", "realign-with"):
            if before.get(key):
                assert before[key] == ["runs/pairs"]
                assert node.settings.recorded()[key] == [f"runs/pairs-by-language/{t}" for t in targets]
    assert {each.links["pairs-by-language"] for each in divided.runs} == {"../pairs-by-language"}


@pytest.mark.slow
def test_encoders_and_scores_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = world.make(tmp_path / "world")
    found = []
    for way in ("one", "each"):
        (tmp_path / way).mkdir()
        monkeypatch.chdir(tmp_path / way)
        graph = expand([load(world.recipe(Path.cwd(), data), ["seeds=0"])], Path("runs"), ["front"])
        graph = graph if way == "one" else by_language(graph)
        assert {outcome.status for outcome in run(graph, Console(), threads=1)} == {"made"}
        assert {outcome.status for outcome in run(graph, Console(), threads=1)} == {"already done"}
        names = ("model.safetensors", "scores.json", "predictions/*.parquet")
        paths = sorted(path for name in names for path in Path("runs").rglob(name))
        found.append({str(path): path.read_bytes() for path in paths})
    assert found[0] == found[1]
    link = tmp_path / "each" / "runs" / "tiny-front-s0" / "pairs-by-language"
    assert os.readlink(link) == "../pairs-by-language"
    assert sorted(path.name for path in link.iterdir()) == ["xx", "yy"]
