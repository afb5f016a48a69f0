"""Data files: which files hold a task's data in a language, and how to read their lines or columns.

The files are named by a pattern of the user's, or are those of the task's default data set on the Hub. The formats are
read in `conllu.py`, `iob.py`, `xnli.py` and `squad.py`, and where the task itself is (`pos.py`, `ner.py`).
"""

from __future__ import annotations

import dataclasses
import glob
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.artifacts.hub_client import pull
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.base import HubFiles, Task

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class LanguageData:
    """The files of one language; `input` goes into the record of what is made from them."""

    language: str
    paths: tuple[Path, ...]
    input: Input
    title: str  # of local files the name, of the Hub's the repository and the pattern

    def to_dict(self) -> dict[str, str]:
        """The entry in `scores.json`; it names no local folder."""
        commit = {"commit": self.input.commit} if self.input.commit else {}
        return {"source": self.title, "digest": self.input.digest, **commit}


def find_data(
    task: Task, languages: Sequence[str], pattern: str | None, split: str, option: str, console: Console
) -> list[LanguageData]:
    """The files of every language: those that `pattern` names, or, if it is None, the task's default data on the Hub.

    `split` is `train` or `test`; `option` is the command line option that gave the pattern, for messages. Raises
    DataError where a pattern fits no file or several, SettingsError for a language that the task has no data for,
    HubError.
    """
    if pattern is not None:
        return [_local_data(find_file(pattern, language, option), language, split) for language in languages]
    wanted = {language: task.hub_files(language, split) for language in languages}
    snapshots = {}
    for repository in dict.fromkeys(_repository(files) for files in wanted.values()):
        # One call for all languages of a repository, so that they come from one commit.
        patterns = sorted({files.pattern for files in wanted.values() if _repository(files) == repository})
        console.info(f"Fetching {task.data} from {repository}")
        snapshots[repository] = pull(repository, patterns, "dataset")
    return [_hub_data(files, *snapshots[_repository(files)], language, split) for language, files in wanted.items()]


def warn_of_notes(notes: Mapping[str, int], data: LanguageData, console: Console) -> None:
    """Warn of examples that did not fit (`Windows.notes`), with their number."""
    for note, count in notes.items():
        console.warn(f"{data.title}: {note}: {count:,}")


def find_file(pattern: str, language: str, option: str) -> Path:
    """The one file of a language: `{language}` in the pattern is replaced, then the wildcards `*`, `?` and `**` are.

    Raises DataError if no file fits, or several do.
    """
    exact = Path(pattern.replace("{language}", language)).expanduser()
    if exact.is_file():
        return exact
    wildcard = str(Path(pattern.replace("{language}", glob.escape(language))).expanduser())
    found = sorted(Path(path) for path in glob.glob(wildcard, recursive=True) if Path(path).is_file())
    if not found:
        raise DataError(f"no such file for the language {language!r} ({option})", exact)
    if len(found) > 1:
        names = listed((path.name for path in found), most=4)
        raise DataError(f"{len(found)} files fit for the language {language!r} ({names}); narrow {option}", exact)
    return found[0]


def _local_data(path: Path, language: str, split: str) -> LanguageData:
    return LanguageData(language, (path,), resolve_files(f"{split} {language}", str(path), [path]), path.name)


def _hub_data(files: HubFiles, folder: Path, commit: str, language: str, split: str) -> LanguageData:
    """The files of a language in a snapshot of a repository; HubError if there are none."""
    paths = sorted(folder.glob(files.pattern))
    if not paths:
        raise HubError(
            f"{_repository(files)} holds no {files.pattern} (commit {commit[:12]}, or it is not in the cache)."
        )
    title = f"{files.repository}/{files.pattern}"
    found = resolve_files(f"{split} {language}", title, paths)
    return LanguageData(language, tuple(paths), dataclasses.replace(found, commit=commit), title)


def _repository(files: HubFiles) -> str:
    """As `pull` takes it: `org/name` or `org/name@revision`."""
    return files.repository + (f"@{files.revision}" if files.revision else "")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file, counted from 1, without line ends (LF or CRLF) and without a byte-order mark.

    Lines end at LF only: words may hold other characters that Unicode calls line breaks. Raises DataError with file and
    line for a file that cannot be read, binary data and bad UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path) from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if b"\0" in raw:
            raise DataError("is a binary file; text is needed", path, number)
        try:
            yield number, raw.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"is not UTF-8 text (byte 0x{raw[error.start]:02x} at position {error.start + 1} of the line)",
                path,
                number,
            ) from None


def line_blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """The numbered lines of a text file in blocks, which blank lines separate. Raises as `numbered_lines` does."""
    for blank, lines in groupby(numbered_lines(path), key=lambda line: not line[1].strip()):
        if not blank:
            yield list(lines)


def read_columns(path: Path, columns: Sequence[str], what: str) -> pa.Table:
    """The named columns of a Parquet file; `what` is what a row is, for messages.

    Raises DataError for a file that is not Parquet, lacks one of the columns or has no row.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    problem = f"is not a Parquet file with the columns {listed(columns)}"
    try:
        # read_table leaves out missing columns without an error, so they are looked for first.
        present = pq.read_schema(path).names
        missing = [column for column in columns if column not in present]
        if missing:
            raise DataError(f"{problem}: it has no column {missing[0]}, only {listed(present)}", path)
        table = pq.read_table(path, columns=list(columns))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{problem} ({error})", path) from error
    if not table.num_rows:
        raise DataError(f"holds no {what}", path)
    return table


def label_names(table: pa.Table, column: str, default: Sequence[str]) -> Sequence[str]:
    """The names of the label ids in a column, which the library `datasets` keeps in the metadata; else `default`.

    The column may hold one label per row or a list of them.
    """
    try:
        feature = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"][column]
    except (KeyError, ValueError):
        return default
    inner = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
    names: Sequence[str] = inner.get("names", default)
    return names
