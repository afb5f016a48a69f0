"""A small world with one finished run in it, for tests that go through the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

from typer.testing import CliRunner, Result

from alignfreeze_cli.cli.app import app
from tests.runs import world as small


def alignfreeze(*arguments: str | Path) -> Result:
    """The command line in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def align(world: Path, output: Path, *more: str | Path) -> Result:
    return alignfreeze(
        "align-pairs", "--target", "xx,yy", "--corpus", world / "text" / "{source}-{target}.tsv",
        "--dictionary", world / "dictionaries" / "{source}-{target}.txt", "--output", output, *more,
    )  # fmt: skip


def realign(world: Path, pairs: Path, output: Path, *more: str | Path) -> Result:
    return alignfreeze(
        "realign", "--model", world / "encoder", "--pairs", pairs, "--steps", "3", "--batch-size", "4",
        "--probe-pairs", "4", "--projection", "8", "--output", output, *more,
    )  # fmt: skip


def finetune(world: Path, model: Path, output: Path, *more: str | Path) -> Result:
    return alignfreeze(
        "finetune", "--task", "pos", "--model", model, "--train", world / "treebanks" / "en-train.conllu",
        "--steps", "3", "--batch-size", "8", "--output", output, *more,
    )  # fmt: skip


def evaluate(world: Path, model: Path, output: Path, *more: str | Path) -> Result:
    return alignfreeze(
        "evaluate", "--model", model, "--languages", "en,xx,yy",
        "--data", world / "treebanks" / "{language}-test.conllu", "--output", output, *more,
    )  # fmt: skip


def make(folder: Path) -> Path:
    """The world and the four folders `pairs`, `front`, `front-pos` and `front-scores` made from it."""
    world = small.make(folder)
    for result in (
        align(world, world / "pairs"),
        realign(world, world / "pairs", world / "front", "--freeze", "front"),
        finetune(world, world / "front", world / "front-pos"),
        evaluate(world, world / "front-pos", world / "front-scores"),
    ):
        assert result.exit_code == 0, result.stderr
    return world


def copy(world: Path, folder: Path) -> Path:
    """A copy that a test may spoil."""
    shutil.copytree(world, folder)
    return folder
