"""`run --keep`: what is deleted, what is still known of it, and what is made again when it is needed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from alignfreeze_cli.artifacts import RECORD_NAME, read_record
from alignfreeze_cli.artifacts.deleted import is_deleted
from alignfreeze_cli.errors import WeightsDeletedError
from alignfreeze_cli.hub.cards import CARD, make_card
from alignfreeze_cli.hub.content import targets
from alignfreeze_cli.hub.settings import PushSettings
from alignfreeze_cli.report.scores import read_scores
from alignfreeze_cli.runs.graph import Graph, expand
from alignfreeze_cli.runs.keeping import Keep, Keeping
from alignfreeze_cli.runs.recipes import load
from alignfreeze_cli.runs.runner import Outcome, plan, run
from tests.runs import world
from tests.support.console import RecordingConsole

RUN = "tiny-front-s0"
MODELS = {"all": [f"{RUN}/encoder", f"{RUN}/pos"], "encoders": [f"{RUN}/encoder"], "scores": []}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.make(tmp_path_factory.mktemp("world"))


def graph(data: Path, output: Path, *overrides: str) -> Graph:
    return expand([load(world.recipe(output.parent, data), ["seeds=0", *overrides])], output, ["front"])


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One strategy and seed, with every model."""
    output = tmp_path_factory.mktemp("whole") / "runs"
    assert {each.status for each in run(graph(data, output), RecordingConsole())} == {"made"}
    return output


@pytest.fixture
def runs(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, for a test to change."""
    return Path(shutil.copytree(whole, tmp_path / "runs", symlinks=True))


def statuses(outcomes: list[Outcome]) -> dict[str, str]:
    assert not [outcome.error for outcome in outcomes if outcome.error]
    return {outcome.node.name.removeprefix(f"{RUN}/"): outcome.status for outcome in outcomes}


def weights(root: Path) -> dict[str, bytes]:
    return {str(path.parent.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("model.safetensors"))}


DONE = dict.fromkeys(("pairs", "encoder", "pos", "pos-scores"), "already done")


@pytest.mark.parametrize("keep", ["encoders", "scores"])
def test_what_is_no_longer_needed_goes_and_counts_as_done(keep: Keep, data: Path, runs: Path) -> None:
    before = {path: path.read_bytes() for path in runs.rglob(RECORD_NAME)}
    assert statuses(run(graph(data, runs), RecordingConsole(), keep=keep)) == DONE
    assert list(weights(runs)) == MODELS[keep]
    assert sorted(path.parent.name for path in runs.rglob("tokenizer.json")) == [Path(m).name for m in MODELS[keep]]
    assert {path: path.read_bytes() for path in runs.rglob(RECORD_NAME)} == before

    told = RecordingConsole()
    assert statuses(run(graph(data, runs), told, keep=keep)) == DONE
    assert not [line for line in told.said if "deleted" in line]
    assert statuses(plan(graph(data, runs), RecordingConsole())) == DONE
    assert list(weights(runs)) == MODELS[keep]


def test_a_run_that_keeps_nothing_ends_in_the_same_scores(data: Path, whole: Path, tmp_path: Path) -> None:
    told = RecordingConsole()
    made = run(graph(data, tmp_path / "runs"), told, keep="scores")
    assert set(statuses(made).values()) == {"made"}
    assert weights(tmp_path / "runs") == {}
    assert sum("nothing needs it any more, weights deleted" in line for line in told.said) == 2
    for name in ("encoder", "pos", "pos-scores"):
        here, there = (read_record(root / RUN / name) for root in (tmp_path / "runs", whole))
        assert here is not None
        assert there is not None
        assert here.digest == there.digest


def test_what_is_needed_again_is_made_again(data: Path, runs: Path, whole: Path) -> None:
    run(graph(data, runs), RecordingConsole(), keep="scores")
    planned = statuses(plan(graph(data, runs), RecordingConsole(), keep="encoders"))
    assert planned == {**DONE, "encoder": "planned"}
    assert statuses(run(graph(data, runs), RecordingConsole(), keep="encoders")) == {**DONE, "encoder": "made"}
    assert list(weights(runs)) == MODELS["encoders"]

    run(graph(data, runs), RecordingConsole(), keep="scores")
    shutil.move(runs / RUN / "pos-scores", runs / "aside")
    needed = {"pairs": "already done", "encoder": "planned", "pos": "planned", "pos-scores": "planned"}
    assert statuses(plan(graph(data, runs), RecordingConsole())) == needed
    shutil.move(runs / "aside", runs / RUN / "pos-scores")
    changed = graph(data, runs, "evaluate.max-length=32")  # other scores of the same model
    told = RecordingConsole()
    outcomes = statuses(run(changed, told, overwrite=True))
    assert outcomes == {"pairs": "already done", "encoder": "made", "pos": "made", "pos-scores": "made"}
    assert f"{RUN}/pos needs {RUN}/encoder, whose weights were deleted: made again" in told.said
    assert weights(runs) == weights(whole)
    assert not list(runs.rglob("deleted.json"))


def test_only_what_run_has_made_in_this_folder_goes(data: Path, runs: Path, tmp_path: Path) -> None:
    shutil.move(runs / RUN / "encoder", tmp_path / "mine")
    (runs / RUN / "encoder").symlink_to(tmp_path / "mine")
    record = json.loads((runs / RUN / "pos" / RECORD_NAME).read_text(encoding="utf-8"))
    for own in ("", "1234567890abcdef"):  # made by the command alone, and by a run in another folder
        (runs / RUN / "pos" / RECORD_NAME).write_text(json.dumps(record | {"run": own}), encoding="utf-8")
        told = RecordingConsole()
        assert statuses(run(graph(data, runs), told, keep="scores")) == DONE
        assert list(weights(tmp_path)) == ["mine", f"runs/{RUN}/pos"]
        assert sum("stays: `run` did not make it in this folder" in line for line in told.said) == 2


def test_a_model_stays_while_another_task_of_the_recipe_needs_it(data: Path, tmp_path: Path) -> None:
    recipe = load(world.recipe(tmp_path, data), ["seeds=0", "tasks=pos,ner"])
    part, all_tasks = (expand([recipe], tmp_path / "runs", ["front"], tasks) for tasks in (["pos"], []))
    done = frozenset(part.nodes)
    for whole, expected in ((all_tasks, []), (part, [f"{RUN}/encoder"])):
        found = Keeping(part, whole, "scores").to_delete(part.nodes[f"{RUN}/pos"], done)
        assert [node.name for node in found] == expected


def test_reports_and_cards_of_what_is_left(data: Path, runs: Path) -> None:
    rows = read_scores([runs / RUN])
    before = {name: make_card(runs / RUN / name)[CARD] for name in ("encoder", "pos")}
    run(graph(data, runs), RecordingConsole(), keep="scores")
    assert read_scores([runs / RUN]).equals(rows)
    for name, card in before.items():
        assert is_deleted(runs / RUN / name)
        assert make_card(runs / RUN / name)[CARD] == card
        with pytest.raises(WeightsDeletedError, match=r"lost its weights to `alignfreeze run --keep`.*--keep all"):
            targets(PushSettings(folders=(runs / RUN / name,), repo_id="org/name"), RecordingConsole().warn)
