"""What `test_realign_resume.py` kills: a short realignment of a tiny encoder. See `tests/support/killing.py`."""

from __future__ import annotations

from pathlib import Path

from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.realign import realign

RESULT = "model.safetensors"


def run(folder: Path, resume: bool) -> None:
    inputs = folder.parent / "inputs"
    settings = RealignSettings(
        model=str(inputs / "encoder"),
        pairs=(str(inputs / "pairs"),),
        freeze="front",
        steps=12,
        save_at=("5",),
        batch_size=4,
        max_length=32,
        learning_rate=1e-3,
        probe_pairs=2,
        probe_every=5,
        checkpoint_every=3,
        device="cpu",
        output=folder / "output",
        resume=resume,
    )
    realign(settings, Console())
