"""Treebanks out of a release of Universal Dependencies: unpacked into the cache, and found there.

    <cache>/treebanks/ud-treebanks-v2.7/UD_German-GSD/de_gsd-ud-test.conllu
                      unpacked.json    the release in use, and the files of every treebank and split

A release is one archive of all treebanks (https://universaldependencies.org). Only the wanted ones are unpacked, and
of their files only those named as treebanks are: what else an archive may hold, links and paths that lead out of it
among them, is passed over.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.files import atomic_file, cache_folder, read_json, write_json
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.progress import Console

_MEMBER = re.compile(r"(?:.*/)?(?P<folder>UD_[A-Za-z_]+-[A-Za-z0-9]+)/(?P<file>(?P<name>[a-z]+_[a-z0-9]+)-ud-"
                     r"(?P<split>train|dev|test)(?:-[a-z0-9]+)*\.conllu)")  # fmt: skip
_RELEASE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*?)(?:\.tar)?(?:\.(?:tgz|gz|bz2|xz|tar))?")
_LARGEST = 1 << 30  # bytes, beyond any file of a treebank


@dataclass(frozen=True)
class Wanted:
    """The treebank of a language: of its `names` the first that a release has is taken.

    A name may be a pattern, `wo_*`, which one treebank only may fit.
    """

    language: str
    split: str  # `train` or `test`
    names: tuple[str, ...]

    @property
    def usual(self) -> str:
        return f"{self.names[0]}-ud-{self.split}"

    def fits(self, member: re.Match[str]) -> bool:
        return member["split"] == self.split and any(fnmatchcase(member["name"], name) for name in self.names)


def unpack(archive: Path, wanted: Iterable[Wanted], console: Console) -> Path:
    """Unpack the wanted treebanks of a release's archive; gives the folder, which `--train` and `--data` take, too.

    What was unpacked of the same release before stays. Raises DataError for what is no such archive, is cut off, or
    lacks a treebank.
    """
    wanted = list(wanted)
    match = _RELEASE.fullmatch(archive.name)
    if match is None:
        raise DataError("has no name that a folder could have; name it as the release is called", archive)
    folder = cache_folder() / "treebanks" / match["name"]
    found = _copy_treebanks(archive, folder, wanted, console)
    if not found:
        raise DataError(f"holds none of the treebanks {listed(each.usual for each in wanted)}", archive)
    write_json(_marker(), {"release": folder.name, "files": _unpacked(folder.name) | found})
    if missing := [each.usual for each in wanted if not _matching(found, each)]:
        raise DataError(f"holds no {listed(missing, last='or')}; the others are unpacked", archive)
    return folder


def _copy_treebanks(archive: Path, folder: Path, wanted: Sequence[Wanted], console: Console) -> dict[str, list[str]]:
    """Copy the wanted files of an archive: `de_gsd-test` -> its files below the folder. Raises DataError.

    It is read as a stream, to its end: going back in compressed text takes as long as reading it, and the check sum is
    at the end.
    """
    from alignfreeze_cli.pairs.text_files import corpus_file, open_bytes  # with pyarrow, which settings do without

    found: dict[str, list[str]] = {}
    try:
        with (
            open_bytes(corpus_file(archive)) as content,
            console.progress(f"unpacking {archive.name}", unit="files") as progress,
            tarfile.open(fileobj=content, mode="r|") as members,
        ):
            for member in members:
                progress.advance()
                match = _MEMBER.fullmatch(member.name)
                if match is None or not member.isfile() or not any(each.fits(match) for each in wanted):
                    continue
                if member.size > _LARGEST:
                    raise DataError(f"{member.name} is larger than any treebank, {_LARGEST >> 20} MiB", archive)
                file = members.extractfile(member)
                assert file is not None  # it is a plain file
                inside = f"{match['folder']}/{match['file']}"
                with atomic_file(folder / inside) as copy:
                    shutil.copyfileobj(file, copy)
                found.setdefault(f"{match['name']}-{match['split']}", []).append(inside)
            while content.read(1 << 20):
                pass
    except tarfile.TarError as error:
        raise DataError(f"is no archive of treebanks, or is cut off ({error}); fetch it again", archive) from error
    return found


def find_unpacked(wanted: Wanted) -> tuple[str, list[Path]] | None:
    """The release in use and the files of a treebank in it; None if it was not unpacked, or files are gone.

    Raises DataError if a pattern fits several treebanks.
    """
    if not _marker().is_file():
        return None
    release = str(_noted().get("release"))
    matching = _matching(_unpacked(release), wanted)
    if len(matching) > 1:
        raise DataError(f"holds several treebanks of {wanted.language!r} ({listed(matching)}); name a file", release)
    paths = [_marker().parent / release / name for names in matching.values() for name in sorted(names)]
    return (release, paths) if paths and all(path.is_file() for path in paths) else None


def _matching(files: dict[str, list[str]], wanted: Wanted) -> dict[str, list[str]]:
    """The files of the first of the wanted names that is there, by treebank and split."""
    for name in wanted.names:
        if fitting := {key: some for key, some in files.items() if fnmatchcase(key, f"{name}-{wanted.split}")}:
            return fitting
    return {}


def _unpacked(release: str) -> dict[str, list[str]]:
    """What was unpacked of a release, if it is the one in use."""
    noted = _noted() if _marker().is_file() else {}
    files: dict[str, list[str]] = noted.get("files", {}) if noted.get("release") == release else {}
    return files


def _noted() -> dict[str, Any]:
    return read_json(_marker(), "unpack the treebanks again with `alignfreeze fetch pos --treebanks ARCHIVE`")


def _marker() -> Path:
    return cache_folder() / "treebanks" / "unpacked.json"
