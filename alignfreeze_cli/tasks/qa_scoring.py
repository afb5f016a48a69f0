"""Comparing the answer to a question with the right answers: exact match and F1, fractions of 1.

Each way splits texts into normalised words. Two texts match exactly if their words are the same; F1 is the harmonic
mean of precision and recall of the words that they share.

squad      SQuAD v1.1 (Rajpurkar et al. 2016): lower case, without ASCII punctuation and the articles a, an, the. The
           best of all right answers counts.
mlqa       MLQA (Lewis et al. 2020): without the punctuation and the articles of the question's own language; Chinese
           is compared character by character.
published  AlignFreeze's published code (evaluation_loops.py): SQuAD's words, but a word counts once however often it
           occurs, F1 is 2PR / max(1, P + R), only the first right answer counts, and outside English texts match
           exactly only if they are the same before normalisation.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

ExactMatchAndF1 = tuple[float, float]

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ENGLISH_ARTICLES = "a|an|the"
_MLQA_ARTICLES = {
    "en": rf"\b({_ENGLISH_ARTICLES})\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    # The article is a prefix, but the official expression removes the letters anywhere, also inside a word.
    "ar": "ال",
}
"""The articles of MLQA's languages (mlqa_evaluation_v1.py); Hindi and Chinese have none."""
_CHINESE = re.compile("[\u4e00-\u9fa5]")
_UNSPACED = {
    "ja": re.compile("[\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "lo": re.compile("[\u0e80-\u0eff]"),
    "km": re.compile("[\u1780-\u17ff]"),
    "my": re.compile("[\u1000-\u109f]"),
}
"""Other languages written without spaces: the characters that are words of their own, as in Chinese."""


def squad_words(text: str) -> list[str]:
    """SQuAD's normalised words (evaluate-v1.1.py).

    Punctuation is removed before articles and leaves no space, so "the-end" becomes "theend".
    """
    bare = text.lower().translate(_ASCII_PUNCTUATION)
    return re.sub(rf"\b({_ENGLISH_ARTICLES})\b", " ", bare).split()


def mlqa_words(text: str, language: str) -> list[str]:
    """MLQA's normalised words. For a language that MLQA does not have, no article is removed.

    Japanese, Thai, Lao, Khmer and Burmese, which have no spaces between words either, are split into characters as
    Chinese is; in them a combining vowel or tone mark stays with its letter.
    """
    bare = "".join(c for c in text.lower() if not _is_punctuation(c))
    if language in _MLQA_ARTICLES:
        bare = re.sub(_MLQA_ARTICLES[language], " ", bare)
    single_characters = _CHINESE if language == "zh" else _UNSPACED.get(language)
    if single_characters is None:
        return bare.split()
    words: list[str] = []
    joins = False  # whether the next character may continue the last word
    for character in bare:
        single = bool(single_characters.match(character))
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


def score_squad(prediction: str, references: Sequence[str], language: str) -> ExactMatchAndF1:
    """SQuAD v1.1, the same in every language."""
    return _best_match(squad_words(prediction), [squad_words(reference) for reference in references])


def score_mlqa(prediction: str, references: Sequence[str], language: str) -> ExactMatchAndF1:
    """MLQA's official scoring, by language."""
    return _best_match(mlqa_words(prediction, language), [mlqa_words(reference, language) for reference in references])


def score_published(prediction: str, references: Sequence[str], language: str) -> ExactMatchAndF1:
    """The scores of the paper (arXiv 2502.12959), as its published code computes them."""
    words, right = squad_words(prediction), squad_words(references[0])
    exact = words == right if language == "en" else prediction == references[0]
    if not words or not right:
        return float(exact), float(words == right)
    shared = len(set(words) & set(right))
    precision, recall = shared / len(words), shared / len(right)
    return float(exact), 2 * precision * recall / max(1.0, precision + recall)


SCORINGS: dict[str, Callable[[str, Sequence[str], str], ExactMatchAndF1]] = {
    "squad": score_squad,
    "mlqa": score_mlqa,
    "published": score_published,
}


def _best_match(words: list[str], references: list[list[str]]) -> ExactMatchAndF1:
    """The best exact match and, independently, the best F1 over the right answers."""
    return float(any(words == right for right in references)), max(_f1(words, right) for right in references)


def _f1(words: list[str], right: list[str]) -> float:
    """F1 of the words as multisets; 0 if none is shared, even if both are empty, as in the official scripts."""
    shared = sum((Counter(words) & Counter(right)).values())
    return 2 * shared / (len(words) + len(right)) if shared else 0.0
