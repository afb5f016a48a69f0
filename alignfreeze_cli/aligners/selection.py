"""Which lines of a language pair's corpora are aligned, as far as all of them have to be read before to know it.

`--keep-best` needs the scores of all pairs, from a column or an encoder; `--filter similarity` what unrelated sentences
have in common. Both are found out in one reading, before the lines go to the processes that align.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.arrays import int32_array
from alignfreeze_cli.pairs.chunks import Chunk, ParsedChunk, parse_chunk
from alignfreeze_cli.pairs.counts import LEFT_OUT
from alignfreeze_cli.pairs.settings import CorpusSettings
from alignfreeze_cli.progress import Console, ProgressBar

if TYPE_CHECKING:
    from alignfreeze_cli.encoder.sentences import SentenceEncoder

Scores = npt.NDArray[np.floating[Any]]

UNRELATED = 0.05
"""Share of unrelated sentences that may be taken for translations.

With multilingual-e5-small and 300 lines each in six languages, this leaves out none of the right pairs of NTREX, and 0
to 7 % of those of Tatoeba, which are short; 0.01 would leave out up to 1 %, and 2 to 15 %. A fixed cosine does not do:
half of the unrelated sentences of Tatoeba are above 0.8, but few of those of NTREX.
"""

FEWEST = 100
"""Pairs of unrelated sentences by which it is judged how alike such sentences are."""

_AT_ONCE = 1_024  # lines


@dataclass(frozen=True)
class Selection:
    """The code of the filter that leaves each line out (`LEFT_OUT`), (lines,).

    And filter -> the least score that a pair needed.
    """

    left_out: npt.NDArray[np.uint8]
    thresholds: dict[str, float]

    def mark(self, chunk: Chunk, start: int) -> bytes:
        """What `Chunk.left_out` is for a chunk whose first line is number `start` of all corpora, counted from 0."""
        return self.left_out[start : start + chunk.count].tobytes()


def select(
    chunks: Iterable[Chunk], settings: CorpusSettings, name: str, encoder: SentenceEncoder | None, console: Console
) -> Selection:
    """Read the corpora of the language pair `name`, and leave out what `--keep-best` and `--filter similarity` say.

    Of memory, a pair takes 8 bytes for each kind of score. Raises DataError if there are too few lines to tell how
    alike unrelated sentences are.
    """
    columns, cosines, unrelated = [np.zeros(0)], [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    with console.progress(f"{'comparing' if encoder else 'reading the scores of'} {name}", unit="lines") as progress:
        for chunk in chunks:
            parsed = parse_chunk(chunk)
            if parsed.scores is not None:
                columns.append(parsed.scores)
            if encoder is None:
                progress.advance(chunk.count)
            else:
                own, others = _similarities(parsed, encoder, progress)
                cosines.append(own)
                unrelated.append(others)
    similarity: Scores = np.concatenate(cosines)
    scores: Scores = similarity if settings.score_column is None else np.concatenate(columns)
    left_out, thresholds = np.zeros(len(scores), np.uint8), dict[str, float]()
    if settings.keep_best is not None and (known := scores[~np.isnan(scores)]).size:
        thresholds["keep-best"] = _reached_by(settings.keep_best, known)
        left_out[scores < thresholds["keep-best"]] = LEFT_OUT["keep-best"]
    if "similarity" in settings.filter:
        least = settings.min_similarity
        thresholds["similarity"] = _unlike(np.concatenate(unrelated), name) if least is None else least
        left_out[(left_out == 0) & (similarity < thresholds["similarity"])] = LEFT_OUT["similarity"]
    return Selection(left_out, thresholds)


def _reached_by(share: float, scores: Scores) -> float:
    """The score that at least this share of the pairs reaches, as exactly as can be: a percentile.

    So the paper's quality filter (appendix C.1) says which pairs it keeps. All pairs with this very score are kept.
    """
    return float(np.quantile(scores, 1 - share, method="higher"))


def _unlike(cosines: Scores, name: str) -> float:
    """How alike two sentences must be not to be taken for unrelated ones, whose cosines, (pairs,), are given."""
    if len(cosines) < FEWEST:
        raise DataError(
            f"has only {len(cosines)} pairs by which to tell how alike unrelated sentences are, and needs {FEWEST}; "
            "give --min-similarity",
            name,
        )
    return float(np.quantile(cosines, 1 - UNRELATED))


def _similarities(parsed: ParsedChunk, encoder: SentenceEncoder, progress: ProgressBar) -> tuple[Scores, Scores]:
    """The cosine of the two sides of each line, (lines,), NaN where one is empty; and those of unrelated sentences.

    The latter are each source and the target half of the lines further on, unless two of their sides are the same.
    """
    own, unrelated = np.full(len(parsed.source), np.nan, np.float32), []
    for first in range(0, len(own), _AT_ONCE):
        there = first + np.flatnonzero(~parsed.empty[first : first + _AT_ONCE])
        texts = [side.take(int32_array(there)).to_pylist() for side in (parsed.source, parsed.target)]
        source, target = (encoder.vectors(side) for side in texts)  # both (pairs, width), of length 1
        own[there] = (source * target).sum(axis=1)
        other = np.roll(np.arange(len(there)), -(len(there) // 2))
        differ = np.array([all(side[i] != side[j] for side in texts) for i, j in enumerate(other.tolist())], bool)
        unrelated.append((source * target[other]).sum(axis=1)[differ])
        progress.advance(min(_AT_ONCE, len(own) - first))
    return own, np.concatenate(unrelated)
