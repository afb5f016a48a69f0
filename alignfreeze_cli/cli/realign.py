"""`alignfreeze realign`: encoder + pairs → encoder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import typer

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Result, resolve_encoder
from alignfreeze_cli.cli.options import add_step
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.progress import Console

HELP = """Realign an encoder on word pairs, with part of its blocks frozen.

    alignfreeze realign --model xlm-roberta-base --freeze front

    alignfreeze realign --model xlm-roberta-base --pairs pairs --freeze front --steps 300 --output front
"""

_IMPLICIT_PAIRS = "opus-100-pairs"
_IMPLICIT_LINES = 100_000  # per language: several times what the default number of steps draws


def add(app: typer.Typer) -> None:
    add_step(app, "realign", RealignSettings, _run, _show, HELP)


def _run(settings: RealignSettings, console: Console) -> Result:
    from alignfreeze_cli.steps.realign import realign

    if not settings.pairs:
        resolve_encoder(settings.model)  # a mistyped model is found before the long work
        made = _implicit_pairs(settings, console)
        if made.status == "planned":
            return replace(made, details={"align-pairs": dict(made.details), "realign": "once these pairs are there"})
        settings = replace(settings, pairs=(str(made.path),))
    return realign(settings, console)


def _implicit_pairs(settings: RealignSettings, console: Console) -> Result:
    """The pairs of a run that names none: OPUS-100 with the MUSE dictionaries, made once and found again."""
    from alignfreeze_cli.steps.align_pairs import align_pairs

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingsError("--pairs: with several processes, make the pairs first with `alignfreeze align-pairs`.")
    name = "-".join([_IMPLICIT_PAIRS, *settings.targets])
    folder = (settings.output or Path("encoder")).parent / name
    wanted = AlignPairsSettings(output=folder, max_lines=_IMPLICIT_LINES, dry_run=settings.dry_run)
    return align_pairs(replace(wanted, target=settings.targets) if settings.targets else wanted, console)


def _show(result: Result) -> str:
    details = result.details
    rows = [
        f"{details['steps']:,} steps, loss {details['first-loss']:.3f} → {details['last-loss']:.3f} "
        f"(means of the first and the last 10), {details['tokens-per-second']:,.0f} tokens/s"
    ]
    if details["probe"]:
        read = str(details["read-block"])
        rows.append(f"words that find their translation, in % (held-out pairs, block {read}):")
        rows.append(f"{'language':10}{'before':>9}{'after':>9}{'chance':>9}")
        before = {row["language"]: row for row in details["probe"] if row["probe"] == "before"}
        after = {row["language"]: row for row in details["probe"] if row["probe"] == "after"}
        rows += [
            f"{language:10}{100 * before[language]['accuracy'][read]:9.1f}{100 * row['accuracy'][read]:9.1f}"
            f"{100 * row['chance']:9.1f}"
            for language, row in after.items()
        ]
    return "\n".join(rows)
