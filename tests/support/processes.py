"""Python in processes of its own, with the code of this checkout and one thread each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT = 280  # seconds; a test has 300


def start_python(*arguments: str | Path) -> subprocess.Popen[str]:
    """`python …` that runs at the same time as the test; its output is piped."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for a process that must succeed: its standard output and its standard error."""
    try:
        output, errors = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return output, errors


def run_python(*arguments: str | Path) -> tuple[str, str]:
    """Run `python …` to its end, which must be a success: its standard output and its standard error."""
    return finish(start_python(*arguments))


def torchrun(worker: str | Path, *arguments: str | Path, processes: int = 2) -> None:
    """Run a Python file in several processes that find each other, as `torchrun` does."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    run_python(*launcher, worker, *arguments)
