"""How well links agree with gold links: precision, recall, F1 and alignment error rate.

Definitions of Och and Ney (2003), "A Systematic Comparison of Various Statistical Alignment Models", section 5. With
the links A, the sure gold links S, and P, the sure and the possible ones:

    precision = |A ∩ P| / |A|      recall = |A ∩ S| / |S|      AER = 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|)

Everything is counted over all sentences and divided then. F1 is the harmonic mean of precision and recall; where every
gold link is sure, AER = 1 - F1. A quotient of nothing is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from alignfreeze_cli.aligners.gold import Link, LinkedSentence


@dataclass(frozen=True)
class LinkScores:
    """Counts of links, and the scores that follow from them. They add up: `sum(scores, LinkScores())`."""

    links: int = 0  # |A|
    sure: int = 0  # |S|
    possible: int = 0  # |P|: the sure ones are among them
    sure_found: int = 0  # |A ∩ S|
    possible_found: int = 0  # |A ∩ P|

    def __add__(self, other: LinkScores) -> LinkScores:
        return LinkScores(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def precision(self) -> float | None:
        return _ratio(self.possible_found, self.links)

    @property
    def recall(self) -> float | None:
        return _ratio(self.sure_found, self.sure)

    @property
    def f1(self) -> float | None:
        precision, recall = self.precision, self.recall
        if precision is None or recall is None:
            return None
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    @property
    def aer(self) -> float | None:
        agreement = _ratio(self.sure_found + self.possible_found, self.links + self.sure)
        return None if agreement is None else 1 - agreement

    def to_dict(self) -> dict[str, Any]:
        """Scores and counts as `--format json` gives them."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "aer": self.aer,
            "links": self.links,
            "right": self.possible_found,
            "right-and-sure": self.sure_found,
        }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def score_sentence(found: set[Link], gold: LinkedSentence, annotated_only: bool = False) -> LinkScores:
    """The counts of one sentence pair.

    `annotated_only`: of the links found, only those count that touch a word about which the gold says something. For
    gold of which some words were left out, as in the PUD treebanks' alignments of content words.
    """
    if annotated_only:
        source, target = gold.annotated()
        found = {(i, j) for i, j in found if i in source or j in target}
    sure, possible = gold.sure, gold.links
    return LinkScores(len(found), len(sure), len(possible), len(found & sure), len(found & possible))


def score(found: Iterable[set[Link]], gold: Iterable[LinkedSentence], annotated_only: bool = False) -> LinkScores:
    """The scores of the links of some sentence pairs, each a set of (source word, target word)."""
    pairs = zip(found, gold, strict=True)
    return sum((score_sentence(links, sentence, annotated_only) for links, sentence in pairs), LinkScores())


_SURE = 4.0  # standard deviations


def misreading(found: Sequence[LinkedSentence], gold: Sequence[LinkedSentence]) -> str | None:
    """How the links should be read, if another reading agrees with the gold far better than the given one; else None.

    Such links would get a score that looks like one of a bad aligner.
    """
    here = _agreement(found, gold)
    other_readings = {
        "with source and target exchanged": _agreement([each.swapped() for each in found], gold),
        "with words counted from another base (one lower)": _agreement([each.moved(-1) for each in found], gold),
        "with words counted from another base (one higher)": _agreement([each.moved(1) for each in found], gold),
        "one line further down": _agreement(found[:-1], gold[1:]),
        "one line further up": _agreement(found[1:], gold[:-1]),
    }
    reading, there = max(other_readings.items(), key=lambda item: item[1])
    if there > 1.5 * here and there - here > _SURE * math.sqrt(there + here):
        return f"{reading} {there:,} of them are gold links, as they are only {here:,}"
    return None


def _agreement(found: Iterable[LinkedSentence], gold: Iterable[LinkedSentence]) -> int:
    return sum(len(ours.links & theirs.links) for ours, theirs in zip(found, gold, strict=True))
