"""Data files: which files hold a task's data in a language, and how to read their lines or columns.

The files are named by a pattern of the user's, or are those of the task's default data set on the Hub. The formats are
read in `conllu.py`, `iob.py`, `xnli.py`, `squad.py` and `labelled_texts.py`, and where the task itself is (`pos.py`,
`ner.py`), example by example: a file may be larger than the memory, unless it is a single JSON value. What is wrong
with one is an error, with its place: nothing is skipped, repaired or guessed without a message.
"""

from __future__ import annotations

import dataclasses
import glob
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.artifacts.hub_client import is_offline, pull, status_of
from alignfreeze_cli.artifacts.nearby import path_alike
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.progress import Console
from alignfreeze_cli.tasks.base import HubFiles, Options, Task, Windows

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES_AT_ONCE = 8192
"""Examples that are held at once in evaluation; enough to find many of similar length for each batch."""
ROWS_AT_ONCE = 1024  # of a Parquet file, as Python objects
_BYTES_AT_ONCE = 2**20  # of each column of a Parquet file, as they are in the file
_GONE = (401, 403, 404)  # how the Hub answers for what is not there, or not for everyone


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
    """The files of every language: those that `pattern` names, or, if it is None, the task's default data.

    These are on the Hub, unless the user has unpacked a release of them that has all the languages.

    `split` is `train` or `test`; `option` is the command line option that gave the pattern, for messages. Raises
    DataError where a pattern fits no file or several, SettingsError for a language that the task has no data for,
    HubError.
    """
    if pattern is not None:
        return [_local_data(task, pattern, language, split, option) for language in languages]
    if unpacked := unpacked_data(task, languages, split, console):
        return unpacked
    found: dict[str, LanguageData] = {}
    for repositories, wanted in by_repositories(task, languages, split).items():
        found |= _hub_data(task, repositories, wanted, split, option, console)
    return [found[language] for language in languages]


def by_repositories(
    task: Task, languages: Sequence[str], split: str
) -> dict[tuple[str, ...], dict[str, tuple[HubFiles, ...]]]:
    """Where the default data may be: the repositories, the first choice first, of the languages that have the same."""
    found: dict[tuple[str, ...], dict[str, tuple[HubFiles, ...]]] = {}
    for language in languages:
        files = task.hub_files(language, split)
        found.setdefault(tuple(dict.fromkeys(map(repository_of, files))), {})[language] = files
    return found


def read_windows(
    task: Task, data: LanguageData, tokenizer: Any, max_length: int, options: Options, console: Console
) -> tuple[int, tuple[str, ...], Windows]:
    """The number of examples of a language, a new model's labels, and the windows to learn from.

    What a user should know about the examples is said. Raises DataError with language and file.
    """
    examples = list(_read(task, data, options, console))
    with _naming(data):
        labels = task.labels_of(examples, options)
        windows = task.encode(examples, tokenizer, labels, max_length, options)
        if not len(windows.lengths):
            raise DataError(task.no_windows(max_length, options))
        windows = windows.for_training()
    say_notes(data, windows.notes, console)
    return len(examples), labels, windows


def read_chunks(
    task: Task,
    data: LanguageData,
    tokenizer: Any,
    labels: Sequence[str],
    max_length: int,
    options: Options,
    console: Console,
) -> Iterator[tuple[list[Any], Windows]]:
    """The examples of a language, `EXAMPLES_AT_ONCE` at a time, and their windows.

    Raises DataError with language and file.
    """
    examples = _read(task, data, options, console)
    count = 0
    while chunk := list(islice(examples, EXAMPLES_AT_ONCE)):
        with _naming(data):
            windows = task.encode(chunk, tokenizer, labels, max_length, options)
        count += len(windows.lengths)
        yield chunk, windows
    if not count:
        with _naming(data):
            raise DataError(task.no_windows(max_length, options))


def say_notes(data: LanguageData, notes: Mapping[str, int], console: Console) -> None:
    """Say what a user should know about the examples of a language that did not fit."""
    for note, count in notes.items():
        console.warn(f"{data.title}: {note}: {count:,}")


