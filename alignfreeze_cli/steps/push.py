"""`push`: folders → repositories on the Hub, from top to bottom.

Nothing is sent before the checks have passed and the question is answered, and nothing at all if nothing changed. What
can be checked here comes before the first request.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from alignfreeze_cli import __version__
from alignfreeze_cli.artifacts.hub_client import limit_silence, status_of
from alignfreeze_cli.artifacts.record import portable
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.hub.cards import CARD, save_card, title_of
from alignfreeze_cli.hub.content import FileState, Target, file_rows, file_states, targets
from alignfreeze_cli.hub.lint import lint, states_licence
from alignfreeze_cli.hub.remote import Remote, Snapshot
from alignfreeze_cli.hub.settings import PushSettings
from alignfreeze_cli.phrases import counted, listed, size
from alignfreeze_cli.progress import Console

Ask = Callable[[str], bool]


@dataclass
class Push:
    """The push of one folder: what it changes on the Hub, and what became of it.

    Of the folders of one repository only the `first` gets the tag and a place in the collection. `commit` is the
    revision's commit now, None if it has none yet. Status `unchecked`: a dry run that did not ask the Hub.
    """

    target: Target
    remote: Remote
    before: Snapshot
    states: dict[str, FileState]
    first: bool
    status: Literal["planned", "unchecked", "pushed", "unchanged", "declined"] = "planned"
    commit: str | None = None
    url: str | None = None

    @property
    def changed_files(self) -> list[str]:
        return [name for name, state in self.states.items() if state != "same"]

    @property
    def changes(self) -> bool:
        """Whether the Hub does not hold all of it yet."""
        return bool(self.changed_files) or self.before.head is None or not self.before.branch

    def to_dict(self) -> dict[str, Any]:
        return {
            "folder": str(self.target.folder),
            "repository": self.target.repo_id,
            "type": self.target.repo_type,
            "revision": self.target.revision,
            "status": self.status,
            "commit": self.commit,
            "url": self.url,
            "files": file_rows(self.states, self.target),
            "left-out": list(self.target.left_out),
        }


def push_folders(settings: PushSettings, console: Console, ask: Ask) -> list[Push]:
    """Push folders; `ask` gets a question before the first byte is sent and says whether to go on.

    All that can be checked here is checked before the Hub is asked for anything; offline, a dry run ends there. Raises
    SettingsError, ArtifactError (a damaged folder), DataError (what the checks find), HubError.
    """
    from huggingface_hub import constants, get_token

    # Which files of each folder go where, checked against the folder's record, with its card.
    found = targets(settings, console.warn)

    token = get_token()
    findings = [
        f"  {target.folder}: {each}" for target in found for each in lint(target.folder, target.sources(), token)
    ]
    if findings:
        raise DataError(f"Nothing was pushed: {counted(len(findings), 'problem')} found.\n" + "\n".join(findings))
    for target in found:
        if target.repo_type == "model" and not states_licence(target.sources()[CARD]):
            console.warn(
                f"{target.folder}: the card names no licence, since that of the encoder it was made from is not known; "
                "without one nobody may use it. Give it with --license."
            )

    if token is None:
        advice = "There is no token for the Hub: log in with `hf auth login`, or set HF_TOKEN."
        if not settings.dry_run:
            raise HubError(advice)
        console.warn(advice)

    if settings.dry_run and constants.is_offline_mode():
        shown = [_without_the_hub(target, settings, console) for target in found]
        console.warn(f"Offline mode is on (HF_HUB_OFFLINE), so the Hub was not asked {_asked(found, settings)}.")
        return shown

    limit_silence(settings.timeout)
    pushes: list[Push] = []
    for target in found:
        remote = Remote(target, console.warn)
        try:
            before = remote.read()
        except HubError as error:
            if not settings.dry_run:
                raise
            for each in found:
                _without_the_hub(each, settings, console)
            if status_of(error.__cause__ or error) in (401, 403):  # an answer, and the error says which
                raise
            raise HubError(f"{error} The Hub could not be asked {_asked(found, settings)}.") from error
        states = file_states(target, before.files)
        push = Push(target, remote, before, states, first=settings.each or not pushes, commit=before.head)
        if settings.tag and push.first:
            _check_tag(push, settings.tag)
        console.info(preview(push, settings))
        if settings.private and before.private is False:
            console.warn(f"{target.repo_id} is public and stays so; change that in its settings on the Hub.")
        pushes.append(push)

    if settings.dry_run:
        return pushes
    repositories = dict.fromkeys(push.target.repo_id for push in pushes if push.changes)
    if repositories and not ask(f"Push to {', '.join(repositories)}?"):
        for push in pushes:
            push.status = "declined"
        return pushes

    for push in pushes:
        push.status = "unchanged"
        if push.changes:
            _send(push, settings)
            push.status = "pushed"
        save_card(push.target.folder, push.target.card)
        if push.first and settings.tag and push.commit:
            push.remote.tag(settings.tag, push.commit)
        if push.first and settings.collection:
            push.remote.collect(settings.collection)
        if push.status == "pushed":
            _log(push)
    return pushes


def _without_the_hub(target: Target, settings: PushSettings, console: Console) -> Push:
    """Preview of a push that has passed the checks here, and nothing more is known of it."""
    states: dict[str, FileState] = dict.fromkeys(target.contents, "unchecked")
    push = Push(target, Remote(target, console.warn), Snapshot(), states, first=True, status="unchecked")
    console.info(preview(push, settings))
    return push


def _asked(found: Sequence[Target], settings: PushSettings) -> str:
    """What only the Hub can tell of these pushes, as questions."""
    repositories = dict.fromkeys(target.repo_id for target in found)
    questions = [f"whether {listed(repositories)} may be written to", "which files differ from those there"]
    questions += [f"whether the tag {settings.tag} is free"] if settings.tag else []
    questions += [f"whether there is a collection {settings.collection}"] if settings.collection else []
    return listed(questions)


def _check_tag(push: Push, tag: str) -> None:
    """Tags are not moved: HubError if the tag exists and names anything but what would be tagged."""
    if push.before.head is None:
        return
    at = push.remote.tagged(tag)
    if at is not None and (push.changes or at != push.before.head):
        raise HubError(f"{push.target.repo_id} has a tag {tag} already, at {at[:12]}; choose another --tag.")


def _send(push: Push, settings: PushSettings) -> None:
    """Make repository and branch if need be, then one commit, and check every digest of it."""
    remote = push.remote
    if push.before.head is None:
        remote.create(settings.private)
    if push.before.head is None or not push.first:  # an earlier folder may have made the repository, or moved main
        push.before = remote.read()
        push.states = file_states(push.target, push.before.files)
    if not push.before.branch:
        remote.create_branch()
    push.commit = push.before.head
    if push.changed_files:
        title, description = commit_message(push, settings.message)
        commit = remote.commit(push.states, push.before, title, description, settings.create_pr)
        push.commit, push.url = commit.oid, commit.url
        remote.check(commit, push.states)


def commit_message(push: Push, given: str | None) -> tuple[str, str]:
    """Title and text of the commit."""
    by_state: dict[FileState, list[str]] = {}
    for name, state in push.states.items():
        by_state.setdefault(state, []).append(name)
    whole = not by_state.get("same") and not by_state.get("changed")
    touched = [name for state in ("changed", "new", "gone") for name in by_state.get(state, [])]
    more = f" and {len(touched) - 1} more" if len(touched) > 1 else ""
    title = given or (title_of(push.target.record) if whole else f"Update {touched[0]}{more}")
    lines = [f"- {state}: {', '.join(names)}" for state, names in by_state.items() if state != "same"]
    made = f"Pushed by alignfreeze {__version__} from {portable(str(push.target.folder.resolve()))}"
    return title, "\n".join([*lines, "", made, f"Digest of the folder: {push.target.record.digest}"])


def preview(push: Push, settings: PushSettings) -> str:
    """What the push would do, as text."""
    target, before = push.target, push.before
    visibility = "private" if settings.private else "public"
    known = "not looked up" if push.status == "unchecked" else f"new, {visibility}" if before.head is None else "exists"
    where = f"{target.repo_type}, {known}"
    how = "a pull request to" if settings.create_pr else "branch" if before.branch else "new branch"
    at = f" at {before.head[:12]}" if before.head else ""
    lines = [f"{target.folder} → {target.repo_id} ({where}), {how} {target.revision}{at}"]
    for row in file_rows(push.states, target):
        if row["state"] == "gone":
            lines.append(f"  gone     {row['file']}")
        elif row["state"] != "same":
            lines.append(f"  {row['state']:8} {row['file']:32} {size(row['size']):>9}  sha256 {row['sha256'][:12]}")
    if same := len(push.states) - len(push.changed_files):
        lines.append(f"  same     {counted(same, 'file')}")
    lines += [f"  left out {name} (not among the files that are pushed)" for name in target.left_out]
    return "\n".join(lines)


def log_file() -> Path:
    """The local log of pushes: one JSON object per line."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "alignfreeze" / "pushes.jsonl"


def _log(push: Push) -> None:
    path = log_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **push.to_dict()}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
