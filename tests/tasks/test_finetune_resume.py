"""Killed with SIGKILL at twenty seeded moments, finetune resumes to the same weights, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.killing import kill_and_resume
from tests.tasks.worlds import make_world


@pytest.mark.slow
def test_resumes_after_sigkill_to_the_same_bytes(tmp_path: Path) -> None:
    make_world(tmp_path / "inputs")
    worker = Path(__file__).with_name("finetune_worker.py")
    kill_and_resume(worker, tmp_path, 20, 31, {"alignfreeze.json", "model.safetensors"})
