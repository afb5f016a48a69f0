"""Links made by another tool, in Pharaoh format: line k of the file belongs to line k of the corpus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from alignfreeze_cli.aligners.base import SentencePairs
from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input, resolve_files
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.links import Links, parse_pharaoh
from alignfreeze_cli.pairs.settings import fill
from alignfreeze_cli.pairs.text_files import corpus_file, open_lines
from alignfreeze_cli.progress import Console


@dataclass(frozen=True)
class PharaohAligner:
    """A file of links. It must count words as `words`, a rule of `--words`, cuts them.

    `from_0`: some link of the file names word 0, so that it can't be one that counts words from 1.
    """

    scored: ClassVar[bool] = False

    companion: Path | None
    words: str = "blank"
    from_0: bool = True

    @classmethod
    def prepare(cls, settings: AlignPairsSettings, target: str, console: Console) -> tuple[Self, list[Input]]:
        """Find the file; raises DataError if there is none, or it is a damaged archive."""
        template = settings.links or ""
        path = Path(fill(template, settings.source, target)).expanduser()
        found = resolve_files(f"links {target}", template, [path])
        return cls(path, settings.word_rule, _names_word_0(path)), [found]

    def fit(self, batches: Iterator[SentencePairs], folder: Path, console: Console) -> Self:
        """Nothing to learn: the links are there."""
        return self

    def check(self, batch: SentencePairs) -> list[str]:
        """Nothing to check in advance: `align` checks every line."""
        return []

    def align(self, batch: SentencePairs) -> Links:
        """Parse the lines; one that is malformed or names a word that is not there is reported and gives no link.

        Raises DataError if the links seem to count words from 1.
        """
        assert batch.companion_lines is not None
        assert batch.position is not None
        source, target = batch.source.lengths.tolist(), batch.target.lengths.tolist()
        found: list[list[tuple[int, int]]] = []
        for number, line in enumerate(batch.companion_lines):
            links: list[tuple[int, int]] = []
            try:
                links = parse_pharaoh(line)
                for i, j in links:
                    if i >= source[number] or j >= target[number]:
                        if not self.from_0 and (i == source[number] > 0 or j == target[number] > 0):
                            self._refuse_from_1(f"{i}-{j}", batch.position + number)
                        raise ValueError(
                            f"{i}-{j} is outside a pair of {source[number]} and {target[number]} words, as --words "
                            f"{self.words} cuts them"
                        )
            except ValueError as error:
                batch.malformed.append((number, str(error)))
                links = []
            found.append(links)
        return Links.from_lists(found)

    def _refuse_from_1(self, link: str, line: int) -> None:
        raise DataError(
            f"its links seem to count words from 1: none names a word 0, and {link} names the word after the last; "
            "subtract 1 from every number, as Pharaoh format counts from 0, or, if they were made with other words "
            f"than those of --words {self.words}, give that rule",
            self.companion,
            line,
        )

    def statistics(self) -> dict[str, Any]:
        return {}


_WORD_0 = re.compile(rb"(?:^|\s)(?:0+[-p]\d|\d+[-p]0+(?![0-9]))")


def _names_word_0(path: Path) -> bool:
    """Whether any link of a file names the word 0: mostly answered by its first lines."""
    with open_lines(corpus_file(path)) as lines:
        return any(_WORD_0.search(line) for line in lines)
