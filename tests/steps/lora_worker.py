"""What `test_killed_steps.py` kills: a short realignment with LoRA. See `tests/support/killing.py`."""

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
        lora=2,
        keep_adapter=True,
        steps=8,
        batch_size=4,
        probe_pairs=2,
        checkpoint_every=3,
        device="cpu",
        output=folder / "output",
        resume=resume,
    )
    realign(settings, Console())
