"""What an aligner is: the protocol `Aligner`, and the sentence pairs it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.pairs.words import Words
from alignfreeze_cli.progress import Console


@dataclass(frozen=True)
class SentencePairs:
    """Consecutive sentence pairs of a corpus, cut into words.

    `companion_lines` are the lines of the aligner's companion file for these pairs, one each, if it has such a file;
    the first of them is line `companion_first` of that file, counted from 1. The aligner adds to `malformed` what it
    cannot use of them: (number of the pair in the batch, what is wrong).
    """

    source: Words
    target: Words
    companion_lines: Sequence[str] | None = None
    companion_first: int = 1
    malformed: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.source)

    def without(self, pairs: npt.NDArray[np.bool_]) -> SentencePairs:
        """The batch with those pairs, and their companion lines, empty for which the mask, (pairs,), is true."""
        source, target, lines = self.source.without(pairs), self.target.without(pairs), self.companion_lines
        if lines is not None:
            lines = ["" if left_out else line for line, left_out in zip(lines, pairs.tolist(), strict=True)]
        return replace(self, source=source, target=target, companion_lines=lines)


class Aligner(Protocol):
    """Finds links between the words of sentence pairs of one language pair.

    `prepare` makes one for a language pair, `check` looks once at the first sentence pairs, then `align` gets batch
    after batch, in several processes if there are `--workers`. So an aligner is a small frozen dataclass: it is sent to
    the worker processes, and what is large (a dictionary, a model) is loaded there when it is first needed.
    """

    @property
    def companion(self) -> Path | None:
        """A text file that is read together with the corpus, one line for each of its lines, such as a file of links.

        None for an aligner that needs the corpus only.
        """
        ...

    @classmethod
    def prepare(cls, settings: AlignPairsSettings, target: str, console: Console) -> tuple[Self, list[Input]]:
        """Find the files that the aligner needs for a language pair; gives the aligner and those files as inputs.

        Runs before anything is read or written. Raises DataError if a file is missing, HubError if it is out of reach.
        """
        ...

    def check(self, batch: SentencePairs) -> Sequence[str]:
        """Look at the first sentence pairs of a corpus; gives sentences that the user is warned with.

        Raises DataError if the aligner's files do not fit the pairs.
        """
        ...

    def align(self, batch: SentencePairs) -> Links:
        """The links of a batch, unfiltered."""
        ...

    def statistics(self) -> Mapping[str, Any]:
        """Facts about the aligner for statistics.json that explain the numbers, such as the size of a dictionary."""
        ...
