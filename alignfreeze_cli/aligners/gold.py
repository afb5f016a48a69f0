"""Reading files of word links in the forms in which gold alignments are published; links are scored in scoring.py.

    Pharaoh   0-0 1p2          a line per sentence: `-` sure, `p` possible; also after a number and a tab: `7 TAB 0-0`
    NAACL     7 1 2 P          a line per link: number of the sentence, from 1; words; S or nothing: sure, P: possible
    JSON      [{"1": ["2"]}]   an object per sentence: word ids of CoNLL-U; "X": the word was looked at and has no link
    JSONL     {"src_words": [...], "tgt_words": [...], "alignment": [[0, 0]]}   an object per line, sure links only; -1
              stands for the NULL word, so that [0, -1] says that word 0 has no link

Shared tasks count words from 1, most other files from 0, and no form says which. So a file is taken to count from 0 if
it names a word 0 somewhere, and otherwise the reader must be told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from alignfreeze_cli.artifacts.files import LARGEST_JSON, parse_json
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.links import parse_pharaoh
from alignfreeze_cli.pairs.text_files import CorpusFile, corpus_file, next_lines, open_bytes, open_lines, read_start

Link = tuple[int, int]

_NAACL = re.compile(r"(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})(?:\s+([SP]))?(?:\s+[\d.]+)?")
_NUMBERED = re.compile(r"(\d{1,9})\t(.*)", re.DOTALL)
_NOBODY = "X"  # in JSON, stands for the missing partner of a word without one
_AT_A_TIME = 1_000  # lines
_MOST = 1_000_000_000  # words


@dataclass
class LinkedSentence:
    """The links of a sentence pair, words counted from 0, source first.

    `possible` are those besides the sure ones. `unlinked` are words, of source and target, of which a file says that
    they have no link. `words` are the words of both sides, where the file holds them.
    """

    sure: set[Link] = field(default_factory=set)
    possible: set[Link] = field(default_factory=set)
    unlinked: tuple[set[int], set[int]] = field(default_factory=lambda: (set(), set()))
    words: tuple[list[str], list[str]] | None = None

    @property
    def links(self) -> set[Link]:
        """All links, sure or possible."""
        return self.sure | self.possible

    def annotated(self) -> tuple[set[int], set[int]]:
        """The words, of source and target, of which the file says something: that they have a link, or that none."""
        source, target = ({link[side] for link in self.links} for side in (0, 1))
        return source | self.unlinked[0], target | self.unlinked[1]

    def swapped(self) -> LinkedSentence:
        """The same with source and target exchanged."""
        sure, possible = ({(j, i) for i, j in links} for links in (self.sure, self.possible))
        return LinkedSentence(sure, possible, self.unlinked[::-1], self.words and self.words[::-1])

    def moved(self, by: int) -> LinkedSentence:
        """The same with other numbers for the words."""
        sure, possible = ({(i + by, j + by) for i, j in links} for links in (self.sure, self.possible))
        source, target = ({word + by for word in words} for words in self.unlinked)
        return LinkedSentence(sure, possible, (source, target), self.words)


@dataclass(frozen=True)
class LinkFile:
    """A file of links: its form, the number with which it begins to count words, and its sentences from the first on.

    `numbered`: its lines, in Pharaoh format, begin with numbers of their own.
    """

    place: str
    form: str
    base: int
    sentences: list[LinkedSentence]
    numbered: bool = False


def read_links(path: Path, base: int | None = None, first: int | None = None) -> LinkFile:
    """Read a file of links; `base` is the number that it gives to the first word, `first` how many sentences to read.

    The form is told by how the file begins; it may be compressed. Raises DataError for what is in no such form, with
    its line, and for a file that may count from 0 or from 1 if `base` does not say so.
    """
    file = corpus_file(path)
    form, parse = _find_form(file)
    sentences = parse(file, first)
    numbered = form == "numbered Pharaoh"
    words = {word for sentence in sentences for link in sentence.links for word in link}
    if form == "JSON":
        if base == 0:
            raise DataError("names words by their ids in CoNLL-U, which count from 1", file.place)
        base = 1
    if base is None:
        if words and 0 not in words:
            raise DataError(
                "no link names a word 0, so its words may be counted from 0 or from 1; say which it is", file.place
            )
        base = 0
    if base == 1 and 0 in words:
        line = next(n for n, s in enumerate(sentences, 1) if any(0 in link for link in s.links))
        raise DataError(f"names a word 0 in sentence {line}, so it does not count words from 1", file.place)
    return LinkFile(file.place, form, base, [each.moved(-base) for each in sentences], numbered)


_Parser = Callable[[CorpusFile, "int | None"], list[LinkedSentence]]


def _find_form(file: CorpusFile) -> tuple[str, _Parser]:
    start = read_start(file).lstrip()
    if start.startswith("["):
        return "JSON", _read_json
    if start.startswith("{"):
        return "JSONL", _read_jsonl
    first = start.split("\n", 1)[0].strip()
    if _NAACL.fullmatch(first):
        return "NAACL", _read_naacl
    if _NUMBERED.match(start.split("\n", 1)[0]):
        return "numbered Pharaoh", _read_numbered
    return "Pharaoh", _read_pharaoh


def _lines(file: CorpusFile) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers, from 1, without what ends them."""
    with open_lines(file) as lines:
        number = 1
        while block := next_lines(lines, _AT_A_TIME, file, number):
            for line in block:
                try:
                    yield number, line.decode().rstrip("\r\n")
                except UnicodeDecodeError:
                    raise DataError("is not UTF-8", file.place, number) from None
                number += 1


