"""Killed or told to stop, align-pairs with several processes leaves none of them behind, and no half a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("alignfreeze")
LINES = 400_000


def descendants(pid: int) -> set[int]:
    """The processes that a process has started, and theirs."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        listing = Path(f"/proc/{waiting.pop()}/task")
        for task in listing.iterdir() if listing.is_dir() else ():
            children = [int(child) for child in (task / "children").read_text().split()]
            found |= set(children)
            waiting += children
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="there is no /proc to look at")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_is_left_behind(world: Path, tmp_path: Path, how: signal.Signals) -> None:
    line = (world / "text" / "en-xx.tsv").read_text().splitlines()[0] + "\n"
    (tmp_path / "en-xx.tsv").write_text(line * LINES)
    running = subprocess.Popen(
        [COMMAND, "align-pairs", "--target", "xx", "--corpus", tmp_path / "en-xx.tsv", "--workers", "2",
         "--dictionary", world / "dictionaries" / "en-xx.txt", "--output", tmp_path / "pairs"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stderr is not None
    others: set[int] = set()
    while not others or not list(tmp_path.glob(".pairs.partial/data/*")):
        assert running.poll() is None, running.stderr.read()
        others = descendants(running.pid)
    os.kill(running.pid, how)
    _, errors = running.communicate(timeout=60)
    while any(map(is_running, others)):  # the test's own time limit ends this
        os.sched_yield()
    if how == signal.SIGTERM:
        assert (running.returncode, errors.strip().splitlines()[-1]) == (
            130,
            "alignfreeze: Interrupted; no output was changed.",
        )
        assert not list(tmp_path.glob(".pairs*"))
    assert not (tmp_path / "pairs").exists()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="there is no /proc to look at")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_fitting_nothing_is_left_behind(world: Path, tmp_path: Path, how: signal.Signals) -> None:
    pytest.importorskip("thot", reason="sil-thot is not installed")
    lines = (world / "text" / "en-xx.tsv").read_text()
    (tmp_path / "en-xx.tsv").write_text(lines * (10_000 // lines.count("\n")))
    command = [COMMAND, "align-pairs", "--target", "xx", "--corpus", tmp_path / "en-xx.tsv", "--workers", "2",
               "--aligner", "hmm", "--save-aligner", tmp_path / "kept", "--output", tmp_path / "pairs"]  # fmt: skip
    running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stderr is not None
    others: set[int] = set()
    while len(others) < 2:  # both directions are being fitted
        assert running.poll() is None, running.stderr.read()
        others = descendants(running.pid)
    os.kill(running.pid, how)
    running.communicate(timeout=60)
    while any(map(is_running, others)):
        os.sched_yield()
    if how == signal.SIGKILL:  # there was no time to tidy up: the next run does it
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == (
        ["en-xx.tsv", "kept", "pairs"] if how == signal.SIGKILL else ["en-xx.tsv"]
    )
