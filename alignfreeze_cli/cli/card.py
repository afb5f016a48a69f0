"""`alignfreeze card`: any folder → its README.md and the picture of its blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.cli.options import Debug, Format, Quiet, command_errors

HELP = """Write the card of a folder: README.md, and for models a picture of the frozen and trained blocks.

    alignfreeze card runs/mbert-front-s31/pos --baseline runs/mbert-baseline-s31/pos-scores

Every step writes the card of what it makes; run this to add scores, or the repository's name. All facts come from the
folder's record and from scores. Text that you add outside the generated markers is kept.
"""


def add(app: typer.Typer) -> None:
    app.command("card", help=HELP)(card)


def card(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Pairs, encoder or task-model folders.")],
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            help="Scores folder of this model; give it again for scores of other seeds, and the card has means. "
            r"\[default: DIR-scores, if it holds this model's]"
        ),
    ] = None,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(help="Scores folder of the baseline to compare with; give it again for other seeds."),
    ] = None,
    repo_id: Annotated[
        str | None, typer.Option(help="Name on the Hub, org/name, for the example code on the card.")
    ] = None,
    quiet: Quiet = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    with command_errors(quiet, format, debug):
        from alignfreeze_cli.steps.card import write_cards

        cards = write_cards(folders, scores or (), baseline or (), repo_id)
        if format == "json":
            print_json({"cards": [str(path) for path in cards]})
        else:
            print_result("\n".join(map(str, cards)))