def _read(task: Task, data: LanguageData, options: Options, console: Console) -> Iterator[Any]:
    try:
        yield from task.read(data.paths, data.language, options, console.warn)
    except DataError as error:
        raise DataError(f"data in {data.language!r}: {error}") from error


@contextmanager
def _naming(data: LanguageData) -> Iterator[None]:
    """Errors about examples name the language and its first file."""
    try:
        yield
    except DataError as error:
        raise DataError(f"data in {data.language!r}: {data.paths[0]}: {error}") from error


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
        alike = "" if glob.has_magic(pattern) else path_alike(exact)
        raise DataError(f"no such file for the language {language!r} ({option}){alike}", exact)
    if len(found) > 1:
        names = listed((path.name for path in found), most=4)
        raise DataError(f"{len(found)} files fit for the language {language!r} ({names}); narrow {option}", exact)
    return found[0]


def local_files(task: Task, pattern: str, language: str, split: str, option: str) -> list[Path]:
    """The files of a language that a pattern names, or those in a folder that is laid out as the task's data.

    Raises DataError if there is none.
    """
    folder = Path(pattern).expanduser()
    return task.files_in(folder, language, split) if folder.is_dir() else [find_file(pattern, language, option)]


def _local_data(task: Task, pattern: str, language: str, split: str, option: str) -> LanguageData:
    paths = local_files(task, pattern, language, split, option)
    title = listed((path.name for path in paths), most=2)
    source = str(paths[0] if len(paths) == 1 else paths[0].parent / title)
    return LanguageData(language, tuple(paths), resolve_files(f"{split} {language}", source, paths), title)


def unpacked_data(task: Task, languages: Sequence[str], split: str, console: Console) -> list[LanguageData] | None:
    """The default data in a release that was unpacked into the cache; None if it lacks one of the languages."""
    found = {language: task.unpacked(language, split) for language in languages}
    kept = {language: each for language, each in found.items() if each is not None}
    if len(kept) < len(found):
        return None
    release = next(iter(kept.values()))[0]
    said = f"{task.data} is read from {release}, which `alignfreeze fetch` has unpacked"
    if release == task.release:
        console.info(f"{said}.")
    else:
        console.warn(f"{said}; the published numbers are for {task.release}.")
    data = []
    for language, (_, paths) in kept.items():
        title = f"{release}/{listed((path.name for path in paths), most=2)}"
        data.append(LanguageData(language, tuple(paths), resolve_files(f"{split} {language}", title, paths), title))
    return data


def _hub_data(
    task: Task,
    repositories: Sequence[str],
    wanted: Mapping[str, Sequence[HubFiles]],
    split: str,
    option: str,
    console: Console,
) -> dict[str, LanguageData]:
    """The files of all languages at one commit of the first repository that has them all.

    What is said when it is not the very first: its data may be another version. A repository that is gone from the Hub
    is read from the cache, if it is there. One that can't be reached now is no reason to download another: then only
    the cache is looked at. Raises HubError if no repository has the files of all languages.
    """
    problems: list[str] = []
    cached_only = False
    for repository in repositories:
        files = {
            language: [each for each in some if repository_of(each) == repository] for language, some in wanted.items()
        }
        patterns = sorted({each.pattern for some in files.values() for each in some})
        console.info(f"{'Offline, from the cache:' if is_offline() else 'Fetching'} {task.data} from {repository}")
        try:
            folder, commit = _pull_or_cached(repository, patterns, cached_only, console)
        except HubError as error:
            status = status_of(error.__cause__) if error.__cause__ else None
            if status not in (None, *_GONE):
                raise
            cached_only = cached_only or status is None
            problems.append(str(error))
            continue
        found = {language: _in_snapshot(some, folder, commit, language, split) for language, some in files.items()}
        missing = [language for language, data in found.items() if data is None]
        if not missing:
            if problems:
                note = files[next(iter(files))][0].note
                console.warn(f"{' '.join(problems)} Instead, {task.data} is read from {repository}: {note}.")
            return {language: data for language, data in found.items() if data is not None}
        lacking = listed((each.pattern for each in files[missing[0]]), last="or")
        problems.append(f"{repository} holds no {lacking} (commit {commit[:12]}, or it is not in the cache).")
    raise HubError(f"{' '.join(problems)} To go on without the Hub, {task.without_hub.format(option=option)}.")


