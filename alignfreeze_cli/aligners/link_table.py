"""How often words are linked in a whole text, and the score of a link that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alignfreeze_cli.aligners.fit_text import Keys
from alignfreeze_cli.pairs.links import Scores

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LinkTable:
    """Links of a text, counted by the two words, by the source word and by the target word.

    Words are known by 64-bit keys, two words by a key made of theirs. All keys ascend.
    """

    pair_keys: Keys
    pair_counts: Counts
    source_keys: Keys
    source_counts: Counts
    target_keys: Keys
    target_counts: Counts

    @classmethod
    def count(cls, source: Keys, target: Keys) -> LinkTable:
        """The table of links whose words have these keys, both (links,)."""
        return cls(
            *np.unique(_joined(source, target), return_counts=True),
            *np.unique(source, return_counts=True),
            *np.unique(target, return_counts=True),
        )

    def scores(self, source: Keys, target: Keys) -> Scores:
        """The score of links whose words have these keys, (links,): c / sqrt((s + 1) (t + 1)), at least 0, below 1.

        c says how often the two words are linked, s and t how often each of them is linked to any word. So it is the
        geometric mean of the two lexical translation probabilities, c / s and c / t (Koehn, Och and Marcu 2003,
        section 3.4), but for the ones, which let what was seen once count for less than what was seen often.
        """
        together = _looked_up(self.pair_keys, self.pair_counts, _joined(source, target))
        apart = [
            1.0 + _looked_up(keys, counts, found)
            for keys, counts, found in (
                (self.source_keys, self.source_counts, source),
                (self.target_keys, self.target_counts, target),
            )
        ]
        return (together / np.sqrt(apart[0] * apart[1])).astype(np.float32)

    def knows(self, source: Keys, target: Keys) -> tuple[int, int]:
        """How many of these words were linked as source words, and how many as target words."""
        return int(np.isin(source, self.source_keys).sum()), int(np.isin(target, self.target_keys).sum())

    def save(self, folder: Path) -> None:
        for each in fields(self):
            np.save(folder / f"{each.name}.npy", getattr(self, each.name))

    @classmethod
    def load(cls, folder: Path) -> LinkTable:
        """Map the files into memory. Raises ValueError, EOFError or OSError for files that hold no table."""
        arrays: list[Any] = [
            np.load(folder / f"{each.name}.npy", mmap_mode="r", allow_pickle=False) for each in fields(cls)
        ]
        for keys, counts in zip(arrays[::2], arrays[1::2], strict=True):
            if not (isinstance(keys, np.ndarray) and isinstance(counts, np.ndarray) and keys.shape == counts.shape):
                raise ValueError("keys and counts do not belong together")
            if keys.ndim != 1 or keys.dtype != np.uint64 or counts.dtype != np.int64:
                raise ValueError("no keys and counts")
        return cls(*arrays)


_ODD = np.uint64(0x9E3779B97F4A7C15)


def _joined(source: Keys, target: Keys) -> Keys:
    """One key for two words; the order counts."""
    with np.errstate(over="ignore"):
        return source * _ODD + target


def _looked_up(keys: Keys, counts: Counts, wanted: Keys) -> Counts:
    """The count of each wanted key, 0 for one that is not there."""
    if len(keys) == 0:
        return np.zeros(len(wanted), np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, counts[place], 0)
