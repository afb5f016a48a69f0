"""CoNLL-U, read and written: the format of Universal Dependencies (https://universaldependencies.org/format.html).

A sentence is a block of lines of ten tab-separated columns, ended by an empty line; `#` begins a comment. The first
column says what a line is: `3` a word, `3-4` a multi-word token (the surface form of words 3 and 4), `8.1` an empty
node (a word that is understood but not written).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.data import line_blocks

COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
SENTENCE_ID = re.compile(r"#\s*sent_id\s*=\s*(\S.*)")
_WORD_ID = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})|\.([0-9]{1,9}))?")


class ConlluLine(NamedTuple):
    """A line of a sentence. `form` may hold spaces; `upos` is `_` if there is no tag; `number` counts from 1."""

    kind: Literal["word", "multi-word", "empty"]
    form: str
    upos: str
    number: int


@dataclass(frozen=True)
class ConlluSentence:
    """Lines in file order: a multi-word token comes before its words, an empty node after the word it follows."""

    identifier: str
    lines: list[ConlluLine]


def read_conllu(path: Path) -> Iterator[ConlluSentence]:
    """The sentences of a file, one by one. One without a `sent_id` gets its number in the file, counted from 1.

    Byte-order mark, LF or CRLF and a missing empty line at the end are all accepted. Raises DataError with file and
    line for anything that is not CoNLL-U: binary data, bad UTF-8, a wrong number of columns, word ids out of order, a
    file without a sentence.
    """
    count = 0
    for block in line_blocks(path):
        sentence = _parsed(block, str(count + 1), path)
        if sentence.lines:
            count += 1
            yield sentence
    if not count:
        raise DataError("holds no sentence; a CoNLL-U treebank is needed", path)


def _parsed(block: Sequence[tuple[int, str]], identifier: str, path: Path) -> ConlluSentence:
    """The sentence in a block of numbered lines; without lines if there are only comments."""
    lines: list[ConlluLine] = []
    words = covered = 0  # the number of the last word, and of the last word of a multi-word token
    for number, text in block:
        if text.startswith("#"):
            match = SENTENCE_ID.match(text)
            if match and not lines:
                identifier = match[1].strip()
            continue
        columns = text.split("\t")
        if len(columns) != len(COLUMNS):
            raise DataError(
                f"a CoNLL-U line has {len(COLUMNS)} columns separated by tabs, this one has {len(columns)}: "
                f"{text[:60]!r}",
                path,
                number,
            )
        word_id, form, upos = columns[0], columns[1], columns[3]
        # A space of another script can be a word, as in Japanese treebanks.
        if not form.strip(" "):
            raise DataError("the word (column FORM) is empty", path, number)
        match = _WORD_ID.fullmatch(word_id)
        if match is None:
            raise DataError(f"{word_id[:40]!r} is not a word id, such as 3, 3-4 or 3.1", path, number)
        first = int(match[1])
        if match[2]:
            # A range comes before its first word and reaches at least to it; ranges never overlap.
            if first != words + 1 or int(match[2]) < first or first <= covered:
                raise DataError(f"the multi-word token {word_id} does not fit the words around it", path, number)
            covered = int(match[2])
            lines.append(ConlluLine("multi-word", form, upos, number))
        elif match[3]:
            if first != words:
                raise DataError(f"the empty node {word_id} must follow word {first}", path, number)
            lines.append(ConlluLine("empty", form, upos, number))
        else:
            words += 1
            if first != words:
                raise DataError(f"word id {first} where {words} should follow; is a line missing?", path, number)
            lines.append(ConlluLine("word", form, upos, number))
    if covered > words:
        raise DataError(f"the sentence ends at word {words}, inside a multi-word token", path, block[-1][0])
    return ConlluSentence(identifier, lines)


def conllu_block(identifier: str, text: str, words: Sequence[str], columns: Mapping[str, Sequence[str | None]]) -> str:
    """A sentence as CoNLL-U, with the blank line after it; `columns` has UPOS or keys of MISC, a value for every word.

    None is a word without a value. MISC says which words no blank follows (`SpaceAfter=No`), as the text has them.
    """
    in_one_line = re.sub(r"[\t\r\n]+", " ", text).strip(" ")
    lines = [f"# sent_id = {' '.join(identifier.split())}", f"# text = {in_one_line}"]
    end = 0
    for number, word in enumerate(words):
        begin = text.find(word, end)
        end = end if begin < 0 else begin + len(word)
        joined = number + 1 < len(words) and begin >= 0 and text.startswith(words[number + 1], end)
        misc = ["SpaceAfter=No"] if joined else []
        misc += [f"{key}={found[number]}" for key, found in columns.items() if key != "UPOS" and found[number]]
        upos = columns["UPOS"][number] if "UPOS" in columns else None
        lines.append("\t".join([str(number + 1), word, "_", upos or "_", *"_____", "|".join(misc) or "_"]))
    return "\n".join(lines) + "\n\n"
