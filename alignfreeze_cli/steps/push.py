"""`push`: folders → repositories on the Hub. In the order of the work:

targets (content.py) → lint (lint.py) → what is there (remote.py) → preview, question → one commit → digests checked →
tag, collection → local log. Nothing is sent before the checks have passed, and nothing at all if nothing changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from alignfreeze_cli import __version__
from alignfreeze_cli.artifacts.hub_client import limit_waiting
from alignfreeze_cli.artifacts.record import portable
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.hub import wording
from alignfreeze_cli.hub.cards import save_card
from alignfreeze_cli.hub.content import State, Target, compare, described, targets
from alignfreeze_cli.hub.lint import lint
from alignfreeze_cli.hub.remote import Remote, There
from alignfreeze_cli.hub.settings import PushSettings
from alignfreeze_cli.progress import Console

Ask = Callable[[str], bool]


@dataclass
class Pushed:
    """What became of one folder. `commit` is the revision's commit now, None for a plan without one."""

    target: Target
    status: Literal["planned", "pushed", "unchanged", "declined"]
    states: dict[str, State] = field(default_factory=dict)
    commit: str | None = None
    url: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.target.folder),
            "repository": self.target.repo_id,
            "type": self.target.repo_type,
            "revision": self.target.revision,
            "status": self.status,
            "commit": self.commit,
            "url": self.url,
            "files": described(self.states, self.target),
            "left-out": list(self.target.left_out),
        }


def push(settings: PushSettings, console: Console, ask: Ask) -> list[Pushed]:
    """Push folders; `ask` is shown a question before the first byte is sent and says whether to go on.

    Raises SettingsError, ArtifactError (a damaged folder), DataError (what lint finds), HubError.
    """
    from huggingface_hub import get_token

    token = get_token()
    found = targets(settings)
    findings = [
        f"  {target.folder}: {each}" for target in found for each in lint(target.folder, target.sources(), token)
    ]
    if findings:
        count = "one thing stands" if len(findings) == 1 else f"{len(findings)} things stand"
        raise DataError(f"Nothing was pushed: {count} in the way.\n" + "\n".join(findings))
    if token is None and not settings.dry_run:
        raise HubError("There is no token for the Hub: log in with `hf auth login`, or set HF_TOKEN.")
    limit_waiting(settings.timeout)
    plans: list[tuple[Target, Remote, There, dict[str, State]]] = []
    for target in found:
        remote = Remote(target, console.warn)
        there = remote.look()
        states = compare(target, there.files)
        if settings.tag and there.head and (not plans or settings.each):
            _demand_free_tag(settings.tag, remote, there, states)
        plans.append((target, remote, there, states))
        console.info(preview(target, there, states, settings))
        if settings.private and there.private is False:
            console.warn(f"{target.repo_id} is public and stays so; change that in its settings on the Hub.")
    if settings.dry_run:
        return [Pushed(target, "planned", states, there.head) for target, _, there, states in plans]
    waiting = [plan for plan in plans if _has_work(plan[3], plan[2])]
    if waiting and not ask(f"Push to {', '.join(dict.fromkeys(plan[0].repo_id for plan in waiting))}?"):
        return [Pushed(target, "declined", states, there.head) for target, _, there, states in plans]
    return [_push(number == 0 or settings.each, *plan, settings) for number, plan in enumerate(plans)]


def _demand_free_tag(tag: str, remote: Remote, there: There, states: dict[str, State]) -> None:
    """A tag that is there must name what would be tagged: tags are not moved."""
    at = remote.tagged(tag)
    if at is not None and (_has_work(states, there) or at != there.head):
        raise HubError(f"{remote.target.repo_id} has a tag {tag} already, at {at[:12]}; choose another --tag.")


def _has_work(states: dict[str, State], there: There) -> bool:
    return any(state != "same" for state in states.values()) or there.head is None or not there.branch