def _read_pharaoh(file: CorpusFile, first: int | None) -> list[LinkedSentence]:
    sentences: list[LinkedSentence] = []
    for number, line in _lines(file):
        if first is not None and len(sentences) == first:
            break
        sentences.append(_pharaoh_sentence(line, file.place, number))
    return sentences


def _read_numbered(file: CorpusFile, first: int | None) -> list[LinkedSentence]:
    """Lines that begin with their number; the numbers must go up by one, or it would be unclear which line is which."""
    sentences: list[LinkedSentence] = []
    before = None
    for number, line in _lines(file):
        if first is not None and len(sentences) == first:
            break
        match = _NUMBERED.fullmatch(line)
        if match is None and line.strip().isdecimal():
            match = _NUMBERED.fullmatch(f"{line.strip()}\t")
        if match is None:
            raise DataError("has no number and tab before its links, as the first line has", file.place, number)
        if before is not None and int(match[1]) != before + 1:
            raise DataError(f"is numbered {int(match[1])} after {before}; is a line missing?", file.place, number)
        before = int(match[1])
        sentences.append(_pharaoh_sentence(match[2], file.place, number))
    return sentences


def _pharaoh_sentence(text: str, place: str, number: int) -> LinkedSentence:
    fields = text.split()
    try:
        sure = {link for each in fields if "p" not in each for link in parse_pharaoh(each)}
        possible = {link for each in fields if "p" in each for link in parse_pharaoh(each)}
    except ValueError as error:
        raise DataError(str(error), place, number) from None
    return LinkedSentence(sure, possible - sure)


def _read_naacl(file: CorpusFile, first: int | None) -> list[LinkedSentence]:
    sentences: list[LinkedSentence] = []
    for number, line in _lines(file):
        if not line.strip():
            continue
        match = _NAACL.fullmatch(line.strip())
        if match is None:
            raise DataError(f"{line[:40]!r} is no link like `7 1 2 S`", file.place, number)
        sentence, i, j = (int(match[part]) for part in (1, 2, 3))
        if sentence == 0:
            raise DataError("names a sentence 0; they are counted from 1", file.place, number)
        if first is not None and sentence > first:
            continue
        if sentence > number + len(sentences) + _AT_A_TIME:  # never fills the memory with sentences that are not there
            raise DataError(f"names sentence {sentence} after {len(sentences)}", file.place, number)
        sentences += [LinkedSentence() for _ in range(sentence - len(sentences))]
        here = sentences[sentence - 1]
        (here.possible if match[4] == "P" else here.sure).add((i, j))
    for each in sentences:
        each.possible -= each.sure
    return sentences


