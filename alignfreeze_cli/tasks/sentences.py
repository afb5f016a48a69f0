"""Sentences of a file, as words: plain text with a sentence in each line, or a treebank with the words' tags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.conllu import read_conllu
from alignfreeze_cli.tasks.data import numbered_lines

TREEBANK = ".conllu"
NO_TAG = "_"


class TaggedSentence(NamedTuple):
    """Words, and in a treebank the tag of each; `_` for a word that has none."""

    words: list[str]
    tags: list[str]


def read_sentences(path: Path) -> Iterator[TaggedSentence]:
    """The sentences of a file, those of a treebank (`.conllu`) with tags, others cut at blanks.

    Blank lines of plain text are passed over. Raises DataError for files that can't be read, and empty ones.
    """
    if path.suffix == TREEBANK:
        for sentence in read_conllu(path):
            lines = [line for line in sentence.lines if line.kind == "word"]
            yield TaggedSentence([line.form for line in lines], [line.upos for line in lines])
        return
    found = False
    for _, line in numbered_lines(path):
        if words := line.split():
            found = True
            yield TaggedSentence(words, [])
    if not found:
        raise DataError("holds no sentence", path)
