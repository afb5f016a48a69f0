"""The app: one file per command beside this one. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import atexit
import io
import os
import sys
from typing import Annotated

import typer

from alignfreeze_cli import __version__
from alignfreeze_cli.cli import (
    advise,
    changes,
    completion,
    demo,
    env,
    fetch,
    predict,
    publish,
    recipes,
    run,
    score_links,
    search,
    steps,
)
from alignfreeze_cli.cli.options import reflow
from alignfreeze_cli.cli.pages import with_page
from alignfreeze_cli.collector import skip_last_collection

app = typer.Typer(
    name="alignfreeze",
    help="Realign multilingual encoders on word pairs with frozen blocks (AlignFreeze, arXiv 2502.12959), fine-tune "
    "on one language, evaluate zero-shot in the others.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
steps.add(app)
predict.add(app)
run.add(app)
search.add(app)
steps.add_report(app)
for module in (changes, score_links, advise, recipes, fetch, demo, publish, env):
    module.add(app)
for entry in app.registered_commands:
    entry.help = reflow(with_page(entry.name or "", entry.help or ""))


def _version(ctx: typer.Context, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:  # which is how a line is read to complete it
        typer.echo(f"alignfreeze {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Holds the options before a command."""


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a letter gets a ? for it, never an error
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    completion.mend_bash_words(os.environ)
    atexit.register(skip_last_collection)
    app()


if __name__ == "__main__":
    main()
