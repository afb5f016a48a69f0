"""Where a task's data comes from: files that a pattern names, or the task's default data on the Hub."""

from __future__ import annotations

import dataclasses
import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.artifacts.hub_client import pull
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.base import HubFiles, Task


@dataclass(frozen=True)
class LanguageData:
    """The files of one language; `input` goes into the record of what is made from them."""

    language: str
    paths: tuple[Path, ...]
    input: Input
    title: str  # of local files the name, of the Hub's the repository and the pattern

    def described(self) -> dict[str, str]:
        """As it stands in `scores.json`; no folder of this machine in it."""
        commit = {"commit": self.input.commit} if self.input.commit else {}
        return {"source": self.title, "digest": self.input.digest, **commit}


def find_sources(
    task: Task, languages: Sequence[str], pattern: str | None, split: str, option: str, console: Console
) -> list[LanguageData]:
    """The data of every language: from `pattern`, or, if that is None, the task's own from the Hub.

    Raises DataError where a pattern names no file or several, SettingsError for a language that the task has no data
    for, HubError.
    """
    if pattern is not None:
        sources = []
        for language in languages:
            path = find_file(pattern, language, option)
            found = resolve_files(f"{split} {language}", str(path), [path])
            sources.append(LanguageData(language, (path,), found, path.name))
        return sources
    wanted = {language: task.hub_files(language, split) for language in languages}
    folders = {}
    for repository in dict.fromkeys(_reference(files) for files in wanted.values()):
        # One call for all languages of a repository, so that they come from one commit.
        patterns = sorted({files.pattern for files in wanted.values() if _reference(files) == repository})
        console.info(f"Fetching {task.data} from {repository}")
        folders[repository] = pull(repository, patterns, "dataset")
    return [_from_hub(language, split, files, *folders[_reference(files)]) for language, files in wanted.items()]


def tell(notes: Mapping[str, int], source: LanguageData, console: Console) -> None:
    """Say what became of examples that did not fit (`Windows.notes`)."""
    for note, count in notes.items():
        console.warn(f"{source.title}: {note}: {count:,}")


def find_file(pattern: str, language: str, option: str) -> Path:
    """The one file that a pattern means for a language: `{language}` is filled in, then `*`, `?` and `**` are tried."""
    exact = Path(pattern.replace("{language}", language)).expanduser()
    if exact.is_file():
        return exact
    wildcard = str(Path(pattern.replace("{language}", glob.escape(language))).expanduser())
    found = sorted(path for path in glob.glob(wildcard, recursive=True) if Path(path).is_file())
    if not found:
        raise DataError(f"no such file for the language {language!r} ({option})", exact)
    if len(found) > 1:
        names = ", ".join(Path(path).name for path in found[:4]) + (", …" if len(found) > 4 else "")
        raise DataError(f"{len(found)} files fit for the language {language!r} ({names}); narrow {option}", exact)
    return Path(found[0])


def _reference(files: HubFiles) -> str:
    return files.repository + (f"@{files.revision}" if files.revision else "")


def _from_hub(language: str, split: str, files: HubFiles, folder: Path, commit: str) -> LanguageData:
    paths = sorted(folder.glob(files.pattern))
    if not paths:
        raise HubError(
            f"{_reference(files)} holds no {files.pattern} (commit {commit[:12]}, or it is not in the cache)."
        )
    title = f"{files.repository}/{files.pattern}"
    found = resolve_files(f"{split} {language}", title, paths)
    return LanguageData(language, tuple(paths), dataclasses.replace(found, commit=commit), title)
