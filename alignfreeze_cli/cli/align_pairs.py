"""`alignfreeze align-pairs`: parallel text → pairs."""

from __future__ import annotations

import typer

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts.output import Result
from alignfreeze_cli.cli.options import add_step
from alignfreeze_cli.progress import Console

HELP = """Find word pairs in parallel text and write a pairs folder.

    alignfreeze align-pairs --target de,fr --corpus 'text/en-{target}.tsv' --dictionary 'muse/{source}-{target}.txt'

Without options: OPUS-100 from the Hub, the paper's 34 languages, MUSE dictionaries.
"""


def add(app: typer.Typer) -> None:
    add_step(app, "align-pairs", AlignPairsSettings, _run, _show, HELP)


def _run(settings: AlignPairsSettings, console: Console) -> Result:
    from alignfreeze_cli.steps.align_pairs import align_pairs

    return align_pairs(settings, console)


def _show(result: Result) -> str:
    rows = [f"{'language':10}{'lines':>12}{'pairs':>12}{'links':>12}{'source words linked':>21}{'target':>9}"]
    for language, found in result.details["languages"].items():
        share = found["share of words linked"]
        rows.append(
            f"{language:10}{found['lines']:12,}{found['kept']:12,}{found['links']:12,}"
            f"{share['source']:21.1%}{share['target']:9.1%}"
        )
    return "\n".join(rows)
