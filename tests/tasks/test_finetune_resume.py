"""Killed with SIGKILL at twenty seeded moments, finetune goes on to the same weights, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from .worlds import make_world

TESTS = Path(__file__).parents[1]
MOMENTS = 20


def test_resumes_after_sigkill_to_the_same_bytes(tmp_path: Path) -> None:
    make_world(tmp_path / "inputs")
    worker = str(Path(__file__).with_name("finetune_worker.py"))
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(TESTS / "killing.py"), worker, str(tmp_path), str(MOMENTS), "31"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["status"] == 0, done.stderr
    assert len(report["kills"]) == MOMENTS
    for kill in report["kills"]:
        assert kill["killed"] == -9, kill
        assert kill["left"] == [] or {"alignfreeze.json", "model.safetensors"} <= set(kill["left"]), kill
        assert kill["resumed"] == 0, (kill, done.stderr)
        assert kill["digest"] == report["digest"], kill