def _push(
    first: bool, target: Target, remote: Remote, there: There, states: dict[str, State], settings: PushSettings
) -> Pushed:
    """One folder to its place. Only the first of a repository's folders gets the tag and a place in the collection."""
    pushed = Pushed(target, "unchanged", states, there.head)
    if _has_work(states, there):
        if there.head is None:
            remote.create(settings.private)
            there = remote.look()
        elif not first:
            there = remote.look()  # an earlier folder may have made the repository, or moved main
        states = pushed.states = compare(target, there.files)
        if not there.branch:
            remote.create_branch()
        if any(state != "same" for state in states.values()):
            title, description = message(target, states, settings.message)
            info = remote.commit(states, there, title, description, settings.create_pr)
            pushed.commit, pushed.url = info.oid, info.pr_url or info.commit_url
            remote.check(f"refs/pr/{_number(info.pr_url)}" if settings.create_pr else info.oid, states)
        else:
            pushed.commit = there.head
        pushed.status = "pushed"
    save_card(target.folder, target.card)
    if first and settings.tag and pushed.commit:
        remote.tag(settings.tag, pushed.commit)
    if first and settings.collection:
        remote.collect(settings.collection)
    if pushed.status == "pushed":
        _log(pushed)
    return pushed


def _number(address: str | None) -> str:
    return (address or "").rstrip("/").rpartition("/")[2]


def message(target: Target, states: dict[str, State], given: str | None) -> tuple[str, str]:
    """Title and text of the commit."""
    by_state: dict[State, list[str]] = {}
    for name, state in states.items():
        by_state.setdefault(state, []).append(name)
    whole = not by_state.get("same") and not by_state.get("changed")
    touched = [name for state in ("changed", "new", "gone") for name in by_state.get(state, [])]
    more = f" and {len(touched) - 1} more" if len(touched) > 1 else ""
    title = given or (wording.title(target.record) if whole else f"Update {touched[0]}{more}")
    lines = [f"- {state}: {', '.join(names)}" for state, names in by_state.items() if state != "same"]
    made = f"Pushed by alignfreeze {__version__} from {portable(str(target.folder.resolve()))}"
    return title, "\n".join([*lines, "", made, f"Digest of the folder: {target.record.digest}"])


def preview(target: Target, there: There, states: dict[str, State], settings: PushSettings) -> str:
    """What the push would do, as text."""
    visible = "new, " + ("private" if settings.private else "public") if there.head is None else "exists"
    where = f"{target.repo_type}, {visible}"
    head = f" on {there.head[:12]}" if there.head else ""
    how = "a pull request to" if settings.create_pr else "branch" if there.branch else "new branch"
    lines = [f"{target.folder} → {target.repo_id} ({where}), {how} {target.revision}{head}"]
    for row in described(states, target):
        if row["state"] == "gone":
            lines.append(f"  gone     {row['file']}")
        elif row["state"] != "same":
            lines.append(f"  {row['state']:8} {row['file']:32} {_size(row['size']):>9}  sha256 {row['sha256'][:12]}")
    same = sum(state == "same" for state in states.values())
    lines += [f"  same     {same} file{'' if same == 1 else 's'}"] if same else []
    lines += [f"  stays    {name} (not among the files that are pushed)" for name in target.left_out]
    return "\n".join(lines)


def _size(size: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def log_file() -> Path:
    """The local log of pushes: one JSON object per line."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "alignfreeze" / "pushes.jsonl"


def _log(pushed: Pushed) -> None:
    path = log_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **pushed.as_json()}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def summary(pushed: Sequence[Pushed]) -> str:
    """What became of the folders, a line each, for stdout."""
    said = {
        "planned": "would be pushed (dry run)",
        "pushed": "pushed, every digest checked",
        "unchanged": "nothing changed, nothing pushed",
        "declined": "not pushed",
    }
    lines = []
    for each in pushed:
        status = said[each.status]
        if each.status == "planned" and each.commit and all(state == "same" for state in each.states.values()):
            status = "nothing would change (dry run)"
        at = f" at {each.commit}" if each.commit else ""
        lines.append(
            f"{each.target.repo_id}@{each.target.revision}: {status}{at}" + (f"\n{each.url}" if each.url else "")
        )
    return "\n".join(lines)
