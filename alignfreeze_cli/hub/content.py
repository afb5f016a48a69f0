"""What is pushed: the files of each folder that may go to the Hub, and how they compare with those already there."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from alignfreeze_cli.artifacts import RECORD_NAME, Record, read_record, verify
from alignfreeze_cli.artifacts.files import file_digest, folder_files
from alignfreeze_cli.artifacts.record import ADAPTER
from alignfreeze_cli.artifacts.run_folder import RUN_NAME
from alignfreeze_cli.errors import ArtifactError, DataError, SettingsError, SeveralScoresError
from alignfreeze_cli.hub.cards import (
    CARD,
    KINDS_WITH_CARDS,
    PICTURES,
    check_stated,
    make_card,
    name_repository,
    sections,
    with_metadata,
)
from alignfreeze_cli.hub.changes import HEAT_MAP
from alignfreeze_cli.hub.results import pushed_scores
from alignfreeze_cli.hub.scores import SCORES
from alignfreeze_cli.hub.settings import RUN, PushSettings, stated

_MODEL = (
    *("config.json", "generation_config.json", "*.safetensors", "model.safetensors.index.json", "tokenizer.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"),
    *(
        "*.model",
        "metrics.jsonl",
        RECORD_NAME,
        CARD,
        "LICENSE",
        *PICTURES,
        HEAT_MAP,
        f"scores/{SCORES}",
        f"scores/{RECORD_NAME}",
    ),
)
_ADAPTER = (f"{ADAPTER}/adapter_config.json", f"{ADAPTER}/adapter_model.safetensors")
# Encoders after fewer steps, inside the one of the last step.
_INSIDE = tuple(f"steps-*/{name}" for name in (*(each for each in _MODEL if "/" not in each), *_ADAPTER))
ALLOWED = {
    "encoder": (*_MODEL, *_ADAPTER, *_INSIDE, f"scores/*/{SCORES}", f"scores/*/{RECORD_NAME}"),
    "task-model": (*_MODEL, *_ADAPTER),
    "pairs": ("data/*.parquet", "statistics.json", RECORD_NAME, CARD, "LICENSE"),
}
"""Files that may go to the Hub, by kind of folder; a pattern does not reach into folders below."""

FileState = Literal["new", "changed", "same", "gone", "unchecked"]
"""`unchecked`: not compared, as the Hub was not asked."""


@dataclass(frozen=True)
class Content:
    """One file to push. `git_oid` is git's id of it: how the Hub names the files that it keeps in git itself."""

    name: str
    source: Path | bytes
    size: int
    sha256: str
    git_oid: str

    @classmethod
    def of(cls, name: str, source: Path | bytes) -> Content:
        if isinstance(source, bytes):
            size, sha256 = len(source), hashlib.sha256(source).hexdigest()
        else:
            size, sha256 = source.stat().st_size, file_digest(source)
        return cls(name, source, size, sha256, _git_oid(source, size))


def _git_oid(source: Path | bytes, size: int) -> str:
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    if isinstance(source, bytes):
        digest.update(source)
        return digest.hexdigest()
    with source.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True)
class Target:
    """One folder and where it goes. `card` holds the files of its card if they are new or changed.

    `undecided` says, of a model without scores here, that there are several and none is chosen; otherwise it is empty.
    """

    folder: Path
    record: Record
    repo_id: str
    revision: str
    contents: Mapping[str, Content]
    card: Mapping[str, bytes]
    left_out: Sequence[str]
    undecided: str

    @property
    def repo_type(self) -> Literal["model", "dataset"]:
        return "dataset" if self.record.kind == "pairs" else "model"

    def sources(self) -> dict[str, Path | bytes]:
        return {name: content.source for name, content in self.contents.items()}


def targets(settings: PushSettings, warn: Callable[[str], object]) -> list[Target]:
    """The folders to push, each checked against the digests in its record, with their cards; `warn` is told of scores
    that are left out.

    Raises SettingsError, ArtifactError (a folder that is damaged, or of a kind that is not pushed).
    """
    folders = [_artifact_folder(folder, settings.part) for folder in settings.folders]
    names = _names(folders)
    found = []
    for number, (folder, name) in enumerate(zip(folders, names, strict=True)):
        repo_id = settings.repo_id.replace(RUN, name)
        revision = settings.revision if settings.each or not number else _branch(names, number)
        found.append(_target(folder, repo_id, revision, settings, warn))
    places = [(target.repo_id, target.revision) for target in found]
    if len(set(places)) < len(places):
        raise SettingsError("Several folders would go to the same place; give each run once, and one --part of it.")
    if len({target.repo_type for target in found}) > 1 and not settings.each:
        raise SettingsError("Pairs are pushed as a data set and models as models; push them one after the other.")
    return found


def _artifact_folder(folder: Path, part: str | None) -> Path:
    """The folder itself or, of a run folder, the part to push."""
    if not folder.is_dir():
        raise ArtifactError("no such folder", folder)
    if not (folder / RUN_NAME).is_file():
        return folder
    parts = [each.name for each in sorted(folder.iterdir()) if _kind(each) in ("encoder", "task-model")]
    tasks = [name for name in parts if _kind(folder / name) == "task-model"]
    if part is None and len(tasks) == 1:
        return folder / tasks[0]
    if part not in parts:
        given = f"has no {part}; " if part else "holds several models; "
        raise SettingsError(f"{folder} {given}say which with --part ({', '.join(parts) or 'it has none'}).")
    return folder / part


