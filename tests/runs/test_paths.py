"""Mistyped paths of a recipe are told before the first step, all of them, with the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.runs.graph import expand
from alignfreeze_cli.runs.paths import demand_paths
from alignfreeze_cli.runs.recipes import load
from tests.cli.world import alignfreeze
from tests.runs import world


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.make(tmp_path_factory.mktemp("paths") / "world")


@pytest.mark.parametrize(
    ("override", "complaints"),
    [
        ("model={data}/encodr", ["{data}/encodr: no such folder; did you mean '{data}/encoder'?"]),
        (
            "align-pairs.corpus={data}/text/en-{{target}}.tvs",
            [
                "{data}/text/en-xx.tvs: no such corpus; did you mean '{data}/text/en-xx.tsv'?",
                "{data}/text/en-yy.tvs: no such corpus; did you mean '{data}/text/en-yy.tsv'?",
            ],
        ),
        (
            "align-pairs.dictionary={data}/dictionary/{{source}}-{{target}}.txt",
            [
                "{data}/dictionary/en-xx.txt: no such dictionary; did you mean '{data}/dictionaries'?",
                "{data}/dictionary/en-yy.txt: no such dictionary; did you mean '{data}/dictionaries'?",
            ],
        ),
        (
            "finetune.train={data}/treebanks/en-trian.conllu",
            [
                "{data}/treebanks/en-trian.conllu: no such file for the language 'en' (finetune.train); did you mean "
                "'{data}/treebanks/en-train.conllu'?"
            ],
        ),
        ("targets=xx", []),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest_name(
    data: Path, tmp_path: Path, override: str, complaints: list[str]
) -> None:
    path = world.recipe(tmp_path, data)
    graph = expand([load(path, [override.format(data=data)])], tmp_path / "runs")
    expected = [complaint.format(data=data) for complaint in complaints]
    if not expected:
        demand_paths(graph)
        return
    with pytest.raises(DataError) as error:
        demand_paths(graph)
    said = str(error.value).splitlines()
    count = [f"{len(expected)} paths that the steps read are not there:"] if len(expected) > 1 else []
    assert [line.strip() for line in said] == [*count, *expected]


def test_the_command_ends_before_its_first_step(data: Path, tmp_path: Path) -> None:
    path = world.recipe(tmp_path, data)
    wrong = f"evaluate.data={data}/treebanks/{{language}}-tset.conllu"
    done = alignfreeze("run", path, "--set", wrong, "-o", tmp_path / "runs")
    assert done.exit_code == 3
    assert "3 paths that the steps read are not there:" in done.stderr
    assert f"did you mean '{data}/treebanks/yy-test.conllu'?" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_recipe_that_is_mistyped_is_told_with_the_nearest_file(data: Path, tmp_path: Path) -> None:
    path = world.recipe(tmp_path, data)
    done = alignfreeze("run", path.with_name("tinny.yaml"))
    assert done.exit_code == 2
    assert f"There is no recipe file '{tmp_path}/tinny.yaml'; did you mean '{path}'?" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("foo=1", "--set: foo: unknown key; known are align-pairs, realign, blend, finetune, evaluate, freeze, source"),
        ("realign.foo=1", "--set: realign.foo: unknown key; known are targets, freeze, steps, epochs"),
        ("temperature=1", "it is a setting of realign, so write it as realign.temperature=…"),
        ("world.foo=1", "--set world: foo: unknown key; known are seed, languages, sentences, pairs"),
    ],
)
def test_an_unknown_key_of_the_demo_is_answered_with_all_keys(tmp_path: Path, given: str, said: str) -> None:
    done = alignfreeze("demo", "--set", given, "-o", tmp_path / "demo")
    assert done.exit_code == 2
    assert said in done.stderr
