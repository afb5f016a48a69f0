"""Reader of files that give one word and its entity tag per line, in the column orders that are in use.

A blank line ends a sentence. Which columns hold what is decided once per file:

1. A file with a tab anywhere is separated by tabs, any other one by runs of spaces.
2. Separated by tabs, and in every sentence the first of three or more columns counts the words from 1: the columns are
   number, word, tag, anything (Universal NER, GermEval). Only here `#` begins a comment.
3. Anything else: the word is the first column, the tag the last one (WikiANN and PAN-X with two columns, CoNLL-2002 and
   CoNLL-2003 with up to five). A line that begins with `#` is a word. Lines of `-DOCSTART-` are left out.
4. If every word of the file begins with one and the same language code and a colon (`en:Paris`, WikiANN as its authors
   gave it out), these go.

Tags are read as IOB1 and IOB2 alike: an I-X that continues no X becomes B-X. In IOB1 that is what it means, in IOB2 it
should not occur (it does, rarely, in WikiANN), and seqeval counts it as the beginning of an entity; so no scheme has to
be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.lines import numbered_lines

OUTSIDE = "O"
DOCUMENT = "-DOCSTART-"
_CODE = re.compile(r"[a-z]{2,}(?:-[a-z]+)*:")
_SENT_ID = re.compile(r"#\s*sent_id\s*=\s*(\S.*)")


class Line(NamedTuple):
    """A line that is not blank, cut into columns; `number` counts from 1."""

    number: int
    columns: list[str]


@dataclass(frozen=True)
class Sentence:
    """Words and their tags in IOB2; the identifier is the `sent_id`, or the place in the file counted from 1."""

    identifier: str
    words: list[str]
    tags: list[str]


def read_iob(path: Path, tags: Sequence[str]) -> list[Sentence]:
    """The sentences of a file; `tags` are the known ones.

    Raises DataError with file and line: for a tag that is not known, lines of different numbers of columns, words
    without tags, a file without a sentence, and what `numbered_lines` refuses.
    """
    blocks, tabs = _blocks(path)
    counted = tabs and _is_counted(blocks)
    word_column, tag_column = (1, 2) if counted else (0, -1)
    sentences: list[Sentence] = []
    width = 0
    for block in blocks:
        identifier = ""
        kept: list[tuple[str, str]] = []
        for line in block:
            if counted and line.columns[0].startswith("#"):
                match = _SENT_ID.match(line.columns[0])
                identifier = match[1].strip() if match else identifier
                continue
            if not counted and line.columns[0] == DOCUMENT:
                continue
            width = width or len(line.columns)
            _check_columns(line, width, path)
            word, tag = line.columns[word_column], line.columns[tag_column]
            # An ideographic space is a word where a language is split into characters.
            if not word.strip(" "):
                raise DataError("the word is empty", path, line.number)
            if tag not in tags:
                raise DataError(_unknown(tag, word, tags), path, line.number)
            kept.append((word, tag))
        if kept:
            words, found = (list(column) for column in zip(*kept, strict=True))
            sentences.append(Sentence(identifier or str(len(sentences) + 1), words, as_iob2(found)))
    if not sentences:
        raise DataError("holds no sentence; a file with one word and its tag per line is needed", path)
    return _without_codes(sentences)


def as_iob2(tags: Sequence[str]) -> list[str]:
    """Tags of a sentence in which every entity begins with a B: an I-X that continues no X becomes B-X."""
    found = []
    before = OUTSIDE
    for tag in tags:
        begins = tag.startswith("I-") and before[2:] != tag[2:]
        found.append(f"B-{tag[2:]}" if begins else tag)
        before = tag
    return found


def _blocks(path: Path) -> tuple[list[list[Line]], bool]:
    """The lines between blank ones, cut into columns, and whether tabs separate them."""
    lines = list(numbered_lines(path))
    tabs = any("\t" in line for _, line in lines)
    blocks: list[list[Line]] = [[]]
    for number, line in lines:
        if line.strip():
            # Only the space separates: words may hold other white space, a no-break space for instance.
            columns = line.split("\t") if tabs else [column for column in line.split(" ") if column]
            blocks[-1].append(Line(number, columns))
        else:
            blocks.append([])
    return [block for block in blocks if block], tabs


def _is_counted(blocks: Sequence[Sequence[Line]]) -> bool:
    """Whether the first of at least three columns counts the words of each sentence; lines with # may be comments."""
    counts = False
    for block in blocks:
        words = [line.columns for line in block if not line.columns[0].startswith("#")]
        if any(len(columns) < 3 or columns[0] != str(place) for place, columns in enumerate(words, 1)):
            return False
        counts = counts or bool(words)
    return counts


def _check_columns(line: Line, width: int, path: Path) -> None:
    if len(line.columns) == 1:
        raise DataError(
            f"there is a word without a tag ({line.columns[0][:40]!r}); labelled data is needed", path, line.number
        )
    if len(line.columns) != width:
        raise DataError(
            f"this line has {len(line.columns)} columns, the lines before it have {width}: "
            f"{' '.join(line.columns)[:60]!r}",
            path,
            line.number,
        )


def _unknown(tag: str, word: str, tags: Sequence[str]) -> str:
    if tag.strip() in ("", "_", "-"):
        return f"the word {word!r} has no tag; labelled data is needed"
    return f"{tag[:40]!r} is no known tag, only {', '.join(tags)} are (--entity-types says which)" + nearest(tag, tags)


def _without_codes(sentences: list[Sentence]) -> list[Sentence]:
    """The same without the language code before every word, if there is one."""
    match = _CODE.match(sentences[0].words[0])
    if not match or not all(word.startswith(match[0]) for sentence in sentences for word in sentence.words):
        return sentences
    # A word that is nothing but the code stays what it is.
    return [
        Sentence(s.identifier, [word.removeprefix(match[0]) or word for word in s.words], s.tags) for s in sentences
    ]
