"""What `test_killed_steps.py` kills: scoring a tiny model in three languages. See `tests/support/killing.py`."""

from __future__ import annotations

from pathlib import Path

from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.evaluate import evaluate
from alignfreeze_cli.tasks.settings import EvaluateSettings

RESULT = "scores.json"


def run(folder: Path, resume: bool) -> None:
    inputs = folder.parent / "inputs"
    settings = EvaluateSettings(
        model=str(inputs / "pos"),
        languages=("en", "xx", "yy"),
        data=str(inputs / "treebanks" / "{language}-test.conllu"),
        device="cpu",
        output=folder / "output",
    )
    evaluate(settings, Console())
