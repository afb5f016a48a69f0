"""Links between the words of sentence pairs: as arrays, as lines of Pharaoh format, and the filters they go through.

Pharaoh format: one line per sentence pair, `i-j` for every link with 0-based word positions, source first, separated by
blanks; an empty line is a pair without links. A possible link, `ipj`, is a link too; a score after it (`i-j:0.9`) is
left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alignfreeze_cli.pairs.arrays import int32_array, int32_values
from alignfreeze_cli.pairs.words import Words

_LINK = r"\d{1,9}[-p]\d{1,9}(?::[-+]?[\d.]+(?:[eE][-+]?\d+)?)?"
_PHARAOH_LINE = re.compile(rf"\s*({_LINK}(\s+|$))*")

Link = tuple[int, int]
"""Position of a source word, position of a target word, both from 0."""

Indices = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Links:
    """Links of a list of sentence pairs: link n joins word `source[n]` to word `target[n]` of pair `pair[n]`.

    All have shape (links,); `pair` ascends, and the links of one pair keep the order in which they were found.
    `scores[n]` says how sure the aligner is of link n: from 0 to 1, more is surer. None if it does not say.
    """

    pair: Indices
    source: Indices
    target: Indices
    scores: Scores | None = None

    def __len__(self) -> int:
        return len(self.pair)

    @classmethod
    def from_lists(
        cls, links: Sequence[Sequence[tuple[int, int]]], scores: Sequence[Sequence[float]] | None = None
    ) -> Links:
        """From a list of (i, j) per sentence pair, and, if there are any, a list of as many scores per pair."""
        counts = [len(found) for found in links]
        flat = np.array([link for found in links for link in found], np.int64).reshape(-1, 2)
        flat_scores = None if scores is None else np.array([score for found in scores for score in found], np.float32)
        return cls(np.repeat(np.arange(len(links)), counts), flat[:, 0], flat[:, 1], flat_scores)

    def select(self, keep: npt.NDArray[np.bool_]) -> Links:
        """The links for which `keep` is true."""
        scores = None if self.scores is None else self.scores.compress(keep)
        return Links(self.pair.compress(keep), self.source.compress(keep), self.target.compress(keep), scores)

    def counts(self, pairs: int) -> Indices:
        """Number of links of each of `pairs` sentence pairs."""
        return np.bincount(self.pair, minlength=pairs)

    def column(self, pairs: int) -> pa.ListArray:
        """As a column of the pairs folder: one list of [i, j] per sentence pair."""
        both = np.stack((self.source, self.target), axis=1).ravel()
        inner = int32_array(np.arange(0, len(both) + 1, 2))
        return pa.ListArray.from_arrays(self._bounds(pairs), pa.ListArray.from_arrays(inner, int32_array(both)))

    def scores_column(self, pairs: int) -> pa.ListArray:
        """The scores as a column of the pairs folder: one list of as many numbers as `column` has links."""
        assert self.scores is not None
        values = pa.Array.from_buffers(
            pa.float32(), len(self.scores), [None, pa.py_buffer(np.ascontiguousarray(self.scores, np.float32))]
        )
        return pa.ListArray.from_arrays(self._bounds(pairs), values)

    def _bounds(self, pairs: int) -> pa.Int32Array:
        """Where the links of each of `pairs` sentence pairs begin, and where the last ones end."""
        return int32_array(np.concatenate(([0], np.cumsum(self.counts(pairs)))))

    def to_lists(self, pairs: int) -> list[list[tuple[int, int]]]:
        """The opposite of `from_lists`, for `pairs` sentence pairs."""
        found: list[list[tuple[int, int]]] = [[] for _ in range(pairs)]
        for pair, i, j in zip(self.pair.tolist(), self.source.tolist(), self.target.tolist(), strict=True):
            found[pair].append((i, j))
        return found


def write_pharaoh(links: Links, pairs: int) -> str:
    """One line for each of `pairs` sentence pairs, each ended by a line feed."""
    lines = ["\n"] * pairs
    texts = [f"{i}-{j}" for i, j in zip(links.source.tolist(), links.target.tolist(), strict=True)]
    ends = np.cumsum(links.counts(pairs))
    start = 0
    for pair, end in enumerate(ends.tolist()):
        if end > start:
            lines[pair] = " ".join(texts[start:end]) + "\n"
            start = end
    return "".join(lines)


def parse_pharaoh(line: str) -> list[tuple[int, int]]:
    """The links of one line; raises ValueError that says what is wrong."""
    if _PHARAOH_LINE.fullmatch(line) is None:
        wrong = next((field for field in line.split() if not re.fullmatch(_LINK, field)), line.strip())
        raise ValueError(f"{wrong!r} is no link like 3-4")
    if ":" in line:
        line = re.sub(r":\S+", "", line)
    fields = line.split()
    if "p" in line:  # what is sure is often listed as possible again
        fields = list(dict.fromkeys(field.replace("p", "-") for field in fields))
    return [(int(i), int(j)) for i, _, j in (field.partition("-") for field in fields)]


@dataclass(frozen=True)
class FilteredLinks:
    """The links that the filters left, and how many each filter dropped."""

    links: Links
    low_score: int
    not_one_to_one: int
    equal_words: int


def filter_links(source: Words, target: Words, found: Links, min_score: float | None = None) -> FilteredLinks:
    """Drop the links that realignment does not use.

    First those whose score is below `min_score`, if there is one. Then, as in the published code
    (realignment_task.py), every link of a word that has more than one, so that the rest is one-to-one; and links
    between equal words (case counts), which teach the encoder nothing.
    """
    links = found
    if min_score is not None:
        assert links.scores is not None
        links = links.select(links.scores >= min_score)
    # Positions in the flat word arrays, so that one count serves all pairs.
    source_words = source.offsets[links.pair] + links.source
    target_words = target.offsets[links.pair] + links.target
    single = (np.bincount(source_words, minlength=1)[source_words] == 1) & (
        np.bincount(target_words, minlength=1)[target_words] == 1
    )
    source_words, target_words = source_words[single], target_words[single]
    equal = pc.equal(source.values.take(int32_array(source_words)), target.values.take(int32_array(target_words)))
    left = links.select(single).select(int32_values(pc.cast(equal, "int32")) == 0)
    one_to_one = int(single.sum())
    return FilteredLinks(left, len(found) - len(links), len(links) - one_to_one, one_to_one - len(left))


def count_linked(source: Words, target: Words, links: Links) -> tuple[int, int]:
    """How many words of the source sentences, and of the target sentences, have a link."""
    places = (source.offsets[links.pair] + links.source, target.offsets[links.pair] + links.target)
    linked_source, linked_target = (int(np.count_nonzero(np.bincount(each, minlength=1))) for each in places)
    return linked_source, linked_target
