"""From the vectors of subwords to links between words: four rules, each a function of matrices.

    argmax    two subwords that are each other's most similar one (Jalili Sabet et al. 2020, SimAlign)
    itermax   argmax again and again on what is left; more links, less precise (the same paper, algorithm 1)
    match     the one-to-one assignment with the largest sum of similarities (the same paper)
    softmax   what both directions give more than a threshold of their probability (Dou and Neubig 2021, AWESOME)

A similarity is (1 + cosine) / 2, between 0 and 1; itermax, which multiplies it, needs it that way. Matrices are (source
subwords, target subwords), without special tokens. Of equal values the first one wins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from alignfreeze_cli.aligners.encoder_settings import THRESHOLD

Floats: TypeAlias = npt.NDArray[np.floating]
Mask: TypeAlias = npt.NDArray[np.bool_]
Numbers: TypeAlias = npt.NDArray[np.int64]

ROUNDS, DISCOUNT = 2, 0.9
"""Of itermax: rounds in all, and what the similarity of a subword that has a link counts; as in SimAlign."""


def similarities(source: Floats, target: Floats) -> Floats:
    """(1 + cosine) / 2 of all subwords, (n, m), from their vectors, (n, width) and (m, width)."""
    return (1 + _cosines(source, target)) / 2


def _cosines(source: Floats, target: Floats) -> Floats:
    one, other = (side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9) for side in (source, target))
    cosines: Floats = one @ other.T
    return cosines


def argmax(similarity: Floats) -> Mask:
    """The pairs that are each other's best, (n, m)."""
    links = np.zeros(similarity.shape, bool)
    best_target, best_source = similarity.argmax(axis=1), similarity.argmax(axis=0)
    rows = np.arange(len(similarity))
    mutual = best_source[best_target] == rows
    links[rows[mutual], best_target[mutual]] = True
    return links


def itermax(similarity: Floats, rounds: int = ROUNDS) -> Mask:
    """Argmax, then further rounds of it in which subwords that have a link already count less, (n, m).

    A pair counts in full if neither subword has a link, DISCOUNT of it if one has, and nothing if both have. It ends
    when one side has no subword left or a round finds nothing new; a side of two subwords or fewer gets one round.
    """
    links = argmax(similarity)
    if min(similarity.shape) <= 2:
        return links
    for _ in range(rounds - 1):
        free_source = np.logical_not(links.any(axis=1, keepdims=True))  # (n, 1)
        free_target = np.logical_not(links.any(axis=0, keepdims=True))  # (1, m)
        if not free_source.any() or not free_target.any():
            break
        weight = np.where(free_source & free_target, 1, np.where(free_source | free_target, DISCOUNT, 0))
        new = argmax(similarity * weight) & (weight > 0)
        if not new.any():
            break
        links |= new
    return links


def match(similarity: Floats) -> Mask:
    """The assignment with the largest sum, (n, m): every subword of the shorter side gets one partner."""
    links = np.zeros(similarity.shape, bool)
    links[linear_sum_assignment(similarity, maximize=True)] = True
    return links


def softmax(logits: Floats, threshold: float) -> Mask:
    """The pairs to which a softmax over the targets and one over the sources give more than the threshold, (n, m)."""
    return (_softmax(logits, axis=1) > threshold) & (_softmax(logits, axis=0) > threshold)


def softmax_scores(logits: Floats) -> Floats:
    """How sure AWESOME is of its pairs, (n, m): 2pq / (p + q) with the probabilities of both directions.

    Those are of logits divided by the root of the number of subwords they are over, since a softmax over many is flat.
    """
    n, m = logits.shape
    to_target, to_source = _softmax(logits / np.sqrt(m), axis=1), _softmax(logits / np.sqrt(n), axis=0)
    scores: Floats = 2 * to_target * to_source / np.maximum(to_target + to_source, 1e-9)
    return scores


def _softmax(logits: Floats, axis: int) -> Floats:
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=axis, keepdims=True)
    return probabilities


_BY_SIMILARITY: dict[str, Callable[[Floats], Mask]] = {"argmax": argmax, "itermax": itermax, "match": match}


@dataclass(frozen=True)
class Extraction:
    """A rule and what belongs to it.

    `threshold` and `temperature` are of softmax: without a temperature its logits are dot products, as AWESOME's, with
    one they are cosines divided by it. Dot products grow with the length of vectors, which differs between encoders.
    """

    rule: str = "argmax"
    threshold: float = THRESHOLD
    temperature: float | None = None

    def __call__(self, source: Floats, target: Floats) -> tuple[Mask, Floats]:
        """The links between some subwords, (n, m), and the score of every pair, (n, m), from 0 to 1.

        `source` and `target` are vectors, (n, width) and (m, width), with n and m at least 1. Scores are similarities,
        or of softmax `softmax_scores`.
        """
        if self.rule != "softmax":
            similarity = similarities(source, target)
            return _BY_SIMILARITY[self.rule](similarity), similarity
        logits = source @ target.T if self.temperature is None else _cosines(source, target) / self.temperature
        return softmax(logits, self.threshold), softmax_scores(logits)


def word_links(links: Mask, scores: Floats, source_words: Numbers, target_words: Numbers) -> tuple[Numbers, Floats]:
    """Words are linked if any of their subwords are: (links, 2) in ascending order, and the best score of each.

    `source_words`, (n,), and `target_words`, (m,), say of which word a subword is.
    """
    i, j = np.nonzero(links)
    pairs = np.stack([source_words[i], target_words[j]], axis=1)
    order = np.lexsort((-scores[i, j], pairs[:, 1], pairs[:, 0]))
    pairs, found = pairs[order], scores[i, j][order]
    first = np.ones(len(pairs), bool)  # of a pair of words; it has the best score
    first[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return pairs[first], found[first]
