"""The nine languages of the demo world, a source and eight relatives of growing distance, and sentences in them.

A language is a row of `GRAMMARS` (the order of its parts, what its endings mark) and a vocabulary drawn from the seed.
The further it is from the source, the fewer words it shares with it and the more of its grammar differs.

The codes come from the range that ISO 639-3 reserves for private use (qaa to qtz), so they can never be those of real
languages; names and codes in alphabetical order are in the order of distance.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from alignfreeze_cli.demo.meanings import (
    ARTICLES,
    CONTENT,
    INFLECTED,
    NOT,
    PUNCTUATION,
    QUESTION_WORDS,
    UPOS,
    Clause,
    Phrase,
)


@dataclass(frozen=True)
class Language:
    """One language. Orders are strings with one letter for each part."""

    code: str
    name: str
    shared: float  # share of the words it has in common with the source
    clause: str  # S subject, V verb group, O object, A adverb, P place
    phrase: str  # D determiner, Q numeral, A adjective, N noun
    verb: str  # X auxiliary, n negation, V verb
    adposition: str  # "before" or "after" its phrase
    article: str  # "word", "ending" (definite only) or "none"
    marks: tuple[str, ...]  # what endings mark, in their order: plural, past, definite, object, adjectives' agreement
    contracts: bool = False  # adposition and "the" are written as one word, as in German "im"
    asks_first: bool = True  # the question word begins the sentence
    words: dict[str, str] = field(default_factory=dict)  # concept -> stem
    endings: dict[str, str] = field(default_factory=dict)  # what is marked -> ending

    def form(self, concept: str, features: Sequence[str] = ()) -> str:
        """The word for a concept with the endings this language has for `features`."""
        endings = (self.endings[mark] for mark in self.marks if mark in features)
        return self.words[concept] + "".join(endings)


GRAMMARS: tuple[Language, ...] = (
    Language("qav", "Avel", 1.00, "SVOAP", "DQAN", "XnV", "before", "word", ("plural", "past")),
    Language("qbe", "Belto", 0.70, "SVOAP", "DQAN", "XVn", "before", "word", ("plural", "past"), contracts=True),
    Language(
        "qci", "Cirun", 0.58, "SVOPA", "DQNA", "nXV", "before", "word", ("plural", "past", "agreement"), contracts=True
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
ROLES = {"S": "subject", "V": "verb", "O": "object", "A": "adverb", "P": "place"}
"""What the letters of `Language.clause` stand for."""

_PLAIN = {"C": "bdfghjklmnprstvz", "V": "aeiou"}
_FOREIGN = {"C": "čđłñšž", "V": "äéöüå"}


class _WordMaker:
    """Makes up words that no language of the world has yet.

    Long words have the shape CVCVC or CVCCVC, so none of them is the beginning of another one, and whatever ending
    follows, the longest piece of a word that a WordPiece vocabulary knows is its stem.
    """

    def __init__(self, rng: random.Random, foreign: float, taken: set[str]) -> None:
        """`foreign` is the share of letters that the source does not have; `taken` are the words there are."""
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


def make_languages(seed: int, derived: int = len(GRAMMARS) - 1) -> list[Language]:
    """The source and its `derived` nearest relatives, with the words and endings that the seed gives them."""
    taken: set[str] = set()
    languages: list[Language] = []
    for row in GRAMMARS[: derived + 1]:
        rng = random.Random(f"{seed} language {row.code}")
        maker = _WordMaker(rng, 1 - row.shared, taken)
        words = {concept: maker.word_for(concept) for concept in UPOS}
        if languages:
            # Names are shared more often than other words.
            odds = {concept: row.shared ** (0.4 if UPOS[concept] == "PROPN" else 1.0) for concept in UPOS}
            words |= {c: languages[0].words[c] for c in UPOS if rng.random() < odds[c]}
        endings = {mark: maker.word("VC", "V") for mark in row.marks}
        languages.append(replace(row, words=words, endings=endings))
    return languages


def shared_words(source: Language, other: Language) -> float:
    """The share of concepts for which both languages have the same word."""
    return sum(other.words[concept] == source.words[concept] for concept in UPOS) / len(UPOS)


@dataclass(frozen=True)
class Word:
    """One word of a sentence.

    `place` is its place in the meaning, such as ("subject", "N"): a word with the same place in another language's
    sentence translates it. `parts` are the syntactic words of a contraction ("im" = "in" + "dem").
    """

    form: str
    concept: str
    upos: str
    place: tuple[str, ...]
    features: tuple[str, ...] = ()
    entity: str = "O"
    parts: tuple[Word, ...] = ()

    @property
    def places(self) -> tuple[tuple[str, ...], ...]:
        """The places of all its parts, or its own."""
        return tuple(part.place for part in self.parts) or (self.place,)


def make_sentence(language: Language, clause: Clause) -> list[Word]:
    """A clause as a sentence, with full stop or question mark; a contraction is one word."""
    words = list(_clause_words(language, clause, ()))
    if clause.subordinate is not None:
        words.append(_word(language, clause.subordinator, ("subordinator",)))
        words.extend(_clause_words(language, clause.subordinate, ("subordinate",)))
    words.append(_word(language, "mark" if clause.asks else "stop", ("end",)))
    return _contract(language, words)


def to_text(words: Sequence[Word]) -> str:
    """The sentence as text: blanks between words, none before punctuation."""
    return "".join(w.form if w.upos == "PUNCT" or i == 0 else f" {w.form}" for i, w in enumerate(words))


def text_in(language: Language, clause: Clause) -> str:
    """A clause as the text of a sentence."""
    return to_text(make_sentence(language, clause))


def true_links(source: Sequence[Word], target: Sequence[Word]) -> list[tuple[int, int]]:
    """The pairs (i, j) of words that translate each other in two sentences of the same meaning, sorted."""
    positions = {place: j for j, word in enumerate(target) for place in word.places}
    found = {(i, positions[place]) for i, word in enumerate(source) for place in word.places if place in positions}
    return sorted(found)


def _clause_words(language: Language, clause: Clause, path: tuple[str, ...]) -> Iterator[Word]:
    order = language.clause
    if clause.asks and language.asks_first:
        asked = next(letter for letter, role in ROLES.items() if role == clause.asks)
        order = asked + order.replace(asked, "")
    for part in order:
        yield from _part_words(language, clause, part, path)


def _part_words(language: Language, clause: Clause, part: str, path: tuple[str, ...]) -> Iterator[Word]:
    if clause.asks == ROLES[part]:
        yield _word(language, QUESTION_WORDS[clause.asks], (*path, clause.asks, "N"))
    elif part == "S":
        yield from _phrase_words(language, clause.subject, (*path, "subject"))
    elif part == "O":
        yield from _phrase_words(language, clause.object, (*path, "object"), ("object",))
    elif part == "P" and clause.place is not None:
        adposition = [_word(language, clause.adposition, (*path, "adposition"))]
        phrase = list(_phrase_words(language, clause.place, (*path, "place")))
        yield from adposition + phrase if language.adposition == "before" else phrase + adposition
    elif part == "A" and clause.adverb:
        yield _word(language, clause.adverb, (*path, "adverb"))
    elif part == "V":
        concepts = {"X": clause.auxiliary, "n": NOT if clause.negated else "", "V": clause.verb}
        past = ("past",) if clause.past else ()
        for letter in language.verb:
            if concepts[letter]:
                yield _word(language, concepts[letter], (*path, "verb", letter), past if letter == "V" else ())


def _phrase_words(
    language: Language, phrase: Phrase, path: tuple[str, ...], case: tuple[str, ...] = ()
) -> Iterator[Word]:
    if phrase.names:
        for i, name in enumerate(phrase.names):
            yield _word(language, name, (*path, f"name{i}"), entity=("I-" if i else "B-") + phrase.entity)
        return
    plural = ("plural",) if phrase.plural else ()
    definite = ("definite",) if phrase.determiner == "the" else ()
    features = {"N": plural + definite + case, "A": ("agreement",) if phrase.plural else ()}
    has_determiner = phrase.determiner not in ARTICLES or language.article == "word"
    concepts = {
        "D": phrase.determiner if has_determiner else "",
        "Q": phrase.numeral,
        "A": phrase.adjective,
        "N": phrase.noun,
    }
    for letter in language.phrase:
        if concepts[letter]:
            yield _word(language, concepts[letter], (*path, letter), features.get(letter, ()))
    if phrase.joined is not None:
        yield _word(language, phrase.conjunction, (*path, "conjunction"))
        yield from _phrase_words(language, phrase.joined, (*path, "joined"), case)


def _word(
    language: Language, concept: str, place: tuple[str, ...], features: tuple[str, ...] = (), entity: str = "O"
) -> Word:
    upos = UPOS[concept]
    features = tuple(f for f in language.marks if f in features) if upos in INFLECTED else ()
    return Word(language.form(concept, features), concept, upos, place, features, entity)


def _contract(language: Language, words: Sequence[Word]) -> list[Word]:
    """Write adposition and "the" as one word, where the language does so."""
    contracted: list[Word] = []
    for word in words:
        before = contracted[-1] if contracted else None
        if language.contracts and before is not None and before.upos == "ADP" and word.concept == "the":
            contracted[-1] = Word(before.form + word.form, "", "_", before.place, parts=(before, word))
        else:
            contracted.append(word)
    return contracted
