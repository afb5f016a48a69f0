"""Whole runs on a tiny world: sharing, skipping, failing, stopping and going on, in this process and in workers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.errors import Interrupted, SettingsError
from alignfreeze_cli.progress import Console, ProgressBar
from alignfreeze_cli.report.score_table import score_tables
from alignfreeze_cli.report.scores import read_scores
from alignfreeze_cli.runs.graph import Graph, Node, expand
from alignfreeze_cli.runs.keeping import Keeping
from alignfreeze_cli.runs.recipes import load
from alignfreeze_cli.runs.runner import Outcome, plan, run
from alignfreeze_cli.runs.workers import run_in_workers
from alignfreeze_cli.runs.worklist import Worklist
from tests.runs import world
from tests.support.console import RecordingConsole

STEPS = 60  # of realigning, where a run is to be interrupted


class Heard(RecordingConsole):
    """Also calls `on_training` once, when a training step has been reported."""

    def __init__(self) -> None:
        super().__init__()
        self.on_training = lambda note: None

    @contextmanager
    def progress(self, title: str, total: int | None = None, unit: str = "items") -> Iterator[ProgressBar]:
        yield _HeardTask(self, title, total)


class _HeardTask(ProgressBar):
    def __init__(self, console: Heard, title: str, total: int | None) -> None:
        super().__init__(total)
        self.console, self.title = console, title

    def advance(self, amount: int = 1, note: str = "") -> None:
        super().advance(amount, note)
        if "training" in self.title or "training" in note:
            act, self.console.on_training = self.console.on_training, lambda note: None
            act(note)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.make(tmp_path_factory.mktemp("world"))


def graph(data: Path, output: Path, *overrides: str, strategies: tuple[str, ...] = ()) -> Graph:
    return expand([load(world.recipe(output.parent, data), overrides)], output, strategies)


def statuses(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.node.name: outcome.status for outcome in outcomes}


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes that must not depend on how a run came about."""
    names = ("model.safetensors", "scores.json", "*.parquet")
    return {str(path.relative_to(folder)): path.read_bytes() for name in names for path in sorted(folder.rglob(name))}


