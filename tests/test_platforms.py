"""Where Unix's locks, process groups, signal masks and folders that can be opened are missing, as on Windows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alignfreeze_cli.artifacts import read_record
from tests.runs import world as worlds

WITHOUT = """
import os, signal, sys

sys.modules["fcntl"] = None
for module, names in ((os, ("setpgrp", "fchmod", "O_DIRECTORY")), (signal, ("pthread_sigmask", "pthread_kill"))):
    for name in names:
        delattr(module, name)
real_open, real_symlink = os.open, os.symlink


def open_files_only(path, *args, **kwargs):
    if isinstance(path, (str, bytes, os.PathLike)) and os.path.isdir(path):
        raise PermissionError(13, "Permission denied", os.fspath(path))
    return real_open(path, *args, **kwargs)


def no_links(target, link, *args, **kwargs):
    error = OSError(22, "A required privilege is not held by the client", os.fspath(link))
    error.winerror = 1314
    raise error


os.open, os.symlink = open_files_only, no_links
"""
STEPS = """
from dataclasses import replace
from pathlib import Path
from alignfreeze_cli.runs.graph import expand
from alignfreeze_cli.runs.keeping import Keeping
from alignfreeze_cli.runs.recipes import load
from alignfreeze_cli.runs.worklist import Worklist
from alignfreeze_cli.runs.workers import run_in_workers
from alignfreeze_cli.progress import Console

if __name__ == "__main__":
    graph = expand([load(Path("tiny.yaml"))], Path("runs"))
    for run in graph.runs:
        run.write()
    graph = replace(graph, nodes={"pairs": graph.nodes["pairs"]})
    worklist = Worklist(graph, Console(), Keeping(graph, graph))
    run_in_workers(worklist, 1, 1)
    assert worklist.outcomes["pairs"].status == "made", worklist.outcomes["pairs"].error
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """For a Python, and those that it starts, without the names: `sitecustomize` is imported before all else."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text(WITHOUT, encoding="utf-8")
    path = [str(tmp_path / "without"), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def test_without_them_the_command_starts_and_a_worker_makes_pairs(tmp_path: Path, environment: dict[str, str]) -> None:
    worlds.recipe(tmp_path, worlds.make(tmp_path / "world"))
    (tmp_path / "steps.py").write_text(STEPS, encoding="utf-8")
    for command in (["-m", "alignfreeze_cli", "--help"], ["steps.py"]):
        ran = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
    record = read_record(tmp_path / "runs" / "pairs")
    assert record is not None
    assert record.details["languages"]["xx"]["kept"] > 0
    assert [path.name for path in (tmp_path / "runs").iterdir() if "pairs" in path.name] == ["pairs"]


def test_without_folder_locks_a_second_process_is_still_refused(tmp_path: Path, environment: dict[str, str]) -> None:
    code = """
from pathlib import Path
from alignfreeze_cli.artifacts.lock import locked
from alignfreeze_cli.errors import AlignFreezeError

with locked(Path("out/.a.partial")):
    try:
        with locked(Path("out/.a.partial")):
            raise SystemExit("two at a time")
    except AlignFreezeError as error:
        print(error)
with locked(Path("out/.a.partial")):
    print(*sorted(path.name for path in Path("out").iterdir()))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines() == [
        "Another process is writing out/.a.partial; wait for it, or choose another --output.",
        ".a.partial .a.partial.lock",
    ], ran.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".a.partial"]


def test_make_with_an_unusable_python_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(Path(__file__).parents[1] / name, tmp_path)
    before = set(tmp_path.iterdir())
    ran = subprocess.run(["make", "PYTHON=false", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "make: false is not Python 3.11 or newer with venv; name one: make PYTHON=python3.12 demo" in ran.stderr
    assert set(tmp_path.iterdir()) == before