def _read_json(file: CorpusFile, first: int | None) -> list[LinkedSentence]:
    """One list for the whole file, as the alignments of the PUD treebanks are published (Nikolaev et al. 2020)."""
    with open_bytes(file) as content:
        text = content.read(LARGEST_JSON + 1)
    if len(text) > LARGEST_JSON:
        raise DataError(f"is larger than {LARGEST_JSON:,} bytes", file.place)
    try:
        found = parse_json(text)
    except ValueError as error:
        raise DataError(f"is no JSON ({error})", file.place) from None
    if not isinstance(found, list):
        raise DataError("must hold a list with one object per sentence", file.place)
    sentences = []
    for number, entry in enumerate(found[:first], 1):
        try:
            sentences.append(_json_sentence(entry))
        except ValueError as error:
            raise DataError(f"sentence {number}: {error}", file.place) from None
    return sentences


def _json_sentence(entry: Any) -> LinkedSentence:
    if not isinstance(entry, dict):
        raise ValueError(f"must be an object, not {str(entry)[:40]!r}")
    sentence = LinkedSentence()
    for word, partners in entry.items():
        if not isinstance(partners, list):
            raise ValueError(f"word {word[:40]!r} must have a list of partners")
        for partner in partners:
            if word == partner == _NOBODY:
                raise ValueError("links nothing to nothing")
            if word == _NOBODY:
                sentence.unlinked[1].add(_word_id(partner))
            elif partner == _NOBODY:
                sentence.unlinked[0].add(_word_id(word))
            else:
                sentence.sure.add((_word_id(word), _word_id(partner)))
    return sentence


def _word_id(text: Any) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise ValueError(f"{str(text)[:40]!r} is no word id of CoNLL-U")
    return int(text)


def _read_jsonl(file: CorpusFile, first: int | None) -> list[LinkedSentence]:
    sentences: list[LinkedSentence] = []
    for number, line in _lines(file):
        if first is not None and len(sentences) == first:
            break
        try:
            sentences.append(_jsonl_sentence(parse_json(line)))
        except ValueError as error:
            raise DataError(str(error), file.place, number) from None
    return sentences


def _jsonl_sentence(entry: Any) -> LinkedSentence:
    keys = ("src_words", "tgt_words", "alignment")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), list) for key in keys):
        raise ValueError(f"must be an object with the lists {', '.join(keys)}")
    source, target, links = (entry[key] for key in keys)
    if not all(isinstance(word, str) for word in chain(source, target)):
        raise ValueError("a word is no text")
    sentence = LinkedSentence(words=(source, target))
    for link in links:
        if not (isinstance(link, list) and len(link) == 2 and all(map(_is_end, link))):
            raise ValueError(f"{json.dumps(link)[:40]} is no link like [3, 4]")
        i, j = link
        if i == j == -1:
            raise ValueError("links nothing to nothing")
        if i == -1:
            sentence.unlinked[1].add(j)
        elif j == -1:
            sentence.unlinked[0].add(i)
        else:
            sentence.sure.add((i, j))
    return sentence


def _is_end(value: Any) -> bool:
    return type(value) is int and -1 <= value < _MOST


def drop_outside(sentences: Sequence[LinkedSentence], lengths: Iterable[tuple[int, int]]) -> list[tuple[int, Link]]:
    """Take out the links to words that are not there, in place; gives them with the number of their sentence, from 1.

    `lengths`: number of words of source and target of each sentence.
    """
    outside: list[tuple[int, Link]] = []
    for number, (sentence, (source, target)) in enumerate(zip(sentences, lengths, strict=True), 1):
        wrong = {(i, j) for i, j in sentence.links if i >= source or j >= target}
        sentence.sure -= wrong
        sentence.possible -= wrong
        outside += [(number, link) for link in sorted(wrong)]
    return outside
