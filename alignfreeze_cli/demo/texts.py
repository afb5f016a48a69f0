"""Text of the demo world: monolingual, parallel with its true links, and bilingual dictionaries."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from alignfreeze_cli.demo.grammar import links, say, written
from alignfreeze_cli.demo.language import Language
from alignfreeze_cli.demo.lexicon import INFLECTED, UPOS
from alignfreeze_cli.demo.meaning import Imagination, answer, inference, passage, question


def monolingual(language: Language, rng: random.Random, count: int) -> list[str]:
    """Lines of text of one language: sentences, questions, and a few longer lines.

    One line in ten repeats itself in other words: a passage with a question about it and its answer, or a sentence with
    one that follows from it. There a masked word can be found by looking back, which question answering and inference
    need.
    """
    imagine = Imagination(rng)
    lines = []
    for _ in range(count):
        kind = rng.random()
        if kind < 0.05:
            clauses, asked = passage(imagine)
            meanings = [*clauses, asked, answer(clauses, asked)]
        elif kind < 0.1:
            meanings = list(inference(imagine)[:2])
        else:
            meaning = imagine.sentence()
            meanings = [question(meaning, rng) if kind < 0.2 else meaning]
        lines.append(" ".join(written(say(language, meaning)) for meaning in meanings))
    return lines


def parallel(source: Language, target: Language, rng: random.Random, count: int) -> tuple[list[str], list[str]]:
    """Lines of parallel text, `source TAB target`, and of the links between its words, `0-0 1-2` (Pharaoh).

    A link is there for every word that one language says for the same thing as the other; words without a
    counterpart (articles, in languages that have none) stay without. Positions count words and punctuation marks, as
    `align-pairs --words unicode` cuts them.
    """
    imagine = Imagination(rng)
    lines, pharaoh = [], []
    for _ in range(count):
        meaning = imagine.sentence()
        ours, theirs = say(source, meaning), say(target, meaning)
        lines.append(f"{written(ours)}\t{written(theirs)}")
        pharaoh.append(" ".join(f"{i}-{j}" for i, j in links(ours, theirs)))
    return lines, pharaoh


def dictionary(source: Language, target: Language, rng: random.Random, known: float) -> list[str]:
    """Entries in MUSE's format, `word translation`, for a share `known` of the concepts, with all their forms.

    Names are not in it.
    """
    concepts = [concept for concept, upos in UPOS.items() if upos not in ("PUNCT", "PROPN")]
    chosen = set(rng.sample(concepts, round(known * len(concepts))))
    entries = (
        f"{source.form(concept, features)} {target.form(concept, features)}"
        for concept in concepts
        if concept in chosen
        for features in _features(concept)
    )
    return list(dict.fromkeys(entries))


def turned(entries: list[str]) -> list[str]:
    """The dictionary of the other direction."""
    return sorted(" ".join(reversed(entry.split(" "))) for entry in entries)


_ENDINGS = {"NOUN": ("plural", "definite", "object"), "VERB": ("past",), "ADJ": ("agreement",)}


def _features(concept: str) -> Iterator[tuple[str, ...]]:
    """Every combination of what the endings of a word can say."""
    marks = _ENDINGS[UPOS[concept]] if UPOS[concept] in INFLECTED else ()
    for count in range(len(marks) + 1):
        yield from itertools.combinations(marks, count)
