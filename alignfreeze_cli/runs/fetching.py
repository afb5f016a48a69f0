"""Fetching what is needed: first the sizes of all of it, then one after another; what a name means that is no recipe.

What can't be had does not keep the rest from being fetched. Files that are whole stay, so an interrupted fetch goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignfreeze_cli.aligners.settings import MUSE
from alignfreeze_cli.artifacts.hub_listing import RemoteFile, remote_files
from alignfreeze_cli.artifacts.record import RECORD_NAME
from alignfreeze_cli.errors import AlignFreezeError, SettingsError
from alignfreeze_cli.pairs.settings import OPUS_100, PAPER_LANGUAGES
from alignfreeze_cli.phrases import sized
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.needs import ArtifactNeed, CorpusNeed, DictionaryNeed, Need, TaskDataNeed
from alignfreeze_cli.runs.recipe_files import shipped
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.registry import TASKS

MUSE_NAME = "muse"
DATASETS = "datasets/"
"""Before the name of a data set of the Hub, as in its address there."""


@dataclass
class Fetch:
    """A need on its way: its files as they were before, and why it could not be had."""

    need: Need
    files: list[RemoteFile]
    error: AlignFreezeError | None = None

    @property
    def here(self) -> int:
        """Bytes that were in the cache before."""
        return sum(file.size or 0 for file in self.files if file.here)

    @property
    def wanted(self) -> int:
        """Bytes that were not."""
        return sum(file.size or 0 for file in self.files if not file.here)

    @property
    def bytes(self) -> int:
        return self.here + self.wanted

    def to_dict(self) -> dict[str, Any]:
        return {
            "title": self.need.title,
            "parts": list(self.need.parts),
            "files": len(self.files),
            "bytes": self.bytes,
            "here": self.here,
            **({"error": str(self.error)} if self.error else {}),
        }


def list_needs(needs: Sequence[Need], console: Console) -> list[Fetch]:
    """The files of all needs, with what can't be found as an error."""
    found = []
    with console.progress("asking for sizes", len(needs), "items") as progress:
        for need in needs:
            try:
                found.append(Fetch(need, need.files()))
            except AlignFreezeError as error:
                found.append(Fetch(need, [], error))
            progress.advance(note=_named(need))
    return found


def fetch_all(fetches: Sequence[Fetch], cache: Path, console: Console) -> None:
    """Fetch what was found; what goes wrong is noted. Raises AlignFreezeError if the disk lacks the room for it."""
    wanted = sum(each.wanted for each in fetches)
    free = shutil.disk_usage(_existing(cache)).free
    if wanted > free:
        raise AlignFreezeError(
            f"{sized(wanted)} are to be fetched, but {cache} has room for {sized(free)} only; free some, or set "
            "HF_HOME to a larger disk."
        )
    for number, each in enumerate(fetches, 1):
        if each.error is None:
            size = f": {sized(each.wanted)}" if each.wanted else ": here already"
            console.info(f"[{number}/{len(fetches)}] {_named(each.need)}{size}")
            try:
                each.need.fetch(console)
            except AlignFreezeError as error:
                each.error = error


def _named(need: Need) -> str:
    return " ".join([need.title, *need.parts[:1], *(["…"] if len(need.parts) > 1 else [])])


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def needs_named(name: str, source: str, languages: Sequence[str]) -> list[Need]:
    """What a name means that is no recipe: `pos`, `muse`, `opus-100`, `datasets/org/name` or a model, `org/name`.

    `languages`: of the data, by default the paper's. Raises HubError, SettingsError for what lies here.
    """
    targets = list(languages or PAPER_LANGUAGES)
    if name in TASKS:
        tested = tuple(languages) or TASKS[name].scored_languages(source)
        return [TaskDataNeed(name, "train", (source,)), TaskDataNeed(name, "test", tested)]
    if name == MUSE_NAME:
        return [DictionaryNeed(MUSE, source, target) for target in targets]
    if name == OPUS_100:
        return [CorpusNeed(name, source, target) for target in targets]
    if name.startswith(DATASETS):
        repository = name.removeprefix(DATASETS)
        if remote_files(repository, [RECORD_NAME], "dataset"):
            return [ArtifactNeed(repository, "pairs")]
        return [CorpusNeed(repository, source, target) for target in targets]
    if Path(name).expanduser().exists():
        raise SettingsError(f"{name} lies here already; there is nothing to fetch.")
    known = [*shipped(), *TASKS, MUSE_NAME, OPUS_100]
    return [ArtifactNeed(name, hint="" if "/" in name else nearest(name, known))]
