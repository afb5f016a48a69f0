"""Killed with SIGKILL at twenty seeded moments, realign resumes to the same weights, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.killing import kill_and_resume
from tests.support.realign_world import make_encoder, make_pairs


@pytest.mark.slow
def test_resumes_after_sigkill_to_the_same_bytes(tmp_path: Path) -> None:
    make_encoder(tmp_path / "inputs" / "encoder")
    make_pairs(tmp_path / "inputs" / "pairs", {"de": 60, "ta": 12})
    worker = Path(__file__).with_name("realign_worker.py")
    moments = kill_and_resume(worker, tmp_path, 20, 31, {"alignfreeze.json", "model.safetensors", "steps-5"})
    for kind in ("half write", "before rename", "after rename"):
        assert any(moment.startswith(kind) for moment in moments)
