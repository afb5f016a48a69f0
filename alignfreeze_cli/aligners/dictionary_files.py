"""Dictionary files: in which formats they are read, and how the files of both directions are found."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from alignfreeze_cli.aligners.dictionary_cache import FROM_FOLDER, fetch_dictionary
from alignfreeze_cli.aligners.settings import MUSE
from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.artifacts.nearby import path_alike
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.pairs.settings import fill, placeholders
from alignfreeze_cli.pairs.text_files import corpus_file, open_bytes

# Reading


@dataclass(frozen=True)
class DictionaryFile:
    """The entries of a file, (word of the first column, word of the second), and what became of its other lines.

    Of its `lines`, empty ones aside, `skipped` give no entry; `other` of those are not a word and its translation at
    all, the first of them is `example` (number and text), and the rest are a word and itself. `form` says how a file
    was read that is not in MUSE's format.
    """

    entries: Sequence[tuple[str, str]]
    lines: int
    skipped: int
    other: int = 0
    example: tuple[int, str] = (0, "")
    form: str = ""


WANTED = "wanted is a word and its translation on each line, with a blank or a tab between them"

_MARKS = ",;،、，；"
_LIST = re.compile(rf"[{_MARKS}](?<=[^\s\d].)[ ]*(?=[^\s\d])")
"""The mark between the words of a list such as `haus, gebäude`, not one at the end of a word or in a number."""

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|\.\d+)([eE][-+]?\d+)?%?")
_SEPARATORS = {"\t": "tabs", "": "blanks", "|||": "|||", "::": "::", ";": "semicolons", ",": "commas"}
"""What may be between columns → its name; the empty one is any run of blanks."""

_SAMPLE = 1_000  # lines by which the separator is found
_BLOCK = 1 << 16  # bytes that are read at a time, and more than any line of a dictionary has
_LARGEST = 1 << 28  # bytes; some ten million entries

Line = tuple[int, str]
"""A line that is not empty, with its number in the file, counted from 1."""


def read_dictionary(path: Path) -> DictionaryFile:
    """Read a file in MUSE's format as the published code does (realignment_dataset.py), or in a related one.

    A line is an entry if it splits on blanks into exactly two words that differ; words are taken as they are. Where
    less than nine lines in ten have two words, or some hold lists of words, columns are looked for. The file may be
    compressed. Raises DataError if it is no UTF-8 text, has no entry, or its meaning isn't plain.
    """
    with open_bytes(corpus_file(path)) as file:
        content = b"".join(_blocks(file, path))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise DataError("is no dictionary: not UTF-8 text", path, number) from None
    rows = [line.split() for line in text.split("\n") if line.strip()]
    pairs = [(row[0], row[1]) for row in rows if len(row) == 2]
    if len(pairs) < 0.9 * len(rows) or (any(mark in text for mark in _MARKS) and _LIST.search(text)):
        return _read_columns([(n, line.strip()) for n, line in enumerate(text.split("\n"), 1) if line.strip()], path)
    entries = [(first, second) for first, second in pairs if first != second]
    if not entries:
        raise DataError(f"is no dictionary: it has no line of two different words; {WANTED}", path)
    return DictionaryFile(entries, len(rows), len(rows) - len(entries), len(rows) - len(pairs))


def _blocks(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """The content of a file, piece by piece, so that a line or a file without end is found in bounded memory."""
    size = 0
    while block := file.read(_BLOCK):
        size += len(block)
        if size > _LARGEST:
            raise DataError(f"is larger than any dictionary, {_LARGEST >> 20} MiB", path)
        if len(block) == _BLOCK and b"\n" not in block:
            raise DataError(f"is no dictionary: a line is longer than {_BLOCK >> 10} KiB", path)
        yield block


def _read_columns(lines: Sequence[Line], path: Path) -> DictionaryFile:
    """Read a file whose columns are separated by something else, or hold more than one word."""
    separator = _find_separator(lines[:_SAMPLE], path)
    rows = [_split(line, separator) for _, line in lines]
    beyond = _beyond_two_columns(lines, rows, separator, path)
    entries: list[tuple[str, str]] = []
    others: list[Line] = []
    lists, kept = False, 0
    for line, row in zip(lines, rows, strict=True):
        first, second, *more = row if len(row) == 2 or (len(row) > 2 and beyond) else ("", "")
        columns = [second, *more] if beyond == "translations" else [second]
        sources, targets = _words(first), [word for column in columns for word in _words(column)]
        if not sources or not targets:
            others.append(line)
        found = [(source, target) for source in sources for target in targets if source != target]
        lists, kept = lists or len(found) > 1, kept + bool(found)
        entries += found
    if not entries:
        number, text = (others or lines)[0]
        raise DataError(f"is no dictionary: the line is {_short(text)}; {WANTED}", path, number)
    form = [f"columns separated by {_SEPARATORS[separator]}"] if separator.strip() else []
    form += ["several translations in a line"] if lists else []
    form += ["numbers after the translation left out"] if beyond == "numbers" else []
    example = others[0] if others else (0, "")
    return DictionaryFile(entries, len(lines), len(lines) - kept, len(others), example, ", ".join(form))


def _split(line: str, separator: str) -> list[str]:
    """The columns of a line; empty ones at its end are left out."""
    if not separator:
        columns = _LIST.sub(lambda mark: mark[0].strip(), line).split()  # `die, der` is one column
    elif separator in ",;":
        try:
            columns = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
        except csv.Error:  # a carriage return, say, in the midst of it
            columns = [line]
    else:
        columns = line.split(separator)
    columns = [column.strip() for column in columns]
    while columns and not columns[-1]:
        columns.pop()
    return columns


def _find_separator(lines: Sequence[Line], path: Path) -> str:
    """The separator that gives the most lines two columns, or two and numbers; DataError if two do equally well."""
    fits = {}
    for separator in _SEPARATORS:
        rows = [_split(line, separator) for _, line in lines]
        fits[separator] = sum(
            len(row) > 1 and all(row[:2]) and (bool(separator) or _all_numbers(row[2:])) for row in rows
        )
    best = max(fits, key=lambda separator: fits[separator])
    if not best and (rival := next((mark for mark in ",;" if fits[mark] == fits[best]), None)):
        number, line = lines[0]
        raise DataError(
            f"the line {_short(line)} can be read in two ways, with its columns separated by blanks or by "
            f"{_SEPARATORS[rival]}; {WANTED}",
            path,
            number,
        )
    return best


def _beyond_two_columns(lines: Sequence[Line], rows: Sequence[Sequence[str]], separator: str, path: Path) -> str:
    """What a third column and those after it hold: "numbers" such as scores, "translations", or "" for none.

    Words after two others separated by blanks are parts of an expression. Otherwise they are translations if lines
    differ in how many they have and most occur once only, unlike parts of speech. DataError if they are neither.
    """
    longer = [number for number, row in enumerate(rows) if len(row) > 2]
    scored = sum(_all_numbers(rows[number][2:]) for number in longer)
    if (longer and scored == len(longer)) or (not separator and scored > len(rows) / 2):
        return "numbers"
    if not longer or not separator:
        return ""
    words = [word for number in longer for word in rows[number][2:]]
    if len(longer) == len(rows) or 2 * len(set(words)) < len(words):
        number, line = lines[longer[0]]
        raise DataError(
            f"the third column is neither numbers nor further translations: {_short(line)}; {WANTED}",
            path,
            number,
        )
    return "translations"


def _all_numbers(columns: Iterable[str]) -> bool:
    return all(_NUMBER.fullmatch(column) for column in columns)


def _words(column: str) -> list[str]:
    """The words of a column: itself or, if it is a list, its items; without what consists of several words."""
    return [word for part in _LIST.split(column) if len(part.split()) == 1 and (word := part.strip())]


def _short(line: str) -> str:
    return repr(line if len(line) <= 80 else f"{line[:79]}…")


# Finding


@dataclass(frozen=True)
class FoundDictionary:
    """The files of a language pair, one or both, as one resolved input.

    `copied`: the reverse file has the forward file's entries. `note`: what a user should know about the files.
    """

    forward: Path | None
    reverse: Path | None
    input: Input
    copied: bool = False
    note: str = ""


_SURELY_THERE = ("en", "es")
"""The languages of a dictionary that MUSE has, to tell a server that lacks one from a server that refuses all."""


def find_dictionary(
    template: str, source: str, target: str, name: str = "dictionary", copy_forward: bool = False
) -> FoundDictionary:
    """Find the files of both directions; either may be missing. With `copy_forward` the forward file is used for both.

    The other direction's file has the codes swapped: in the place of `{source}` and `{target}` in `template`, or,
    without them, where its name holds `source-target`. Raises DataError if there is no file, HubError if an address
    cannot be reached, or if the server of MUSE refuses everything.
    """
    ahead, back = file_names(template, source, target, copy_forward)
    forward = _find_file(ahead)
    reverse = forward if back == ahead else _find_file(back) if back is not None else None
    paths = list(dict.fromkeys(path for path in (forward, reverse) if path is not None))
    if not paths:
        if template == MUSE and _find_file(fill(MUSE, *_SURELY_THERE)) is None:
            raise HubError(
                f"The server of the MUSE dictionaries refuses to give any, {'-'.join(_SURELY_THERE)} among them, which "
                f"it is known to have; get {MUSE.rpartition('/')[0]}.tar.gz, from another network if need be, unpack "
                "it, and name its folder: --dictionary 'dictionaries/{source}-{target}.txt', or for all commands with "
                f"{FROM_FOLDER}."
            )
        named = fill(template, source, target)
        alike = "" if "://" in named else path_alike(Path(named).expanduser(), folders=False)
        raise DataError(f"no such dictionary for {source}-{target}{alike}", named)
    note, copied = "", False
    if forward is None:
        note = f"no dictionary {source}-{target}; {paths[0].name} is used for both directions"
    elif reverse is None:
        note = f"no dictionary {target}-{source}; {forward.name} is used for both directions"
    elif file_digest(forward) == file_digest(reverse):
        note, copied = f"the reverse dictionary is a copy of {forward.name}, as in the paper's runs", True
    return FoundDictionary(forward, reverse, resolve_files(name, template, paths), copied, note)


def file_names(template: str, source: str, target: str, copy_forward: bool = False) -> tuple[str, str | None]:
    """Paths or addresses of both directions' files; None for the other direction where swapping gives no name."""
    forward = fill(template, source, target)
    return forward, forward if copy_forward else _swap_codes(template, source, target)


def _swap_codes(template: str, source: str, target: str) -> str | None:
    """The name of the other direction's file; None if swapping the codes does not change the name."""
    if placeholders(template) & {"source", "target"}:
        swapped = fill(template, target, source)
        return swapped if swapped != fill(template, source, target) else None
    head, slash, name = template.rpartition("/")
    codes = f"{source}-{target}"
    return head + slash + name.replace(codes, f"{target}-{source}") if codes in name else None


def _find_file(path: str) -> Path | None:
    """A file on this machine, or one fetched from an address; None if there is none."""
    if path.startswith(("http://", "https://")):
        return fetch_dictionary(path)
    found = Path(path).expanduser()
    return found if found.is_file() else None
