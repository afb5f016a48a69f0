"""Which pair of which language is drawn when: a function of the seed and the settings, known before the first step.

round-robin    one pair of each language in turn; a language that has run out starts again in a new order, alone
proportional   each language as often as its share of all pairs
published      in turn, but the stream ends when one language is asked for a pair more than it has, uses what it
               has gathered as a last, smaller batch, and then repeats in the same order (reference, section 3:
               with 581 usable Tamil pairs the published runs saw under 20,000 distinct pairs)
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SAMPLINGS = ("round-robin", "published", "proportional")


def random(seed: int, purpose: str, *more: int) -> np.random.Generator:
    """A generator of its own for every purpose, so that one more use of chance does not move the others."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *more])


@dataclass(frozen=True)
class Usage:
    """How much of a language a run sees."""

    language: str
    usable: int  # pairs to draw from
    drawn: int  # draws, repeats counted
    distinct: int  # different pairs among them

    @property
    def passes(self) -> float:
        return self.drawn / self.usable if self.usable else 0.0


@dataclass
class Schedule:
    """The draws of a whole run. Draw k takes the `turns[k]`-th pair (0-based, over all passes) of a language."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]  # usable pairs per language
    languages: NDArray[np.int32]  # (draws,) index into names
    turns: NDArray[np.int64]  # (draws,)
    starts: NDArray[np.int64]  # (steps + 1,) first draw of each step
    seed: int
    same_order: bool  # published: every pass in the order of the first
    _orders: dict[int, tuple[int, NDArray[np.int64]]] = field(default_factory=dict, repr=False)

    @property
    def steps(self) -> int:
        return len(self.starts) - 1

    def batch(self, step: int) -> list[tuple[int, int]]:
        """The (language, pair) numbers drawn at a step; pairs count from 0 within their language."""
        draws = range(self.starts[step], self.starts[step + 1])
        return [self._pair(int(self.languages[k]), int(self.turns[k])) for k in draws]

    def usage(self) -> list[Usage]:
        drawn = np.bincount(self.languages, minlength=len(self.names)).tolist()
        reached = np.zeros(len(self.names), dtype=np.int64)
        np.maximum.at(reached, self.languages, self.turns + 1)
        distinct = np.minimum(reached, self.sizes).tolist()
        return [Usage(*row) for row in zip(self.names, self.sizes, drawn, distinct, strict=True)]

    def _pair(self, language: int, turn: int) -> tuple[int, int]:
        repeat, position = divmod(turn, self.sizes[language])
        if self.same_order:
            repeat = 0
        kept = self._orders.get(language)
        if kept is None or kept[0] != repeat:
            generator = random(self.seed, f"order {self.names[language]}", repeat)
            kept = self._orders[language] = (repeat, generator.permutation(self.sizes[language]))
        return language, int(kept[1][position])


def pass_length(sampling: str, sizes: Sequence[int]) -> int:
    """Pairs in one pass: all of them, or, as published, those before the first language has run out."""
    if sampling == "published":
        return min(size * len(sizes) + number for number, size in enumerate(sizes))
    return sum(sizes)


def steps_for(sampling: str, sizes: Sequence[int], batch_size: int, epochs: float) -> int:
    """Optimizer steps for so many passes, the last one rounded up; as published each pass ends its last batch."""
    per_pass = pass_length(sampling, sizes) / batch_size
    if sampling == "published":
        per_pass = -(-pass_length(sampling, sizes) // batch_size)
    return max(1, int(np.ceil(round(per_pass * epochs, 9))))


def schedule(
    sampling: str,
    names: Sequence[str],
    sizes: Sequence[int],
    steps: int,
    batch_size: int,
    seed: int,
    weights: Sequence[float] | None = None,
) -> Schedule:
    """Plan `steps` batches of `batch_size` pairs. `sizes`: usable pairs per language, each at least 1.

    `weights`: shares for `proportional` where `sizes` are only samples of the languages (default: the sizes).
    """
    count = len(sizes)
    total = steps * batch_size
    starts = np.arange(0, total + 1, batch_size, dtype=np.int64)
    if sampling == "published":
        length = pass_length(sampling, sizes)
        per_pass = -(-length // batch_size)
        whole, rest = divmod(np.arange(steps + 1, dtype=np.int64), per_pass)
        starts = whole * length + np.minimum(rest * batch_size, length)
        place = np.arange(starts[-1], dtype=np.int64) % length
        languages, turns = place % count, place // count
    elif sampling == "proportional":
        shares = np.asarray(sizes if weights is None else weights, dtype=np.float64)
        languages = _apportion(shares / shares.sum(), total)
        random(seed, "proportional").shuffle(languages)
        turns = _occurrence(languages, count)
    else:
        draws = np.arange(total, dtype=np.int64)
        languages, turns = draws % count, draws // count
    return Schedule(
        tuple(names), tuple(sizes), languages.astype(np.int32), turns, starts, seed, sampling == "published"
    )


def _apportion(shares: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """`total` language numbers, sorted, as near to the shares as whole numbers can be (largest remainders)."""
    exact = shares * total
    counts = np.floor(exact).astype(np.int64)
    largest = np.argsort(-(exact - counts), kind="stable")[: total - counts.sum()]
    counts[largest] += 1
    return np.repeat(np.arange(len(shares), dtype=np.int64), counts)


def _occurrence(languages: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """For every draw, how many draws of its language came before it."""
    turns = np.empty(len(languages), dtype=np.int64)
    for language in range(count):
        mine = languages == language
        turns[mine] = np.arange(mine.sum())
    return turns
