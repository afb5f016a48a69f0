"""Runs the processes of `thot_process.py`: a few at a time, with their progress, and to their end or ours."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO

import alignfreeze_cli
from alignfreeze_cli.aligners.thot_process import Task
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.progress import ProgressBar
from alignfreeze_cli.signals import ended_by


def run_processes(tasks: Sequence[Task], at_once: int, folder: Path, progress: ProgressBar) -> None:
    """Do the tasks, `at_once` at a time; raises AlignFreezeError if a process fails."""
    waiting = list(tasks)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        while waiting or selector.get_map():
            while waiting and len(selector.get_map()) < at_once:
                running = stack.enter_context(_Process(waiting.pop(0), folder))
                selector.register(running.output, selectors.EVENT_READ, running)
            for key, _ in selector.select():
                said = os.read(key.fd, 4096)
                progress.advance(said.count(b"\n"))
                if not said:
                    selector.unregister(key.fileobj)
                    key.data.demand_success()


class _Process:
    """A process that does a task. A context manager: what still runs at the end is killed."""

    def __init__(self, task: Task, folder: Path) -> None:
        self._task = task
        self._errors = folder / f"{Path(task.positions).name}.errors"
        package = str(Path(alignfreeze_cli.__file__).parents[1])
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "alignfreeze_cli.aligners.thot_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C in a terminal is this process's to handle
            )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(task)).encode())
        self._process.stdin.close()

    @property
    def output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self.output.close()

    def demand_success(self) -> None:
        code = self._process.wait()
        if code == 0:
            return
        said = self._errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if (signal_name := ended_by(code)) is None:
            why = f"failed: {said[-1] if said else f'exit code {code}'}"
        else:
            why = f"was ended by {signal_name}"
            why += "; was memory short? docs/aligners.md says how much it takes." if signal_name == "SIGKILL" else "."
        raise AlignFreezeError(f"The process that ran {self._task.aligner} {why}")
