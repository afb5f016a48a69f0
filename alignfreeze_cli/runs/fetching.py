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
from alignfreeze_cli.phrases import size
from alignfreeze_cli.progress import Console
from alignfreeze_cli.runs.downloads import (
    ArtifactDownload,
    CorpusDownload,
    DictionaryDownload,
    Download,
    TaskDataDownload,
)
from alignfreeze_cli.runs.recipe_files import shipped
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.registry import TASKS

MUSE_NAME = "muse"
DATASETS = "datasets/"
"""Before the name of a data set of the Hub, as in its address there."""


@dataclass
class Fetch:
    """A download on its way: its files as they were before, and why it could not be had."""

    download: Download
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
            "title": self.download.title,
            "parts": list(self.download.parts),
            "files": len(self.files),
            "bytes": self.bytes,
            "here": self.here,
            **({"error": str(self.error)} if self.error else {}),
        }


def list_downloads(downloads: Sequence[Download], console: Console) -> list[Fetch]:
    """The files of all downloads, with what can't be found as an error."""
    found = []
    with console.progress("asking for sizes", len(downloads), "items") as progress:
        for download in downloads:
            try:
                found.append(Fetch(download, download.files()))
            except AlignFreezeError as error:
                found.append(Fetch(download, [], error))
            progress.advance(note=_named(download))
    return found


def fetch_all(fetches: Sequence[Fetch], cache: Path, console: Console) -> None:
    """Fetch what was found; what goes wrong is noted. Raises AlignFreezeError if the disk lacks the room for it."""
    wanted = sum(each.wanted for each in fetches)
    free = shutil.disk_usage(_existing(cache)).free
    if wanted > free:
        raise AlignFreezeError(
            f"{size(wanted)} are to be fetched, but {cache} has room for {size(free)} only; free some, or set "
            "HF_HOME to a larger disk."
        )
    for number, each in enumerate(fetches, 1):
        if each.error is None:
            what = size(each.wanted) if each.wanted else "here already"
            console.info(f"[{number}/{len(fetches)}] {_named(each.download)}: {what}")
            try:
                each.download.fetch(console)
            except AlignFreezeError as error:
                each.error = error


def _named(download: Download) -> str:
    return " ".join([download.title, *download.parts[:1], *(["…"] if len(download.parts) > 1 else [])])


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def downloads_named(name: str, source: str, languages: Sequence[str]) -> list[Download]:
    """What a name means that is no recipe: `pos`, `muse`, `opus-100`, `datasets/org/name` or a model, `org/name`.

    `languages`: of the data, by default the paper's. Raises HubError, SettingsError for what lies here.
    """
    targets = list(languages or PAPER_LANGUAGES)
    if name in TASKS:
        tested = tuple(languages) or TASKS[name].scored_languages(source)
        return [TaskDataDownload(name, "train", (source,)), TaskDataDownload(name, "test", tested)]
    if name == MUSE_NAME:
        return [DictionaryDownload(MUSE, source, target) for target in targets]
    if name == OPUS_100:
        return [CorpusDownload(name, source, target) for target in targets]
    if name.startswith(DATASETS):
        repository = name.removeprefix(DATASETS)
        if remote_files(repository, [RECORD_NAME], "dataset"):
            return [ArtifactDownload(repository, "pairs")]
        return [CorpusDownload(repository, source, target) for target in targets]
    if Path(name).expanduser().exists():
        raise SettingsError(f"{name} lies here already; there is nothing to fetch.")
    known = [*shipped(), *TASKS, MUSE_NAME, OPUS_100]
    return [ArtifactDownload(name, hint="" if "/" in name else nearest(name, known))]
