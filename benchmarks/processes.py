"""Whole processes, timed from outside: start-up, imports, reading and writing are part of what a user waits for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ended:
    """A process that has ended well."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, its own children included
    peak: int  # bytes of resident memory at most; of the largest of its processes
    output: str  # what it wrote to stdout

    def answer(self) -> dict[str, Any]:
        """The JSON object in the last line of its output."""
        found: dict[str, Any] = json.loads(self.output.splitlines()[-1])
        return found


def run_module(module: str, arguments: Sequence[object], environment: Mapping[str, str] | None = None) -> Ended:
    """Run `python -m module arguments…`; raises RuntimeError with the end of what it said if it fails.

    TOKENIZERS_PARALLELISM is left as users have it, unset, whatever the benchmarks do with it in their own process.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", **(environment or {})}
    variables.pop("TOKENIZERS_PARALLELISM", None)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as talk:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=talk, env=variables)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        talk.seek(0)
        if process.returncode:
            said = (output.read() + talk.read()).decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said[-3000:]}")
        return Ended(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output.read().decode())


def recorded_rate(output: Path) -> float:
    """Subwords per second of the training that made a folder, as its record says."""
    record = json.loads((output / "alignfreeze.json").read_text(encoding="utf-8"))
    return float(record["details"]["tokens-per-second"])
