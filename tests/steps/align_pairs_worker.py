"""What `test_killed_steps.py` kills: aligning two languages with two processes. See `tests/support/killing.py`."""

from __future__ import annotations

from pathlib import Path

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.align_pairs import align_pairs

RESULT = "data/en-xx.parquet"


def run(folder: Path, resume: bool) -> None:
    inputs = folder.parent / "inputs"
    settings = AlignPairsSettings(
        target=("xx", "yy"),
        corpus=(str(inputs / "text" / "{source}-{target}.tsv"),),
        dictionary=str(inputs / "dictionaries" / "{source}-{target}.txt"),
        workers=2,
        output=folder / "output",
    )
    align_pairs(settings, Console())
