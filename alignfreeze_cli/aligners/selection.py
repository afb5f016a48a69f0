"""Which lines of a language pair's corpora are aligned: what only reading all of them before tells (`--keep-best`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alignfreeze_cli.pairs.chunks import Chunk, parse_chunk
from alignfreeze_cli.pairs.counts import LEFT_OUT
from alignfreeze_cli.progress import ProgressBar


@dataclass(frozen=True)
class Selection:
    """The code of the filter that leaves each line out (`LEFT_OUT`), (lines,); and the least score that is kept."""

    left_out: npt.NDArray[np.uint8]
    threshold: float | None

    def mark(self, chunk: Chunk, start: int) -> bytes:
        """What `Chunk.left_out` is for a chunk whose first line is number `start` of all corpora, counted from 0."""
        return self.left_out[start : start + chunk.count].tobytes()


def keep_best(chunks: Iterable[Chunk], share: float, progress: ProgressBar) -> Selection:
    """Leave out all but the best pairs, by the scores of the corpora.

    What reaches the percentile 1 - `share` of the scores is kept, as in the paper (appendix C.1), so all pairs with the
    lowest of the scores that are kept are. Pairs without a score (an empty side, a malformed line) do not count.
    """
    found = []
    for chunk in chunks:
        scores = parse_chunk(chunk).scores
        assert scores is not None
        found.append(scores)
        progress.advance(chunk.count)
    scores = np.concatenate([np.zeros(0), *found])
    known = scores[~np.isnan(scores)]
    threshold = float(np.quantile(known, 1 - share, method="higher")) if len(known) else None
    left_out = np.zeros(len(scores), np.uint8)
    left_out[scores < (-np.inf if threshold is None else threshold)] = LEFT_OUT["keep-best"]
    return Selection(left_out, threshold)