def _pull_or_cached(repository: str, patterns: Sequence[str], cached_only: bool, console: Console) -> tuple[Path, str]:
    """As `pull` gives it; of a repository or revision that is gone, what the cache has, if it has it."""
    try:
        return pull(repository, patterns, "dataset", cached_only=cached_only)
    except HubError as error:
        if error.__cause__ is None or status_of(error.__cause__) not in _GONE:
            raise
        try:
            snapshot = pull(repository, patterns, "dataset", cached_only=True)
        except HubError:
            raise error from error.__cause__
        console.warn(f"{error} The copy in the cache is read, commit {snapshot[1][:12]}.")
        return snapshot


def _in_snapshot(
    files: Sequence[HubFiles], folder: Path, commit: str, language: str, split: str
) -> LanguageData | None:
    """The first of these files that are in a snapshot of their repository."""
    for each in files:
        if paths := sorted(folder.glob(each.pattern)):
            title = f"{each.repository}/{each.pattern}"
            found = resolve_files(f"{split} {language}", title, paths)
            return LanguageData(language, tuple(paths), dataclasses.replace(found, commit=commit), title)
    return None


def repository_of(files: HubFiles) -> str:
    """As `pull` takes it: `org/name` or `org/name@revision`."""
    return files.repository + (f"@{files.revision}" if files.revision else "")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file, counted from 1, without line ends (LF or CRLF) and without a byte-order mark.

    Lines end at LF only: words may hold other characters that Unicode calls line breaks. Raises DataError with file and
    line for a file that cannot be read, binary data and bad UTF-8.
    """
    try:
        with path.open("rb") as file:
            yield from decoded_lines(file, path)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path) from error


def decoded_lines(lines: Iterable[bytes], path: str | Path) -> Iterator[tuple[int, str]]:
    """The same for lines from anywhere; `path` is where they are from, for messages."""
    for number, raw in enumerate(lines, start=1):
        line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        yield number, _decoded(line.removesuffix(b"\n").removesuffix(b"\r"), path, number)


def _decoded(line: bytes, path: str | Path, number: int) -> str:
    if b"\0" in line:
        raise DataError("is a binary file; text is needed", path, number)
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"is not UTF-8 text (byte 0x{line[error.start]:02x} at position {error.start + 1} of the line)",
            path,
            number,
        ) from None


def line_blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """The numbered lines of a text file in blocks, which blank lines separate. Raises as `numbered_lines` does."""
    for blank, lines in groupby(numbered_lines(path), key=lambda line: not line[1].strip()):
        if not blank:
            yield list(lines)


def parsed_json(text: str, path: str | Path, line: int | None = None, unique_keys: bool = False) -> Any:
    """JSON as Python has it, in which a text may still hold half of a surrogate pair (`check_characters`).

    `line` is where the text stands, if it is a line of the file. Of a key that an object has twice the last value
    counts, unless `unique_keys` refuses it. Raises DataError.
    """

    def with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            twice = next(key for key in found if sum(key == other for other, _ in pairs) > 1)
            raise DataError(f"has the key {twice!r} twice", path, line)
        return found

    try:
        return json.loads(text, object_pairs_hook=with_unique_keys if unique_keys else None)
    except json.JSONDecodeError as error:
        place = error.lineno if line is None else line
        raise DataError(f"is not JSON ({error.msg}, column {error.colno})", path, place) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"is JSON that can't be read ({type(error).__name__}: {error})", path, line) from None


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with one in each line, with the number of the line; blank lines are passed over.

    Raises DataError with file and line for what is no object, and for text that holds half of a surrogate pair.
    """
    for number, line in numbered_lines(path):
        if line.strip():
            yield number, json_object(line, path, number)


