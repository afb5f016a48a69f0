"""`alignfreeze push`: folder(s) → a repository on the Hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.cli.options import Debug, Format, Quiet, command_errors
from alignfreeze_cli.errors import SettingsError

if TYPE_CHECKING:
    from alignfreeze_cli.steps.push import Push

HELP = """Publish folders on the Hugging Face Hub: check them, show a preview, make one commit, verify every file.

    alignfreeze push runs/mbert-front-s31 --repo-id org/mbert-front-pos --dry-run

Several runs go to one repository, the first to main, each other one to a branch named after its seed or strategy; with
--each every run gets a repository of its own. Pairs folders become data sets. Scores are pushed with their model.
"""
_WHERE, _WHAT = "Where to", "What"


def add(app: typer.Typer) -> None:
    app.command("push", help=HELP)(push)


def push(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Pairs, encoder or task-model folders, or run folders.")
    ],
    repo_id: Annotated[
        str,
        typer.Option(
            help="Repository, org/name; with --each org/{run}, {run} being each run's name.", rich_help_panel=_WHERE
        ),
    ],
    each: Annotated[bool, typer.Option("--each", help="One repository per run.", rich_help_panel=_WHERE)] = False,
    revision: Annotated[
        str, typer.Option(help="Branch to push to; made if it does not exist.", rich_help_panel=_WHERE)
    ] = "main",
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.", rich_help_panel=_WHERE)
    ] = False,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Open a pull request instead of a commit.", rich_help_panel=_WHERE)
    ] = False,
    tag: Annotated[str | None, typer.Option(help="Tag the commit with this name.", rich_help_panel=_WHERE)] = None,
    collection: Annotated[
        str | None,
        typer.Option(help="Title or slug of a collection to add the repository to.", rich_help_panel=_WHERE),
    ] = None,
    message: Annotated[str | None, typer.Option(help="Title of the commit.", rich_help_panel=_WHERE)] = None,
    part: Annotated[
        str | None,
        typer.Option(help="Which folder of each run to push: encoder, pos, …", rich_help_panel=_WHAT),
    ] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            help=r"Scores folder for the card. \[default: DIR-scores, if it holds this model's]", rich_help_panel=_WHAT
        ),
    ] = None,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(help="Scores folder of the baseline to compare with on the card.", rich_help_panel=_WHAT),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(help="Seconds without an answer after which a request is tried again.", rich_help_panel=_WHERE),
    ] = 60.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Push without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run the checks and show the preview; send nothing.")
    ] = False,
    quiet: Quiet = False,
    format: Format = "text",
    debug: Debug = False,
) -> None:
    def ask(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise SettingsError(
                "Can't ask, this is no terminal: say --yes to push, or --dry-run to see what would be pushed."
            )
        return typer.confirm(question, err=True)

    with command_errors(quiet, format, debug) as console:
        from alignfreeze_cli.hub.settings import PushSettings
        from alignfreeze_cli.steps.push import push_folders

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
            print_json({"pushed": [each.to_dict() for each in done]})
        elif quiet:
            print_result("\n".join(each.url or f"{each.target.repo_id}@{each.commit or 'new'}" for each in done))
        else:
            print_result("\n".join(map(_line, done)))


def _line(push: Push) -> str:
    """What became of a folder, and below it the page of its commit."""
    outcome = {
        "planned": "would be pushed (dry run)",
        "pushed": "pushed, every file verified",
        "unchanged": "nothing changed, nothing pushed",
        "declined": "not pushed",
    }[push.status]
    if push.status == "planned" and not push.changes:
        outcome = "nothing would change (dry run)"
    at = f" at {push.commit}" if push.commit else ""
    return f"{push.target.repo_id}@{push.target.revision}: {outcome}{at}" + (f"\n{push.url}" if push.url else "")
