"""`alignfreeze card`: any folder → its README.md and the picture of its blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.cli.options import Debug, Format, Quiet, guarded
from alignfreeze_cli.progress import Console

HELP = """Write the card of a folder: README.md and the picture of its blocks.

    alignfreeze card runs/mbert-front-s31/pos --baseline runs/mbert-baseline-s31/pos-scores

Everything on it comes from the folder's record and from scores. What you write outside the generated markers stays
when the card is made again.
"""


def add(app: typer.Typer) -> None:
    app.command("card", help=HELP)(card)


def card(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Pairs, encoder or task-model folders.")],
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            help="Scores folder of this very model; several: of its other seeds too. [default: DIR-scores, if it fits]"
        ),
    ] = None,
    baseline: Annotated[
        list[Path] | None, typer.Option(help="Scores folder to compare with; several: of its seeds.")
    ] = None,
    repo_id: Annotated[str | None, typer.Option(help="Name on the Hub, for the lines that show how to use it.")] = None,
    quiet: Quiet = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    def work(console: Console) -> None:
        from alignfreeze_cli.hub.cards import write_card

        cards = [write_card(folder, scores or (), baseline or (), repo_id) for folder in folders]
        if format == "json":
            print_json({"cards": [str(path) for path in cards]})
        else:
            print_result("\n".join(map(str, cards)))

    guarded(work, quiet, format, debug)
