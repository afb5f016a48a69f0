"""Settings of `push` and `card`, checked before anything is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.hub.lint import LICENCES
from alignfreeze_cli.settings import Settings, nearest, setting

RUN = "{run}"
_WHERE, _WHAT = "Where to", "What"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*")


def _repository_complaint(repo_id: str) -> str | None:
    name = repo_id.replace(RUN, "run")
    fits = _REPOSITORY.fullmatch(name) and ".." not in name and "--" not in name
    return None if fits and not name.endswith((".git", ".", "-")) else f"must look like org/name, not {repo_id!r}"


def _base_complaint(repo_id: str) -> str | None:
    return None if _REPOSITORY.fullmatch(repo_id) else f"must look like org/name, not {repo_id!r}"


def _revision_complaint(name: str) -> str | None:
    fits = _REVISION.fullmatch(name) and ".." not in name
    return None if fits else f"must be the name of a branch or tag, not {name!r}"


def _licence_complaint(name: str) -> str | None:
    if name in LICENCES:
        return None
    alike = nearest(name.lower(), LICENCES)
    return f"must be a licence as the Hub calls it, such as mit or apache-2.0, not {name!r}{alike}"


@dataclass(frozen=True, kw_only=True)
class CardSettings(Settings):
    """Folders, and the scores on their cards."""

    folders: tuple[Path, ...] = setting(
        (), argument=True, metavar="DIR", help="Pairs, encoder or task-model folders (push: run folders, too)."
    )
    scores: tuple[Path, ...] = setting(
        (),
        panel=_WHAT,
        help="Scores folder for the card, or a pattern such as 'runs/front-s*/pos-scores'; give it again for other "
        "seeds, and for other tasks of an encoder. [default: those that lie beside DIR, of this very model or of those "
        "fine-tuned from this very encoder]",
    )
    baseline: tuple[Path, ...] = setting(
        (),
        panel=_WHAT,
        help="Scores folder of the baseline to compare with on the card, or a pattern; give it again for other seeds.",
    )
    license: str | None = setting(
        None,
        panel=_WHAT,
        check=_licence_complaint,
        help="Licence of the model or the pairs, as the Hub calls it. [default: that of the encoder it was made from, "
        "where it is known]",
    )
    base_model: str | None = setting(
        None,
        panel=_WHAT,
        check=_base_complaint,
        help="What the encoder it was made from is on the Hub, org/name, if that was a folder. [default: as recorded]",
    )
    repo_id: str | None = setting(
        None, panel=_WHERE, help="Name on the Hub, org/name, for the example code on the card."
    )

    def conflicts(self) -> list[str]:
        return [] if self.folders else ["DIR: name at least one folder"]


@dataclass(frozen=True, kw_only=True)
class PushSettings(CardSettings):
    """Folders and where they go.

    With `each` every folder gets a repository, named by `repo_id` with its name for `{run}`; otherwise the first folder
    goes to `revision` and every other one to a branch named after its seed or strategy.
    """

    repo_id: str = setting(
        panel=_WHERE,
        check=_repository_complaint,
        help=f"Repository, org/name; with --each org/{RUN}, {RUN} being each run's name.",
    )
    each: bool = setting(False, panel=_WHERE, help="One repository per run.")
    revision: str = setting(
        "main", panel=_WHERE, check=_revision_complaint, help="Branch to push to; made if it does not exist."
    )
    private: bool = setting(False, panel=_WHERE, help="Make a new repository private.")
    create_pr: bool = setting(False, panel=_WHERE, help="Open a pull request instead of a commit.")
    tag: str | None = setting(None, panel=_WHERE, check=_revision_complaint, help="Tag the commit with this name.")
    collection: str | None = setting(None, panel=_WHERE, help="Title or slug of a collection to add the repository to.")
    message: str | None = setting(None, panel=_WHERE, help="Title of the commit.")
    timeout: float = setting(
        60.0, panel=_WHERE, minimum=0.0, above=True, help="Seconds without an answer after which a request has failed."
    )
    part: str | None = setting(None, panel=_WHAT, help="Which folder of each run to push: encoder, pos, …")
    yes: bool = setting(False, short="-y", help="Push without asking.")
    dry_run: bool = setting(False, help="Run the checks and show the preview; send nothing.")

    def conflicts(self) -> list[str]:
        complaints = super().conflicts()
        if self.each != (RUN in self.repo_id):
            complaints.append(f"--each and a --repo-id that holds {RUN}, such as org/{RUN}, go together")
        if len(self.folders) > 1:
            if self.create_pr:
                complaints.append("--create-pr takes one folder")
            if self.scores or self.baseline:
                complaints.append(
                    "--scores and --baseline go with one folder; scores of several are found where they lie beside it"
                )
        if self.create_pr and self.tag:
            complaints.append("--tag can't be given with --create-pr: a proposed commit is not in the repository yet")
        return complaints


def stated(settings: CardSettings) -> dict[str, str]:
    """The metadata of a card that its publisher states, by key."""
    given = {"license": settings.license, "base_model": settings.base_model}
    return {key: value for key, value in given.items() if value is not None}
