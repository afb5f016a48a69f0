"""`alignfreeze finetune`: encoder + labelled data in one language → task model."""

from __future__ import annotations

import typer

from alignfreeze_cli.artifacts.output import Result
from alignfreeze_cli.cli.options import add_step
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.settings import FinetuneSettings

HELP = """Fine-tune an encoder on a task in the source language; nothing is frozen unless asked for.

    alignfreeze finetune --task pos --model encoder --train ud/en_ewt-ud-train.conllu

    alignfreeze finetune --task pos --model xlm-roberta-base --realign-with pairs --freeze front
"""


def add(app: typer.Typer) -> None:
    add_step(app, "finetune", FinetuneSettings, _run, _show, HELP)


def _run(settings: FinetuneSettings, console: Console) -> Result:
    from alignfreeze_cli.steps.finetune import finetune

    return finetune(settings, console)


def _show(result: Result) -> str:
    details = result.details
    realigned = details.get("realign")
    beside = (
        f", of it {realigned['weight']:g} x realignment {realigned['first-loss']:.3f} → {realigned['last-loss']:.3f}"
        if realigned
        else ""
    )
    return (
        f"{details['steps']:,} steps ({details['epochs']:g} epochs of {details['windows']:,} windows), "
        f"loss {details['first-loss']:.3f} → {details['last-loss']:.3f}{beside} "
        f"(means of the first and the last 10), {details['tokens-per-second']:,.0f} tokens/s"
    )
