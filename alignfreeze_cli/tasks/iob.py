"""Reader of files that give one word and its entity tag per line, in the column orders that are in use.

A blank line ends a sentence. What the columns hold is decided once per file:

1. If the file has a tab anywhere, tabs separate the columns, else runs of spaces.
2. If tabs separate them, and in every sentence the first of three or more columns counts the words from 1, the columns
   are number, word, tag and others (Universal NER, GermEval). Only in such files does `#` begin a comment.
3. In all other files the word is the first column and the tag the last one (WikiANN and PAN-X with two columns,
   CoNLL-2002 and CoNLL-2003 with up to five). A line that begins with `#` is a word. Lines `-DOCSTART-` are left out.
4. If every word of the file begins with the same language code and a colon (`en:Paris`, as in WikiANN's original
   files), these are removed.

IOB1 and IOB2 tags are read alike: an I-X that continues no X becomes B-X. In IOB1 that is its meaning; in IOB2 it
should not occur, but does, rarely, in WikiANN, and seqeval counts it as the beginning of an entity. So the scheme need
not be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.conllu import SENTENCE_ID
from alignfreeze_cli.tasks.data import line_blocks
from alignfreeze_cli.tasks.tagging import TaggedSentence

OUTSIDE = "O"
DOCUMENT_START = "-DOCSTART-"
_LANGUAGE_CODE = re.compile(r"[a-z]{2,}(?:-[a-z]+)*:")

NumberedColumns = tuple[int, list[str]]
"""A line of a file, counted from 1, cut into its columns."""


def read_iob(path: Path, tags: Sequence[str]) -> list[TaggedSentence]:
    """The sentences of a file with their tags in IOB2; `tags` are those allowed.

    The identifier of a sentence is its `sent_id` or its number in the file, counted from 1. Raises DataError with file
    and line: for a tag that is not allowed, lines of different numbers of columns, words without tags, a file without a
    sentence, and what `numbered_lines` refuses.
    """
    blocks, tabs = _blocks_of_columns(path)
    counted = tabs and _is_counted(blocks)
    word_column, tag_column = (1, 2) if counted else (0, -1)
    sentences: list[TaggedSentence] = []
    width = 0
    for block in blocks:
        identifier = ""
        words: list[str] = []
        found: list[str] = []
        for number, columns in block:
            if counted and columns[0].startswith("#"):
                match = SENTENCE_ID.match(columns[0])
                identifier = match[1].strip() if match else identifier
                continue
            if not counted and columns[0] == DOCUMENT_START:
                continue
            width = width or len(columns)
            _check_width(columns, width, path, number)
            word, tag = columns[word_column], columns[tag_column]
            # An ideographic space is a word where a language is split into characters.
            if not word.strip(" "):
                raise DataError("the word is empty", path, number)
            if tag not in tags:
                raise DataError(_unknown_tag(tag, word, tags), path, number)
            words.append(word)
            found.append(tag)
        if words:
            sentences.append(TaggedSentence(identifier or str(len(sentences) + 1), words, as_iob2(found)))
    if not sentences:
        raise DataError("holds no sentence; a file with one word and its tag per line is needed", path)
    return _without_language_codes(sentences)


def as_iob2(tags: Sequence[str]) -> list[str]:
    """Tags of a sentence in which every entity begins with a B: an I-X that continues no X becomes B-X."""
    found = []
    before = OUTSIDE
    for tag in tags:
        begins = tag.startswith("I-") and before[2:] != tag[2:]
        found.append(f"B-{tag[2:]}" if begins else tag)
        before = tag
    return found


def _blocks_of_columns(path: Path) -> tuple[list[list[NumberedColumns]], bool]:
    """The lines between blank ones, cut into columns, and whether tabs separate them."""
    blocks = list(line_blocks(path))
    tabs = any("\t" in text for block in blocks for _, text in block)

    def columns(text: str) -> list[str]:
        # Only the space separates: words may hold other white space, a no-break space for instance.
        return text.split("\t") if tabs else [column for column in text.split(" ") if column]

    return [[(number, columns(text)) for number, text in block] for block in blocks], tabs


def _is_counted(blocks: Sequence[Sequence[NumberedColumns]]) -> bool:
    """Whether the first of at least three columns counts the words of each sentence; lines with # may be comments."""
    counts = False
    for block in blocks:
        words = [columns for _, columns in block if not columns[0].startswith("#")]
        if any(len(columns) < 3 or columns[0] != str(place) for place, columns in enumerate(words, 1)):
            return False
        counts = counts or bool(words)
    return counts


def _check_width(columns: Sequence[str], width: int, path: Path, number: int) -> None:
    if len(columns) == 1:
        raise DataError(f"there is a word without a tag ({columns[0][:40]!r}); labelled data is needed", path, number)
    if len(columns) != width:
        raise DataError(
            f"this line has {len(columns)} columns, the lines before it have {width}: {' '.join(columns)[:60]!r}",
            path,
            number,
        )


def _unknown_tag(tag: str, word: str, tags: Sequence[str]) -> str:
    if tag.strip() in ("", "_", "-"):
        return f"the word {word!r} has no tag; labelled data is needed"
    return tag_complaint(tag[:40], tags)


def tag_complaint(tag: str, tags: Sequence[str]) -> str:
    """What is wrong with a tag that is not among those allowed."""
    known = listed(tags, most=len(tags))
    return f"{tag!r} is not one of the tags {known}; --entity-types names the types of entities" + nearest(tag, tags)


def _without_language_codes(sentences: list[TaggedSentence]) -> list[TaggedSentence]:
    """The same without the language code before every word, if there is one."""
    match = _LANGUAGE_CODE.match(sentences[0].words[0])
    if not match or not all(word.startswith(match[0]) for sentence in sentences for word in sentence.words):
        return sentences
    # A word that is nothing but the code is left as it is.
    return [
        TaggedSentence(each.identifier, [word.removeprefix(match[0]) or word for word in each.words], each.labels)
        for each in sentences
    ]
