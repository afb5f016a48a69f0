"""Reader of texts with one label each: TSV, JSON lines, or Parquet, as the suffix of a file says.

- `.parquet`: a column with the texts and one with the labels.
- `.jsonl`, `.json`: one object per line with such keys.
- Anything else is TSV, in which the tab is the only special character, so quotes are part of the text. If its first
  line names both columns, it is a header, and other columns may stand beside them; without a header there are two
  columns, text and label.

The columns are `text` or `sentence`, and `label`, unless they are named. If there is a column `language` that is
neither of them, only the lines of the wanted language are read. A label is text, a whole number or a truth value; ids
of labels whose names the library `datasets` has left in a Parquet file are those names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.phrases import counted, listed
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.data import json_lines, label_names, numbered_lines, read_rows, schema_of

NAMES = {"text": ("text", "sentence"), "label": ("label",)}
"""Names of columns and keys that are known without being told."""

_SHOWN = 40  # characters of what stands where a name was expected
LANGUAGE = "language"
IDENTIFIER = "id"


@dataclass(frozen=True)
class LabelledText:
    """A text and its label. `place` says where it stands, such as `line 3`.

    `maybe_header`: it is the first line of a TSV file whose columns nothing names, so it may name them itself.
    """

    identifier: str
    text: str
    label: str
    place: str
    maybe_header: bool = False


class Columns(NamedTuple):
    """The columns that the user named, or None; `{language}` in them is replaced."""

    text: str | None = None
    label: str | None = None

    def of(self, part: str, names: Collection[str], language: str) -> str:
        """The one among these names that holds the `text` or the `label`; DataError if none does, or several do."""
        named = self.text if part == "text" else self.label
        known = NAMES[part] if named is None else (named.replace("{language}", language),)
        found = [name for name in names if name in known]
        option = f"--{part}-column"
        if not found:
            there = listed(name[:_SHOWN] for name in names)
            advice = f"name it with {option}" if named is None else f"{option} names it"
            raise DataError(
                f"there is no {part} ({listed(known, last='or')}), only {there}; {advice}"
                + ("; labelled data is needed" if part == "label" and named is None else "")
                + (nearest(known[0], names) if named is not None else "")
            )
        if len(found) > 1:
            twice = len(set(found)) == 1
            said = f"two columns are called {found[0]}" if twice else f"both {listed(found)} may hold the {part}"
            raise DataError(said + ("" if twice else f"; name one with {option}"))
        return found[0]


def read_labelled_texts(path: Path, language: str, columns: Columns) -> Iterator[LabelledText]:
    """The texts of a file in one language, one by one.

    The identifier is that of the column `id`, or the number of the line or row from 1 on. Raises DataError with file
    and line or row: for a column that is missing or there twice, a line with too many or too few columns, a text that
    is empty or no text, a label that is missing or has no name; for a file without a text in the language.
    """
    if path.suffix == ".csv":
        raise DataError("is a CSV file; texts with labels are read from TSV, JSON lines (.jsonl) or .parquet", path)
    if path.suffix == ".parquet":
        rows, names, word = _parquet_rows(path, language, columns)
    elif path.suffix in (".jsonl", ".json"):
        rows, names, word = json_lines(path), (), "line"
    else:
        rows, names, word = _tsv_rows(path, language, columns), (), "line"
    some = False
    others: set[str] = set()
    for number, row in rows:
        place = f"{word} {number}"
        try:
            text_column, label_column = (columns.of(part, row, language) for part in NAMES)
            told = LANGUAGE in row and LANGUAGE not in (text_column, label_column)
            if told and (other := _language(row[LANGUAGE])) != language:
                others.add(other)
                continue
            text, label = _text(row[text_column]), _label(row[label_column], names)
        except DataError as error:
            raise DataError(str(error), f"{path}, {place}") from None
        identifier = row.get(IDENTIFIER)
        yield LabelledText(str(number if identifier is None else identifier), text, label, place, _MAYBE_HEADER in row)
        some = True
    if not some:
        only = f" in {language!r}, only in {listed(sorted(others))}" if others else ""
        raise DataError(f"holds no text with a label{only}", path)


_MAYBE_HEADER = "\t"
"""A key, which no column of a TSV file can have, that marks a first line which may be a header or an example."""


def _tsv_rows(path: Path, language: str, columns: Columns) -> Iterator[tuple[int, dict[str, str]]]:
    """Numbered lines as columns by name."""
    header: list[str] = []
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        values = line.split("\t")
        marked = {}
        if not header:
            if _is_header(values, columns):
                header = values
                _check_header(header, language, columns, path, number)
                continue
            header, marked = list(NAMES), {_MAYBE_HEADER: ""}
            if len(values) != len(header):
                raise DataError(
                    f"the line has {counted(len(values), 'column')}; without a first line that names the columns two "
                    "are needed, text and label, separated by a tab",
                    path,
                    number,
                )
        if values == header and number > 1:
            raise DataError("the line names the columns once more; are these two files in one?", path, number)
        if len(values) != len(header):
            raise DataError(
                f"the line has {counted(len(values), 'column')} instead of {len(header)} ({listed(header)}), "
                "separated by tabs",
                path,
                number,
            )
        yield number, dict(zip(header, values, strict=True)) | marked


def _is_header(values: Sequence[str], columns: Columns) -> bool:
    """Whether a file's first line names its columns: it must if the user named some, else one that is known says so."""
    return any(columns) or any(value in NAMES[part] for part in NAMES for value in values)


def _check_header(header: Sequence[str], language: str, columns: Columns, path: Path, number: int) -> None:
    try:
        for part in NAMES:
            columns.of(part, header, language)
    except DataError as error:
        raise DataError(str(error), path, number) from None
    for name in (IDENTIFIER, LANGUAGE):
        if header.count(name) > 1:
            raise DataError(f"two columns are called {name}", path, number)


def _parquet_rows(
    path: Path, language: str, columns: Columns
) -> tuple[Iterator[tuple[int, dict[str, Any]]], Sequence[str], str]:
    """Numbered rows with the columns that are read; the names of the label ids, if the file has them."""
    schema = schema_of(path)
    try:
        text, label = (columns.of(part, schema.names, language) for part in NAMES)
    except DataError as error:
        raise DataError(str(error), path) from None
    beside = [name for name in (IDENTIFIER, LANGUAGE) if name in schema.names and name not in (text, label)]
    return read_rows(path, [text, label, *beside], "text"), label_names(schema, label, ()), "row"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise DataError(f"the text is {_kind(value)}; it must be a text")
    if not value.strip():
        raise DataError("the text is empty")
    return value


def _language(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"the language is {_kind(value)}; it must be a code such as 'en'")
    return value


def _label(value: Any, names: Sequence[str]) -> str:
    """The label that a value means; `names` are those of label ids, if there are any."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        if names and not 0 <= value < len(names):
            unlabelled = " (no label is known)" if value == -1 else ""
            raise DataError(f"the label id {value} has no name{unlabelled}; ids are 0 to {len(names) - 1}")
        return names[value] if names else str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise DataError("there is no label (it is empty); labelled data is needed")
    if not isinstance(value, str):
        raise DataError(f"the label is {_kind(value)}; it must be one text, whole number or truth value")
    return value.strip()


def _kind(value: Any) -> str:
    """What a value is, for messages."""
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return "a list"
    return "an object" if isinstance(value, Mapping) else repr(value)[:_SHOWN]
