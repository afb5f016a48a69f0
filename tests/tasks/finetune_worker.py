"""What `test_finetune_resume.py` kills: a short fine-tuning of a tiny encoder. See `tests/support/killing.py`."""

from __future__ import annotations

from pathlib import Path

from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.finetune import finetune
from alignfreeze_cli.tasks.settings import FinetuneSettings

RESULT = "model.safetensors"


def run(folder: Path, resume: bool) -> None:
    inputs = folder.parent / "inputs"
    settings = FinetuneSettings(
        model=str(inputs / "encoder"),
        task="pos",
        train=str(inputs / "train.conllu"),
        steps=12,
        batch_size=4,
        batch_tokens=20,
        max_length=24,
        learning_rate=1e-3,
        checkpoint_every=3,
        device="cpu",
        output=folder / "output",
        resume=resume,
    )
    finetune(settings, Console())