def json_object(text: str, path: str | Path, line: int) -> dict[str, Any]:
    """The JSON object that a line holds. Raises DataError, as `json_lines` does."""
    value = parsed_json(text, path, line, unique_keys=True)
    if not isinstance(value, dict):
        raise DataError("is not a JSON object; one per line is needed", path, line)
    for key, each in value.items():
        check_characters(key, "a key", path, line)
        if isinstance(each, str):
            check_characters(each, f"the value of {key!r}", path, line)
    return value


def check_characters(text: str, what: str, path: str | Path, line: int | None = None) -> None:
    """Raise DataError if a text holds half of a surrogate pair, as JSON can; `what` names the text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{what} holds half of a surrogate pair (\\u{ord(text[error.start]):04x}), which is no character",
            path,
            line,
        ) from None


def schema_of(path: Path, columns: Sequence[str] = ()) -> pa.Schema:
    """The schema of a Parquet file; raises DataError if it is none, or lacks one of the columns, or has it twice."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"is not a Parquet file ({error})", path) from error
    for column in columns:
        if (count := schema.names.count(column)) != 1:
            found = f"no column {column}, only {listed(schema.names)}" if not count else f"{count} columns {column}"
            raise DataError(f"is not a Parquet file with the columns {listed(columns)}: it has {found}", path)
    return schema


def read_rows(path: Path, columns: Sequence[str], what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a Parquet file, counted from 1, with the named columns; `what` is what a row is, for messages.

    Raises DataError for a file that is not Parquet, lacks one of the columns or has no row, and, with the row, for text
    that is not UTF-8.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema_of(path, columns)
    number = 0
    try:
        # Otherwise all of a row group is read at once, which is often the whole file.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BYTES_AT_ONCE) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
                _check_utf8(batch, number, path)
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"is not a Parquet file with the columns {listed(columns)} ({error})", path) from error
    if not number:
        raise DataError(f"holds no {what}", path)


def _check_utf8(batch: pa.RecordBatch, before: int, path: Path) -> None:
    """Raise DataError with the row if a text of these rows can't be decoded; `before` are the rows before them."""
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowException as error:
        place = ""
        for number in range(batch.num_rows):
            try:
                batch.slice(number, 1).to_pylist()
            except UnicodeDecodeError:
                place = f"row {before + number + 1} "
                break
        raise DataError(f"{place}holds text that is not UTF-8 ({error})", path) from None


def label_names(schema: pa.Schema, column: str, default: Sequence[str]) -> Sequence[str]:
    """The names of the label ids in a column, which the library `datasets` keeps in the metadata; else `default`.

    The column may hold one label per row or a list of them.
    """
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        inner = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        names: Sequence[str] = inner.get("names", default)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError):
        return default
    return names if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names) else default


def row_lists(row: Mapping[str, Any], columns: Sequence[str], path: Path, number: int) -> list[list[Any]]:
    """The lists of a row of a Parquet file, words first; raises DataError if they don't belong together.

    That is: one is null or no list, their lengths differ, a word is null.
    """
    lists = [row[column] for column in columns]
    for column, values in zip(columns, lists, strict=True):
        if not isinstance(values, list):
            raise DataError(
                f"row {number} has no list in {column}, but {'null' if values is None else 'a value'}", path
            )
        if len(values) != len(lists[0]):
            raise DataError(f"row {number} has {len(lists[0])} {columns[0]} but {len(values)} in {column}", path)
    for place, word in enumerate(lists[0], start=1):
        if not isinstance(word, str):
            raise DataError(f"row {number} has a word that is not text ({word!r}, number {place})", path)
    return lists


def named_label(value: Any, names: Sequence[str], word: str, path: Path, number: int) -> str:
    """The label of a word in a row of a Parquet file: its name, or its id among `names`, a whole number.

    Raises DataError for a null and for an id that none has.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"row {number}: the word {word!r} has no label ({value!r})", path)
    if not 0 <= value < len(names):
        raise DataError(
            f"row {number}: the word {word!r} has the label id {value}; ids are 0 to {len(names) - 1}", path
        )
    return names[value]
