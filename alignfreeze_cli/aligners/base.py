"""What an aligner is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.pairs.words import Words
from alignfreeze_cli.progress import Console


@dataclass(frozen=True)
class SentencePairs:
    """Consecutive sentence pairs of a corpus.

    `companions` are the lines of the aligner's companion file that belong to them, if it has one. `problems` takes
    (number of the pair in the batch, what is wrong) for companion lines that cannot be used.
    """

    source: Words
    target: Words
    companions: Sequence[str] | None = None
    problems: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.source)


class Aligner(Protocol):
    """Finds links between the words of sentence pairs of one language pair.

    An aligner is a small frozen dataclass: it is sent to the worker processes and compared there, so what is large (a
    dictionary, a model) is loaded on first use and kept outside of it.
    """

    companion: Path | None
    """A text file with one line for each line of the corpus, or None."""

    @classmethod
    def prepare(cls, settings: AlignPairsSettings, target: str, console: Console) -> tuple[Self, list[Input]]:
        """Find what is needed for a language pair; gives the aligner and its resolved inputs."""
        ...

    def check(self, batch: SentencePairs) -> None:
        """Look at the first sentence pairs of a corpus; raises DataError if the aligner cannot be meant for it."""
        ...

    def align(self, batch: SentencePairs) -> Links:
        """The links of a batch, unfiltered."""
        ...

    def described(self) -> Mapping[str, Any]:
        """What statistics.json says about the aligner: facts that explain the numbers."""
        ...
