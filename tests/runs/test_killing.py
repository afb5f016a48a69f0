"""A run with workers, killed without warning and started again: nothing is done twice, nothing is different."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alignfreeze_cli.artifacts.record import RECORD_NAME
from alignfreeze_cli.progress import Console
from alignfreeze_cli.report.settings import ReportSettings
from alignfreeze_cli.runs.graph import expand
from alignfreeze_cli.runs.recipes import load
from alignfreeze_cli.runs.runner import run
from alignfreeze_cli.steps.report import make_report
from tests.runs import world

FINISHED_BEFORE = 3  # steps, when everything is killed


def children(parent: int) -> list[int]:
    """All processes below one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # ended in the meantime
        if int(fields[1]) == parent:
            found += [int(folder.name), *children(int(folder.name))]
    return found


def records(root: Path) -> dict[str, tuple[int, bytes]]:
    """When each finished folder was written, to the nanosecond, and its record."""
    paths = sorted(root.glob(f"*/{RECORD_NAME}")) + sorted(root.glob(f"*/*/{RECORD_NAME}"))
    found = [path for path in paths if not path.parent.is_symlink() and ".partial" not in str(path)]
    return {str(path.parent.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def sealed(root: Path) -> set[str]:
    """Outputs that were finished when everything was killed, but did not have their names yet."""
    paths = [*root.glob(f".*.partial/{RECORD_NAME}"), *root.glob(f"*/.*.partial/{RECORD_NAME}")]
    folders = [path.parent.relative_to(root) for path in paths]
    return {str(folder.with_name(folder.name.removeprefix(".").removesuffix(".partial"))) for folder in folders}


def results(root: Path) -> dict[str, bytes]:
    names = ("model.safetensors", "scores.json", "*.parquet", "run.json")
    return {str(path.relative_to(root)): path.read_bytes() for name in names for path in sorted(root.rglob(name))}


def reported(root: Path) -> dict[str, bytes]:
    """The files of a report on the runs, but for its record, which says where they lie."""
    made = make_report(
        ReportSettings(runs=(str(root),), output=root / "report", plots=False, resamples=100), Console()
    ).path
    files = [path for path in sorted(made.rglob("*")) if path.is_file() and path.name != RECORD_NAME]
    return {str(path.relative_to(made)): path.read_bytes() for path in files}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")
@pytest.mark.slow
def test_a_killed_run_finishes_without_doing_finished_work_twice(tmp_path: Path) -> None:
    data = world.make(tmp_path / "world")
    path = world.recipe(tmp_path, data)
    overrides = ["seeds=0", "realign.steps=8", "realign.checkpoint-every=1", "finetune.checkpoint-every=1"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "alignfreeze_cli", "run", str(path), "--jobs", "2", "--output", str(killed)]
    command += ["--keep", "encoders"]
    command += [part for text in overrides for part in ("--set", text)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith(f"[{FINISHED_BEFORE}/"):
                break
        numbers = [process.pid, *children(process.pid)]
        ends = [os.pidfd_open(number) for number in numbers]
        for number in numbers:
            os.kill(number, signal.SIGKILL)
        for end in ends:  # on a busy machine a worker may finish a call to the system, such as a rename, before it dies
            select.select([end], [], [])
            os.close(end)
    assert process.returncode == -signal.SIGKILL, "".join(said)
    finished = records(killed)
    assert FINISHED_BEFORE <= len(finished) < 9
    done = set(finished) | sealed(killed)

    graph = expand([load(path, overrides)], killed)
    outcomes = {outcome.node.name: outcome.status for outcome in run(graph, Console(), jobs=2, keep="encoders")}
    assert {name for name, status in outcomes.items() if status == "already done"} == done
    assert {name for name, status in outcomes.items() if status == "made"} == set(outcomes) - done
    assert {name: records(killed)[name] for name in finished} == finished
    assert not list(killed.rglob(".*.partial"))

    run(expand([load(path, overrides)], whole), Console())
    models = {f"{entry.folder.name}/pos/model.safetensors" for entry in graph.runs}
    assert results(whole).keys() - results(killed).keys() == models
    assert results(killed).items() <= results(whole).items()
    assert reported(killed) == reported(whole)