@pytest.fixture(scope="module")
def here(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of the recipe for one seed, made in this process."""
    output = tmp_path_factory.mktemp("here") / "runs"
    outcomes = run(graph(data, output, "seeds=0"), Heard())
    assert set(statuses(outcomes).values()) == {"made"}, [outcome.error for outcome in outcomes]
    return output


def test_a_run_makes_the_layout_and_scores_every_strategy(here: Path) -> None:
    assert sorted(path.name for path in here.iterdir()) == [
        ".alignfreeze-run",
        "pairs",
        "tiny-baseline-s0",
        "tiny-front-s0",
        "tiny-shuffled-links-s0",
    ]
    front = here / "tiny-front-s0"
    assert sorted(path.name for path in front.iterdir()) == ["encoder", "pairs", "pos", "pos-scores", "run.json"]
    assert (front / "pairs" / "statistics.json").is_file()
    record = json.loads((front / "pos-scores" / "alignfreeze.json").read_text(encoding="utf-8"))
    assert [parent["kind"] for parent in record["lineage"]] == ["pairs", "encoder", "task-model"]
    assert record["hardware"]["threads"] == 1
    (table,) = score_tables(read_scores(sorted(path for path in here.iterdir() if path.name.startswith("tiny"))))
    assert table.columns == ("en", "xx", "yy", "mean of targets")
    assert [(row.strategy, row.control) for row in table.rows] == [
        ("baseline", False),
        ("front", False),
        ("shuffled-links", True),
    ]


@pytest.mark.slow
def test_what_is_finished_is_not_done_again_and_workers_make_the_same(data: Path, here: Path, tmp_path: Path) -> None:
    told = Heard()
    outcomes = run(graph(data, tmp_path / "runs", "seeds=0"), told, jobs=2)
    assert set(statuses(outcomes).values()) == {"made"}
    assert contents(tmp_path / "runs") == contents(here)
    assert sum("made in" in line for line in told.said) == len(outcomes) == 9
    again = run(graph(data, tmp_path / "runs", "seeds=0"), Heard())
    assert set(statuses(again).values()) == {"already done"}


def test_a_plan_reads_what_several_seeds_read_once(data: Path, tmp_path: Path) -> None:
    """The dry run of one seed's step stands for the others, but not for one whose output is there."""
    read = RecordingConsole()
    outcomes = plan(graph(data, tmp_path / "runs", strategies=("baseline",)), read)
    assert statuses(outcomes) == dict.fromkeys(
        ("tiny-baseline-s0/pos", "tiny-baseline-s0/pos-scores", "tiny-baseline-s1/pos", "tiny-baseline-s1/pos-scores"),
        "planned",
    )
    assert [bar.title for bar in read.bars] == ["reading part-of-speech tagging in en"]
    needs = {outcome.node.name: outcome.details["needs"] for outcome in outcomes if outcome.node.step == "finetune"}
    assert needs["tiny-baseline-s0/pos"] == needs["tiny-baseline-s1/pos"]
    assert [outcome.details["output"] for outcome in outcomes if outcome.node.step == "finetune"] == [
        str(tmp_path / "runs" / f"tiny-baseline-s{seed}" / "pos") for seed in (0, 1)
    ], "of its own, though another's dry run stands for it"
    seconds = {outcome.node.name: outcome.seconds for outcome in outcomes}
    assert seconds["tiny-baseline-s1/pos"] == 0 < seconds["tiny-baseline-s0/pos"], "`run --format json` tells them"

    (tmp_path / "runs" / "tiny-baseline-s1" / "pos").mkdir(parents=True)
    (tmp_path / "runs" / "tiny-baseline-s1" / "pos" / "mine.txt").write_text("mine", encoding="utf-8")
    found = statuses(plan(graph(data, tmp_path / "runs", strategies=("baseline",)), RecordingConsole()))
    assert found["tiny-baseline-s0/pos"] == "planned"
    assert found["tiny-baseline-s1/pos"] == "failed"


def test_a_failed_step_stops_only_what_needs_it(data: Path, tmp_path: Path) -> None:
    recipe = world.RECIPE.replace("freeze: front}", "freeze: '7'}").replace("seeds: [0, 1]", "seeds: [0]")
    path = world.recipe(tmp_path, data, recipe)
    told = Heard()
    outcomes = run(expand([load(path)], tmp_path / "runs"), told)
    found = statuses(outcomes)
    assert [name for name, status in found.items() if status == "failed"] == ["tiny-front-s0/encoder"]
    assert [name for name, status in found.items() if status == "not run"] == [
        "tiny-front-s0/pos",
        "tiny-front-s0/pos-scores",
    ]
    assert found["tiny-shuffled-links-s0/pos-scores"] == "made"
    (failed,) = (outcome for outcome in outcomes if outcome.status == "failed")
    assert isinstance(failed.error, SettingsError)
    assert "names block 7" in str(failed.error)
    assert any("tiny-front-s0/encoder failed" in text for text in told.warned)

    other = statuses(run(graph(data, tmp_path / "runs", "seeds=0"), Heard()))  # the recipe, mended
    assert {name for name, status in other.items() if status == "made"} == {
        "tiny-front-s0/encoder",
        "tiny-front-s0/pos",
        "tiny-front-s0/pos-scores",
    }


def test_outputs_made_otherwise_are_refused_and_replaced_on_demand(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "runs"
    run(graph(data, output, "seeds=0", strategies=("baseline",)), Heard())
    changed = graph(data, output, "seeds=0", "finetune.steps=2", strategies=("baseline",))
    outcomes = run(changed, Heard())
    assert [outcome.status for outcome in outcomes] == ["failed", "not run"]
    assert "--overwrite" in str(outcomes[0].error)
    assert [outcome.status for outcome in run(changed, Heard(), overwrite=True)] == ["made", "made"]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_same_result(jobs: int, data: Path, tmp_path: Path, here: Path) -> None:
    overrides = ("seeds=0", f"realign.steps={STEPS}", "realign.checkpoint-every=0")
    stopped, whole = (graph(data, tmp_path / name, *overrides) for name in ("stopped", "whole"))
    told = Heard()
    told.on_training = lambda note: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted, match=r"Interrupted with \d+ of 9 steps done"):
        run(stopped, told, jobs=jobs)
    assert list(stopped.root.glob("*/.*.partial"))

    first, second = run(stopped, Heard()), run(whole, Heard())
    assert set(statuses(first).values()) <= {"made", "already done"}
    assert {outcome.status for outcome in second} == {"made"}
    assert contents(stopped.root) == contents(whole.root)


@pytest.mark.slow
def test_a_worker_that_is_killed_fails_its_step_alone(data: Path, tmp_path: Path) -> None:
    import multiprocessing

    told = Heard()

    def kill(note: str) -> None:
        for child in multiprocessing.active_children():
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)

    told.on_training = kill
    made = graph(data, tmp_path / "runs", "seeds=0,1", strategies=("baseline",))
    outcomes = run(made, told, jobs=2)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert failed
    assert all("ended by SIGKILL" in str(outcome.error) for outcome in failed)
    assert not multiprocessing.active_children()
    assert set(statuses(run(made, Heard())).values()) <= {"made", "already done"}


@dataclass(frozen=True, kw_only=True)
class _Unreadable(AlignPairsSettings):
    """Settings that no process can read after they were sent to it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("these settings",)


def test_a_worker_that_ends_by_an_error_is_not_said_to_lack_memory(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    node = Node("pairs", "align-pairs", _Unreadable(output=tmp_path / "pairs"))
    graph = Graph(tmp_path, {"pairs": node}, ())
    worklist = Worklist(graph, Heard(), Keeping(graph, graph))
    run_in_workers(worklist, 1, 1)
    said = str(worklist.outcomes["pairs"].error)
    assert said.startswith("its process ended with exit code 1 and no answer; what it said is above.")
    assert "invalid literal for int() with base 10: 'these settings'" in capfd.readouterr().err


def test_a_plan_does_nothing_and_finds_missing_data(data: Path, tmp_path: Path) -> None:
    good = graph(data, tmp_path / "runs", "seeds=0", strategies=("front",))
    assert [outcome.status for outcome in plan(good, Console())] == ["planned"] * 4
    assert not (tmp_path / "runs").exists()
    bad = graph(data, tmp_path / "runs", "seeds=0", "align-pairs.corpus=nowhere/{target}.tsv", strategies=("front",))
    outcomes = plan(bad, Console())
    assert [outcome.status for outcome in outcomes] == ["failed", "not run", "not run", "not run"]
    assert "nowhere/xx.tsv" in str(outcomes[0].error)
