"""Killed with SIGKILL at twenty seeded moments, realign goes on to the same weights, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from .worlds import make_encoder, make_pairs

TESTS = Path(__file__).parents[1]
MOMENTS = 20


def test_resumes_after_sigkill_to_the_same_bytes(tmp_path: Path) -> None:
    make_encoder(tmp_path / "inputs" / "encoder")
    make_pairs(tmp_path / "inputs" / "pairs", {"de": 60, "ta": 12})
    worker = str(Path(__file__).with_name("realign_worker.py"))
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "OMP_NUM_THREADS": "1"}
    environment["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
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
        # What has the output's name is whole, or it is not there.
        assert kill["left"] == [] or {"alignfreeze.json", "model.safetensors", "steps-5"} <= set(kill["left"]), kill
        assert kill["resumed"] == 0, (kill, done.stderr)
        assert kill["digest"] == report["digest"], kill
    told = " ".join(kill["moment"] for kill in report["kills"])
    assert "half write" in told
    assert "before rename" in told
    assert "after rename" in told
