"""The nine languages of the demo world: a source and eight relatives of growing distance.

A language is a row of `ROWS` (its typology: what stands where, what endings mark) and a vocabulary drawn from the
seed. The further from the source, the fewer words are shared with it and the more of its grammar differs.

The codes come from the range that ISO 639-3 reserves for private use (qaa to qtz), so they can never be those of real
languages; names and codes in alphabetical order are in the order of distance.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from alignfreeze_cli.demo.lexicon import CONTENT, PUNCTUATION, UPOS


@dataclass(frozen=True)
class Language:
    """One language. Orders are strings, one letter for each part, in the order in which they are said."""

    code: str
    name: str
    shared: float  # share of the words it has in common with the source
    clause: str  # S subject, V verb group, O object, A adverb, P place
    phrase: str  # D determiner, Q numeral, A adjective, N noun
    verb: str  # X auxiliary, n negation, V verb
    adposition: str  # "before" or "after" its phrase
    article: str  # "word", "ending" (definite only) or "none"
    marks: tuple[str, ...]  # what endings say: plural, past, definite, object, agreement (of adjectives)
    fuses: bool = False  # adposition and "the" are written as one word, as in German "im"
    asks_first: bool = True  # the question word begins the sentence
    words: dict[str, str] = field(default_factory=dict)  # concept -> stem
    endings: dict[str, str] = field(default_factory=dict)  # what is marked -> ending

    def form(self, concept: str, features: Sequence[str] = ()) -> str:
        """The word for a concept with the endings this language has for `features`."""
        endings = (self.endings[mark] for mark in self.marks if mark in features)
        return self.words[concept] + "".join(endings)


ROWS: tuple[Language, ...] = (
    Language("qav", "Avel", 1.00, "SVOAP", "DQAN", "XnV", "before", "word", ("plural", "past")),
    Language("qbe", "Belto", 0.70, "SVOAP", "DQAN", "XVn", "before", "word", ("plural", "past"), fuses=True),
    Language(
        "qci", "Cirun", 0.58, "SVOPA", "DQNA", "nXV", "before", "word", ("plural", "past", "agreement"), fuses=True
    ),
    Language("qdo", "Dorath", 0.46, "SVAOP", "DQNA", "XnV", "before", "ending", ("plural", "definite", "past")),
    Language("qek", "Ekvi", 0.36, "VSOAP", "DQAN", "nXV", "before", "word", ("plural", "past")),
    Language("qfo", "Foske", 0.27, "SAOVP", "DQAN", "VXn", "before", "word", ("plural", "object", "past")),
    Language(
        "qgo", "Gozha", 0.19, "SPAOV", "DQAN", "VnX", "after", "none", ("plural", "object", "past"), asks_first=False
    ),
    Language(
        "qhi", "Hiluk", 0.12, "VSOPA", "NAQD", "nXV", "before", "ending", ("definite", "plural", "past", "agreement")
    ),
    Language(
        "qis", "Ismuri", 0.06, "PASOV", "QNAD", "VnX", "after", "none", ("object", "plural", "past"), asks_first=False
    ),
)
SOURCE = ROWS[0].code
CODES = tuple(row.code for row in ROWS)
"""All codes in the order of distance, the source first."""

_PLAIN = {"C": "bdfghjklmnprstvz", "V": "aeiou"}
_FOREIGN = {"C": "čđłñšž", "V": "äéöüå"}


class _Sounds:
    """Makes up words that nobody in the world uses yet.

    Long words have the shape CVCVC or CVCCVC, so none of them is the beginning of another one, and whatever ending
    follows, the longest piece of a word that a WordPiece vocabulary knows is its stem.
    """

    def __init__(self, rng: random.Random, foreign: float, taken: set[str]) -> None:
        """`foreign` is the share of letters that the source does not have."""
        self.rng, self.taken = rng, taken
        self.letters = {}
        for sound, count in (("C", 12), ("V", 4)):
            few = round(count / 3 * foreign)
            self.letters[sound] = rng.sample(_PLAIN[sound], count - few) + rng.sample(_FOREIGN[sound], few)

    def word(self, *shapes: str) -> str:
        while True:
            word = "".join(self.rng.choice(self.letters[sound]) for sound in self.rng.choice(shapes))
            if word not in self.taken:
                self.taken.add(word)
                return word

    def word_for(self, concept: str) -> str:
        if concept in PUNCTUATION:
            return PUNCTUATION[concept]
        if UPOS[concept] == "PROPN":
            return self.word("CVCV", "CVCCV").capitalize()
        return self.word("CVCVC", "CVCCVC") if UPOS[concept] in CONTENT else self.word("CV", "CVC")


def make_languages(seed: int, derived: int = len(ROWS) - 1) -> list[Language]:
    """The source and its `derived` nearest relatives, with the words and endings that the seed gives them."""
    taken: set[str] = set()
    languages: list[Language] = []
    for row in ROWS[: derived + 1]:
        rng = random.Random(f"{seed} language {row.code}")
        sounds = _Sounds(rng, 1 - row.shared, taken)
        words = {concept: sounds.word_for(concept) for concept in UPOS}
        if languages:
            # Names travel further than other words.
            odds = {concept: row.shared ** (0.4 if UPOS[concept] == "PROPN" else 1.0) for concept in UPOS}
            words |= {c: languages[0].words[c] for c in UPOS if rng.random() < odds[c]}
        endings = {mark: sounds.word("VC", "V") for mark in row.marks}
        languages.append(replace(row, words=words, endings=endings))
    return languages