def _kind(folder: Path) -> str | None:
    record = read_record(folder) if folder.is_dir() and not folder.is_symlink() else None
    return record.kind if record else None


def _names(folders: Sequence[Path]) -> list[str]:
    """A name for each folder: that of the run it is part of, otherwise its own."""
    return [(each.parent if (each.parent / RUN_NAME).is_file() else each).resolve().name for each in folders]


def _branch(names: Sequence[str], number: int) -> str:
    """The name without the beginning that all share: `mbert-front-s31`, `mbert-front-s42` → `s42`."""
    parts = [name.split("-") for name in names]
    common = 0
    while all(len(each) > common + 1 and each[common] == parts[0][common] for each in parts):
        common += 1
    return "-".join(parts[number][common:])


def _target(folder: Path, repo_id: str, revision: str, settings: PushSettings, warn: Callable[[str], object]) -> Target:
    record = read_record(folder)
    if record is None or record.kind not in KINDS_WITH_CARDS:
        held = f"holds {record.kind}" if record else f"has no {RECORD_NAME}"
        hint = "; scores travel with their model, push that one" if record and record.kind == "scores" else ""
        raise ArtifactError(f"{held}, so it can't be pushed{hint}", folder)
    verify(folder, record)
    check_stated(stated(settings), record, folder)
    scores, undecided = {}, ""
    try:
        scores = pushed_scores(folder, record, settings.scores)
    except SeveralScoresError as error:
        if settings.baseline:  # there would be nothing to compare with it
            raise
        undecided = f"{error}{'; push it by itself to do so' if len(settings.folders) > 1 else ''}"
        on_card = "keeps what it says of scores" if (folder / CARD).is_file() else "says nothing of scores"
        warn(f"{undecided}. No scores are pushed with it, and its card {on_card}.")
    card = _card(folder, repo_id, settings, scores, look_beside=not undecided)
    sources: dict[str, Path | bytes] = {}
    left_out = []
    for path in folder_files(folder):
        name = path.as_posix()
        if is_allowed(name, record.kind):
            sources[name] = folder / path
        else:
            left_out.append(name)
    sources |= card
    for place, scored in scores.items():
        sources |= {f"{place}/{name}": scored / name for name in (SCORES, RECORD_NAME)}
    contents = {name: Content.of(name, source) for name, source in sorted(sources.items())}
    return Target(folder, record, repo_id, revision, contents, card, tuple(left_out), undecided)


def is_allowed(name: str, kind: str) -> bool:
    """Whether a file may go to the Hub."""
    return any(
        fnmatch.fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for pattern in ALLOWED[kind]
    )


def _card(
    folder: Path, repo_id: str, settings: PushSettings, scores: Mapping[str, Path], look_beside: bool
) -> dict[str, bytes]:
    """What changes in a folder's card: all of it if there is none yet, if one of ours lacks the scores that are pushed,
    or if scores, licence or base are given; else only the name of the repository in its lines of code.
    """
    path = folder / CARD
    given = stated(settings)
    if not path.is_file() or settings.scores or settings.baseline:
        return make_card(folder, settings.scores, settings.baseline, repo_id, look_beside, given)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"is no text in UTF-8 ({error.reason}); mend it, or remove it and run `card`", path) from error
    generated = sections(text)  # none in a card that is all a person's
    if scores and generated and "scores" not in generated:
        return make_card(folder, tuple(scores.values()), repo_id=repo_id, stated=given)
    named = name_repository(with_metadata(text, given, path) if given else text, repo_id)
    return {CARD: named.encode()} if named != text else {}


def file_states(target: Target, remote: Mapping[str, str]) -> dict[str, FileState]:
    """Per file what the push would do; `remote` maps a name to its SHA-256 or, for files in git, git's id.

    `gone` are files of the kinds we push that the folder no longer has. Any other file in the repository is left alone.
    Raises SettingsError if there are scores, and none of the several here is chosen: they would go or, if they stayed,
    might contradict card and model.
    """
    if target.undecided and any(name.startswith("scores/") for name in remote):
        raise SettingsError(f"{target.repo_id} has scores already, and {target.undecided}.")
    states: dict[str, FileState] = {}
    for name, content in target.contents.items():
        there = remote.get(name)
        states[name] = "new" if there is None else "same" if there in (content.sha256, content.git_oid) else "changed"
    for name in remote:
        if name not in target.contents and name != "LICENSE" and is_allowed(name, target.record.kind):
            states[name] = "gone"
    return states


def file_rows(states: Mapping[str, FileState], target: Target) -> list[dict[str, Any]]:
    """The comparison as rows: name, state, size in bytes, SHA-256; of what is gone only name and state."""
    rows = []
    for name, state in states.items():
        content = target.contents.get(name)
        known = {"size": content.size, "sha256": content.sha256} if content else {}
        rows.append({"file": name, "state": state} | known)
    return rows
