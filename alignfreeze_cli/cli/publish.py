"""The commands that publish: `card` writes the cards of folders, `push` sends folders to the Hub."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from alignfreeze_cli.cli.console import print_json, print_result
from alignfreeze_cli.cli.options import add_command
from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.hub.settings import CardSettings, PushSettings
from alignfreeze_cli.progress import Console

if TYPE_CHECKING:
    from alignfreeze_cli.steps.push import Push

CARD = """Write the card of a folder: README.md, and for models a picture of the frozen and trained blocks.

    alignfreeze card runs/mbert-front-s31/pos --baseline runs/mbert-baseline-s31/pos-scores

Every step writes the card of what it makes; run this to add scores, or the repository's name. An encoder's card has the
scores of what was fine-tuned from it. All facts come from the folder's record and from scores. Text that you add
outside the generated markers is kept.
"""

PUSH = """Publish folders on the Hugging Face Hub: check them, show a preview, make one commit, verify every file.

    alignfreeze push runs/mbert-front-s31 --repo-id org/mbert-front-pos --dry-run

Several runs go to one repository, the first to main, each other one to a branch named after its seed or strategy; with
--each every run gets a repository of its own. Pairs folders become data sets. Scores are pushed with their model.
"""


def add(app: typer.Typer) -> None:
    add_command(app, "card", CARD, CardSettings, _card)
    add_command(app, "push", PUSH, PushSettings, _push)


def _card(settings: CardSettings, console: Console, quiet: bool, format: str) -> None:
    from alignfreeze_cli.steps.card import write_cards

    cards = write_cards(settings)
    if format == "json":
        print_json({"cards": [str(path) for path in cards]})
    else:
        print_result("\n".join(map(str, cards)))


def _push(settings: PushSettings, console: Console, quiet: bool, format: str) -> None:
    from alignfreeze_cli.steps.push import push_folders

    def ask(question: str) -> bool:
        if settings.yes:
            return True
        if not sys.stdin.isatty():
            raise SettingsError(
                "Can't ask, this is no terminal: say --yes to push, or --dry-run to see what would be pushed."
            )
        return typer.confirm(question, err=True)

    done = push_folders(settings, console, ask)
    if format == "json":
        print_json({"pushed": [each.to_dict() for each in done]})
    elif quiet:
        print_result("\n".join(each.url or f"{each.target.repo_id}@{each.commit or 'new'}" for each in done))
    else:
        print_result("\n".join(map(_outcome, done)))


def _outcome(push: Push) -> str:
    """What became of a folder, and below it the page of its commit."""
    outcome = {
        "planned": "would be pushed (dry run)",
        "unchecked": "ready as far as can be told here (dry run, the Hub was not asked)",
        "pushed": "pushed, every file verified",
        "unchanged": "nothing changed, nothing pushed",
        "declined": "not pushed",
    }[push.status]
    if push.status == "planned" and not push.changes:
        outcome = "nothing would change (dry run)"
    at = f" at {push.commit}" if push.commit else ""
    return f"{push.target.repo_id}@{push.target.revision}: {outcome}{at}" + (f"\n{push.url}" if push.url else "")
