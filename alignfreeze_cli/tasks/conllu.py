"""Reader of CoNLL-U, the format of Universal Dependencies (https://universaldependencies.org/format.html).

A sentence is a block of lines of ten tab-separated columns, ended by an empty line; `#` begins a comment. The first
column tells what a line is: `3` a word, `3-4` a multi-word token (the surface form of words 3 and 4), `8.1` an empty
node (a word that is understood but not written).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.lines import numbered_lines

COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_ID = re.compile(r"([0-9]+)(?:-([0-9]+)|\.([0-9]+))?")
_SENT_ID = re.compile(r"#\s*sent_id\s*=\s*(\S.*)")

Kind = Literal["word", "multi-word", "empty"]


class Row(NamedTuple):
    """One line of a sentence. `form` may hold spaces; `upos` is `_` where there is no tag; `line` counts from 1."""

    kind: Kind
    form: str
    upos: str
    line: int


@dataclass(frozen=True)
class Sentence:
    """The rows in file order: a multi-word token before its words, an empty node after the word it follows."""

    identifier: str
    rows: list[Row]


def read_conllu(path: Path) -> Iterator[Sentence]:
    """The sentences of a file, one by one. One without a `sent_id` is named by its place, counted from 1.

    Byte-order mark, LF or CRLF and a missing empty line at the end are all accepted. Raises DataError with file and
    line for anything that is not CoNLL-U: binary data, bad UTF-8, a wrong number of columns, word ids out of order, a
    file without a sentence.
    """
    rows: list[Row] = []
    identifier = ""
    words = covered = count = 0
    for number, line in numbered_lines(path):
        if not line.strip():
            if rows:
                count += 1
                yield _finished(path, number, rows, identifier or str(count), words, covered)
            rows, identifier, words, covered = [], "", 0, 0
        elif line.startswith("#"):
            match = _SENT_ID.match(line)
            if match and not rows:
                identifier = match[1].strip()
        else:
            columns = line.split("\t")
            if len(columns) != len(COLUMNS):
                raise DataError(
                    f"a CoNLL-U line has {len(COLUMNS)} columns separated by tabs, this one has {len(columns)}: "
                    f"{line[:60]!r}",
                    path,
                    number,
                )
            if not columns[1].strip():
                raise DataError("the word (column FORM) is empty", path, number)
            match = _ID.fullmatch(columns[0])
            if match is None:
                raise DataError(f"{columns[0]!r} is no word id: 3, 3-4 or 3.1 is needed", path, number)
            first, last = int(match[1]), int(match[2] or 0)
            if match[2]:
                # A range stands before its first word and reaches at least to it; ranges never overlap.
                if first != words + 1 or last < first or first <= covered:
                    raise DataError(f"the multi-word token {columns[0]} does not fit the words around it", path, number)
                kind: Kind = "multi-word"
                covered = last
            elif match[3]:
                if first != words:
                    raise DataError(f"the empty node {columns[0]} must follow word {first}", path, number)
                kind = "empty"
            else:
                words += 1
                if first != words:
                    raise DataError(f"word id {first} where {words} should follow; is a line missing?", path, number)
                kind = "word"
            rows.append(Row(kind, columns[1], columns[3], number))
    if rows:
        count += 1
        yield _finished(path, rows[-1].line, rows, identifier or str(count), words, covered)
    if not count:
        raise DataError("holds no sentence; a CoNLL-U treebank is needed", path)


def _finished(path: Path, line: int, rows: list[Row], identifier: str, words: int, covered: int) -> Sentence:
    if covered > words:
        raise DataError(f"the sentence ends at word {words}, inside a multi-word token", path, line)
    return Sentence(identifier, rows)
