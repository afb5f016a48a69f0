"""`alignfreeze push`: folder(s) → a repository on the Hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.cli.options import Debug, Format, Quiet, guarded
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.progress import Console

HELP = """Publish folders on the Hub: preview, checks, one commit, every digest verified.

    alignfreeze push runs/mbert-front-s31 --repo-id org/mbert-front-pos --dry-run

Several runs go to one repository, the first to main and the others to branches named after their seeds or strategies;
with --each every run gets a repository of its own. Pairs folders become data sets. Scores travel with their model.
"""
_WHERE, _WHAT = "Where to", "What"


def add(app: typer.Typer) -> None:
    app.command("push", help=HELP)(push)


def push(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders that steps made, or run folders.")],
    repo_id: Annotated[
        str,
        typer.Option(help="Repository: org/name; with --each org/{run}, filled with each run.", rich_help_panel=_WHERE),
    ],
    each: Annotated[bool, typer.Option("--each", help="One repository per run.", rich_help_panel=_WHERE)] = False,
    revision: Annotated[str, typer.Option(help="Branch, made if need be.", rich_help_panel=_WHERE)] = "main",
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.", rich_help_panel=_WHERE)
    ] = False,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Open a pull request instead.", rich_help_panel=_WHERE)
    ] = False,
    tag: Annotated[str | None, typer.Option(help="Tag the commit.", rich_help_panel=_WHERE)] = None,
    collection: Annotated[
        str | None, typer.Option(help="Title or slug of a collection to put it into.", rich_help_panel=_WHERE)
    ] = None,
    message: Annotated[str | None, typer.Option(help="Title of the commit.", rich_help_panel=_WHERE)] = None,
    part: Annotated[
        str | None,
        typer.Option(help="Folder to push out of run folders: encoder, pos, …", rich_help_panel=_WHAT),
    ] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(help="Scores for the card. [default: DIR-scores, if it fits]", rich_help_panel=_WHAT),
    ] = None,
    baseline: Annotated[
        list[Path] | None, typer.Option(help="Scores to compare with on the card.", rich_help_panel=_WHAT)
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds without a byte after which a request has failed.", rich_help_panel=_WHERE)
    ] = 60.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and compare, send nothing.")] = False,
    quiet: Quiet = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    def ask(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise SettingsError("There is nobody to ask: say --yes to push, or --dry-run to see what would be pushed.")
        return typer.confirm(question, err=True)

    def work(console: Console) -> None:
        from alignfreeze_cli.hub.settings import PushSettings
        from alignfreeze_cli.steps.push import push as push_folders
        from alignfreeze_cli.steps.push import summary

        settings = PushSettings(
            folders=tuple(folders),
            repo_id=repo_id,
            each=each,
            part=part,
            scores=tuple(scores or ()),
            baseline=tuple(baseline or ()),
            revision=revision,
            private=private,
            create_pr=create_pr,
            tag=tag,
            collection=collection,
            message=message,
            dry_run=dry_run,
            timeout=timeout,
        )
        done = push_folders(settings, console, ask)
        if format == "json":
            print_json({"pushed": [each.as_json() for each in done]})
        elif quiet:
            print_result("\n".join(each.url or f"{each.target.repo_id}@{each.commit or 'new'}" for each in done))
        else:
            print_result(summary(done))

    guarded(work, quiet, format, debug)
