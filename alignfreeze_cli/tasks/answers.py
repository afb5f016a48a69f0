"""Answers to questions about a passage: where a model finds them, and how they are scored.

Three ways to compare an answer with the right ones, all in fractions of 1. Each splits texts into normalised words; two
texts match exactly if their words do, and F1 is the harmonic mean of precision and recall of the words they share.

squad      SQuAD v1.1 (Rajpurkar et al. 2016): lower case, without ASCII punctuation and the articles a, an, the. The
           best of all right answers counts.
mlqa       MLQA (Lewis et al. 2020): without the punctuation and the articles of the question's own language; Chinese
           is compared character by character.
published  AlignFreeze's published code: SQuAD's words, but a word counts once however often it occurs, F1 is
           2PR / max(1, P + R), only the first right answer counts, and outside English an exact match is one of the raw
           texts.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Score = tuple[float, float]
"""Exact match and F1."""

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ENGLISH_ARTICLES = "a|an|the"
_MLQA_ARTICLES = {
    "en": rf"\b({_ENGLISH_ARTICLES})\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    # The official expression means a prefix but takes the letters anywhere, also inside a word.
    "ar": "ال",
}
"""The articles of MLQA's languages; Hindi and Chinese have none, and for other languages none are defined."""
_CHINESE = re.compile("[\u4e00-\u9fa5]")
_UNSPACED = {
    "ja": re.compile("[\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "lo": re.compile("[\u0e80-\u0eff]"),
    "km": re.compile("[\u1780-\u17ff]"),
    "my": re.compile("[\u1000-\u109f]"),
}
"""Other languages written without spaces: what stands alone there, as Han characters do in Chinese."""


def squad_words(text: str) -> list[str]:
    """SQuAD's normalised words; punctuation goes before articles and leaves no space, so "the-end" is "theend"."""
    bare = text.lower().translate(_ASCII_PUNCTUATION)
    return re.sub(rf"\b({_ENGLISH_ARTICLES})\b", " ", bare).split()


def mlqa_words(text: str, language: str) -> list[str]:
    """MLQA's normalised words. For a language that MLQA does not have, no article is removed.

    Thai, Japanese, Lao, Khmer and Burmese, which have no spaces either, are taken apart like Chinese; there a combining
    vowel or tone mark stays with its letter.
    """
    bare = "".join(c for c in text.lower() if not _is_punctuation(c))
    if language in _MLQA_ARTICLES:
        bare = re.sub(_MLQA_ARTICLES[language], " ", bare)
    alone = _CHINESE if language == "zh" else _UNSPACED.get(language)
    if alone is None:
        return bare.split()
    words: list[str] = []
    joins = False  # whether the next character may go on with the last word
    for character in bare:
        single = bool(alone.match(character))
        if single and language != "zh" and words and unicodedata.category(character).startswith("M"):
            words[-1] += character
        elif single or character.isspace():
            words += [character] if single else []
            joins = False
        elif joins:
            words[-1] += character
        else:
            words.append(character)
            joins = True
    return words


@cache
def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P") or character in string.punctuation


def score_squad(prediction: str, references: Sequence[str], language: str) -> Score:
    """SQuAD v1.1, the same in every language."""
    return _best(squad_words(prediction), [squad_words(reference) for reference in references])


def score_mlqa(prediction: str, references: Sequence[str], language: str) -> Score:
    """MLQA's official scoring, by language."""
    return _best(mlqa_words(prediction, language), [mlqa_words(reference, language) for reference in references])


def score_published(prediction: str, references: Sequence[str], language: str) -> Score:
    """As the paper's numbers were made."""
    words, right = squad_words(prediction), squad_words(references[0])
    exact = words == right if language == "en" else prediction == references[0]
    if not words or not right:
        return float(exact), float(words == right)
    shared = len(set(words) & set(right))
    precision, recall = shared / len(words), shared / len(right)
    return float(exact), 2 * precision * recall / max(1.0, precision + recall)


SCORINGS: dict[str, Callable[[str, Sequence[str], str], Score]] = {
    "squad": score_squad,
    "mlqa": score_mlqa,
    "published": score_published,
}


def _best(words: list[str], references: list[list[str]]) -> Score:
    """The best exact match and, for itself, the best F1 over the right answers."""
    return float(any(words == right for right in references)), max(_f1(words, right) for right in references)


def _f1(words: list[str], right: list[str]) -> float:
    """F1 of the words as multisets; 0 if none is shared, also where both are empty, as the official scripts have it."""
    shared = sum((Counter(words) & Counter(right)).values())
    return 2 * shared / (len(words) + len(right)) if shared else 0.0


def best_spans(
    start: np.ndarray, end: np.ndarray, first: np.ndarray, count: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The most probable answer of each window: its log probability and its first and last position, (windows,) each.

    `start` and `end` are logits, (windows, positions). An answer lies within the `count` positions from `first` on,
    which hold the passage, and has at most `longest` of them. Probabilities are normalised over these positions and
    position 0, where training puts the answer of a window that has none: so the answers of several windows compare.
    """
    import numpy as np

    positions = np.arange(start.shape[1])
    inside = (positions >= first[:, None]) & (positions < (first + count)[:, None])
    log_start, log_end = (_log_probabilities(logits, inside) for logits in (start, end))

    rows = np.arange(len(start))
    best = np.full(len(start), -np.inf)
    begin = finish = np.zeros(len(start), dtype=np.int64)
    for more in range(min(longest, start.shape[1])):  # the answer's last position lies so many after its first
        scores = log_start[:, : start.shape[1] - more] + log_end[:, more:]
        at = scores.argmax(1)
        better = scores[rows, at] > best
        best = np.where(better, scores[rows, at], best)
        begin, finish = np.where(better, at, begin), np.where(better, at + more, finish)
    return best, begin, finish


def _log_probabilities(logits: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Log softmax over the positions inside and position 0; minus infinity outside, and at 0, which is no answer."""
    import numpy as np

    counted = inside.copy()
    counted[:, 0] = True
    kept = np.where(counted, logits.astype(np.float64), -np.inf)
    top = kept.max(1, keepdims=True)
    normalised = kept - top - np.log(np.exp(kept - top).sum(1, keepdims=True))
    return np.where(inside, normalised, -np.inf)
