"""`alignfreeze realign`: encoder + pairs → encoder."""

from __future__ import annotations

import typer

from alignfreeze_cli.artifacts.produce import Result
from alignfreeze_cli.cli.options import add_step
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.progress import Console

HELP = """Realign an encoder on word pairs, with part of its blocks frozen.

    alignfreeze realign --model xlm-roberta-base --pairs pairs --freeze front
"""


def add(app: typer.Typer) -> None:
    add_step(app, "realign", RealignSettings, _run, _show, HELP)


def _run(settings: RealignSettings, console: Console) -> Result:
    from alignfreeze_cli.encoder.realignment import realign

    return realign(settings, console)


def _show(result: Result) -> str:
    return ""
