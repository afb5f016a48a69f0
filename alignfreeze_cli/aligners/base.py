"""What an aligner is: the protocol `Aligner`, and the sentence pairs it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.artifacts import Input
from alignfreeze_cli.pairs.links import Links
from alignfreeze_cli.pairs.words import Words
from alignfreeze_cli.progress import Console

MODEL = "model"
"""In the folder of a fitted aligner, the folder of what `--save-aligner` keeps."""


@dataclass(frozen=True)
class SentencePairs:
    """Consecutive sentence pairs of a corpus, cut into words.

    The first of them is number `position` of the language pair's corpora, counted from 1; None if these pairs are no
    stretch of the corpora. `companion_lines` are the lines of the aligner's companion file for these pairs, one each,
    if it has such a file; the first of them is line `position`. The aligner adds to `malformed` what it cannot use of
    them: (number of the pair in the batch, what is wrong); and to `too_long` the numbers of the pairs that it has given
    no links because they are longer than it can take.
    """

    source: Words
    target: Words
    position: int | None = None
    companion_lines: Sequence[str] | None = None
    malformed: list[tuple[int, str]] = field(default_factory=list)
    too_long: list[int] = field(default_factory=list)

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

    `prepare` makes one for a language pair, `fit` lets it learn from the whole text, `check` looks once at the first
    sentence pairs of a corpus, then `align` gets batch after batch, in several processes if there are `--workers`. So
    an aligner is a small frozen dataclass: it is sent to the worker processes, and what is large (a dictionary, a
    model) is loaded there when it is first needed.
    """

    scored: ClassVar[bool]
    """Whether the links that `align` gives have scores."""

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

    def fit(self, batches: Iterator[SentencePairs], folder: Path, console: Console) -> Self:
        """Learn from all sentence pairs of the language pair; gives the aligner that links them.

        An aligner that has nothing to learn gives itself, and reads no batch. Files that `align` needs go into the
        `folder`, which is empty and is removed when the pairs are written; what `--save-aligner` is to keep goes into
        the folder `MODEL` in it.
        """
        ...

    def check(self, batch: SentencePairs) -> Sequence[str]:
        """Look at the first sentence pairs of a corpus; gives sentences that the user is warned with.

        Raises DataError if the aligner's files do not fit the pairs.
        """
        ...

    def align(self, batch: SentencePairs) -> Links:
        """The links of a batch, unfiltered, with scores if the aligner is `scored`.

        Pairs without a `position` are lines of two files, shifted to see whether they fit better then. If their links
        have scores, the mean of these tells, otherwise the number of links.
        """
        ...

    def statistics(self) -> Mapping[str, Any]:
        """Facts about the aligner for statistics.json that explain the numbers, such as the size of a dictionary."""
        ...
