"""Reader of files that give one word and its entity tag per line, in the column orders that are in use.

A blank line ends a sentence. What the columns hold is decided once per file, by looking through it before it is read:

1. If the file has a tab anywhere, tabs separate the columns, else runs of spaces.
2. If tabs separate them, and in every sentence the first of three or more columns counts the words from 1, the columns
   are number, word, tag and others (Universal NER, GermEval). Only in such files does `#` begin a comment.
3. In all other files the word is the first column and the tag the last one (WikiANN and PAN-X with two columns,
   CoNLL-2002 and CoNLL-2003 with up to five). A line that begins with `#` is a word. Lines `-DOCSTART-` are left out.
4. If every word of the file begins with the same language code and a colon (`en:Paris`, as in WikiANN's original
   files), these are removed.

5. If every sentence begins with a line `# id …` (MultiCoNER), these are comments.

IOB1 and IOB2 tags are read alike: an I-X that continues no X becomes B-X. In IOB1 that is its meaning; in IOB2 it
should not occur, but does, rarely, in WikiANN, and seqeval counts it as the beginning of an entity. So these two need
not be told apart. Schemes with tags for the last word of an entity and for a single one (`SCHEMES`) are converted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.phrases import listed
from alignfreeze_cli.settings import nearest
from alignfreeze_cli.tasks.base import Warn, log_warning
from alignfreeze_cli.tasks.conllu import SENTENCE_ID
from alignfreeze_cli.tasks.data import line_blocks
from alignfreeze_cli.tasks.tagging import TaggedSentence

OUTSIDE = "O"
SCHEMES = {
    "BILOU": {"L": "I", "U": "B"},
    "BIOES": {"E": "I", "S": "B"},
    "BMES": {"M": "I", "E": "I", "S": "B"},
}
"""What the tags of other schemes are in IOB2: L and E end an entity, U and S are one, M is inside."""

DOCUMENT_START = "-DOCSTART-"
_LANGUAGE_CODE = re.compile(r"[a-z]{2,}(?:-[a-z]+)*:")
_MULTICONER_ID = re.compile(r"# id (\S+)(?:\s+domain=\S+)?")

NumberedColumns = tuple[int, list[str]]
"""A line of a file, counted from 1, cut into its columns."""


@dataclass(frozen=True)
class _Layout:
    """What the columns of a file hold."""

    tabs: bool  # they separate the columns, not spaces
    identified: bool  # every sentence begins with its id in MultiCoNER
    counted: bool  # the first column counts the words, the third has the tags
    scheme: str | None  # of the tags

    @property
    def word_and_tag(self) -> tuple[int, int]:
        """Their columns."""
        return (1, 2) if self.counted else (0, -1)


def read_iob(path: Path, tags: Sequence[str], warn: Warn = log_warning) -> Iterator[TaggedSentence]:
    """The sentences of a file with their tags in IOB2, one by one; `tags` are those allowed.

    The identifier of a sentence is its `sent_id`, its id in MultiCoNER, or its number in the file, counted from 1. That
    tags were converted is said once. Raises DataError with file and line: for a tag that is not allowed, lines of
    different numbers of columns, words without tags, a file without a sentence, and what `numbered_lines` refuses.
    """
    layout = _layout_of(path, tags)
    code = _language_code(_sentences(path, tags, layout))
    number = 0
    for number, each in enumerate(_sentences(path, tags, layout), start=1):
        # A word that is nothing but the code is left as it is.
        words = [word.removeprefix(code) or word for word in each.words]
        yield TaggedSentence(each.identifier or str(number), words, each.labels)
    if not number:
        raise DataError("holds no sentence; a file with one word and its tag per line is needed", path)
    if layout.scheme:
        warn(conversion_note(path, layout.scheme))


def _sentences(path: Path, tags: Sequence[str], layout: _Layout) -> Iterator[TaggedSentence]:
    """The sentences with their words as they are in the file; the identifier is empty where the file has none."""
    word_column, tag_column = layout.word_and_tag
    known = {*tags, *(_foreign_tags(tags, layout.scheme) if layout.scheme else ())}
    width = 0
    for identifier, block in _blocks(path, layout.tabs, layout.identified):
        words: list[str] = []
        tagged: list[str] = []
        for number, columns in block:
            if layout.counted and columns[0].startswith("#"):
                match = SENTENCE_ID.match(columns[0])
                identifier = match[1].strip() if match else identifier
                continue
            if not layout.counted and columns[0] == DOCUMENT_START:
                continue
            width = width or len(columns)
            _check_width(columns, width, path, number)
            word, tag = columns[word_column], columns[tag_column]
            # An ideographic space is a word where a language is split into characters.
            if not word.strip(" "):
                raise DataError("the word is empty", path, number)
            if tag not in known:
                raise DataError(_unknown_tag(tag, word, tags), path, number)
            words.append(word)
            tagged.append(tag)
        if words:
            yield TaggedSentence(identifier, words, as_iob2(tagged, layout.scheme))


def scheme_of(found: Iterable[str], tags: Sequence[str]) -> str | None:
    """The scheme, other than IOB1 and IOB2, that has all the tags of a file that are not allowed; None if none has.

    `tags` are those allowed, in IOB2.
    """
    others = {tag for tag in set(found) - set(tags) if tag[1:2] == "-" and f"B{tag[1:]}" in tags}
    fitting = (name for name in SCHEMES if others and others <= _foreign_tags(tags, name))
    return next(fitting, None)


def conversion_note(path: Path, scheme: str) -> str:
    """What is said of a file in another scheme."""
    pairs = listed((f"{theirs}-X as {ours}-X" for theirs, ours in SCHEMES[scheme].items()))
    return f"{path.name}: the tags are in the scheme {scheme}; they are read as IOB2 ({pairs})."


def as_iob2(tags: Sequence[str], scheme: str | None = None) -> list[str]:
    """Tags of a sentence in which every entity begins with a B: an I-X that continues no X becomes B-X.

    In a scheme of `SCHEMES` nothing continues an entity that has ended.
    """
    theirs = SCHEMES[scheme] if scheme else {}
    found = []
    before = ""  # the type of the entity that may go on
    for tag in tags:
        kind, name = tag[:1], tag[2:]
        ours = theirs.get(kind, kind)
        if ours == "I" and before != name:
            ours = "B"
        found.append(f"{ours}-{name}" if name else tag)
        before = "" if kind in theirs and kind != "M" else name
    return found


def _foreign_tags(tags: Sequence[str], scheme: str) -> set[str]:
    """The tags that a scheme has and IOB2 has not."""
    return {f"{kind}-{tag[2:]}" for tag in tags if tag != OUTSIDE for kind in SCHEMES[scheme]}


def _layout_of(path: Path, tags: Sequence[str]) -> _Layout:
    identified = True
    tabs_in_first_lines = tabs_elsewhere = False
    for (_, first), *others in line_blocks(path):
        identified = identified and _MULTICONER_ID.fullmatch(first.strip()) is not None
        tabs_in_first_lines = tabs_in_first_lines or "\t" in first
        tabs_elsewhere = tabs_elsewhere or any("\t" in text for _, text in others)
    tabs = tabs_elsewhere or (tabs_in_first_lines and not identified)
    counted = tabs and _is_counted(block for _, block in _blocks(path, tabs, identified))
    _, column = _Layout(tabs, identified, counted, None).word_and_tag
    lines = chain.from_iterable(block for _, block in _blocks(path, tabs, identified))
    scheme = scheme_of((columns[column] for _, columns in lines if len(columns) > column), tags)
    return _Layout(tabs, identified, counted, scheme)


def _blocks(path: Path, tabs: bool, identified: bool) -> Iterator[tuple[str, list[NumberedColumns]]]:
    """The lines between blank ones, cut into columns, and their MultiCoNER id, if every block has one."""
    for block in line_blocks(path):
        match = _MULTICONER_ID.fullmatch(block[0][1].strip()) if identified else None
        identifier, lines = (match[1], block[1:]) if match else ("", block)
        # Only the space separates: words may hold other white space, a no-break space for instance.
        split = [
            (number, text.split("\t") if tabs else [column for column in text.split(" ") if column])
            for number, text in lines
        ]
        yield identifier, split


def _is_counted(blocks: Iterable[Sequence[NumberedColumns]]) -> bool:
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


def _language_code(sentences: Iterator[TaggedSentence]) -> str:
    """The language code before every word, with its colon; empty if there is none."""
    words = chain.from_iterable(sentence.words for sentence in sentences)
    first = next(words, "")
    match = _LANGUAGE_CODE.match(first)
    return match[0] if match and all(word.startswith(match[0]) for word in words) else ""
