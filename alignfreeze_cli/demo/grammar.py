"""Saying a meaning in a language: the order of the parts, the words, their endings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alignfreeze_cli.demo.language import Language
from alignfreeze_cli.demo.lexicon import ARTICLES, INFLECTED, NOT, QUESTION_WORDS, UPOS
from alignfreeze_cli.demo.meaning import Clause, Phrase


@dataclass(frozen=True)
class Word:
    """One word of a sentence. `place` is where it stands in the meaning: the same place in another language is the
    same word there. `parts` are the syntactic words of one that is written together ("im" = "in" + "dem").
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
        return tuple(part.place for part in self.parts) or (self.place,)


def say(language: Language, clause: Clause) -> list[Word]:
    """The sentence, its full stop or question mark included, as it is written: fused words are one word."""
    words = list(_clause(language, clause, ()))
    if clause.other is not None:
        words.append(_word(language, clause.link, ("link",)))
        words.extend(_clause(language, clause.other, ("other",)))
    words.append(_word(language, "mark" if clause.asks else "stop", ("end",)))
    return _fuse(language, words)


def written(words: Sequence[Word]) -> str:
    """Text as people write it: blanks between words, none before punctuation."""
    return "".join(w.form if w.upos == "PUNCT" or i == 0 else f" {w.form}" for i, w in enumerate(words))


def links(source: Sequence[Word], target: Sequence[Word]) -> list[tuple[int, int]]:
    """Which words of two sentences of the same meaning translate each other."""
    positions = {place: j for j, word in enumerate(target) for place in word.places}
    found = {(i, positions[place]) for i, word in enumerate(source) for place in word.places if place in positions}
    return sorted(found)


def _clause(language: Language, clause: Clause, path: tuple[str, ...]) -> Iterator[Word]:
    order = language.clause
    if clause.asks and language.asks_first:
        asked = {"subject": "S", "object": "O", "place": "P"}[clause.asks]
        order = asked + order.replace(asked, "")
    for part in order:
        yield from _part(language, clause, part, path)


def _part(language: Language, clause: Clause, part: str, path: tuple[str, ...]) -> Iterator[Word]:
    roles = {"S": "subject", "O": "object", "P": "place"}
    if part in roles and clause.asks == roles[part]:
        yield _word(language, QUESTION_WORDS[clause.asks], (*path, clause.asks, "N"))
    elif part == "S":
        yield from _phrase(language, clause.subject, (*path, "subject"))
    elif part == "O":
        yield from _phrase(language, clause.object, (*path, "object"), ("object",))
    elif part == "P" and clause.place is not None:
        adposition = [_word(language, clause.adposition, (*path, "adposition"))]
        phrase = list(_phrase(language, clause.place, (*path, "place")))
        yield from adposition + phrase if language.adposition == "before" else phrase + adposition
    elif part == "A" and clause.adverb:
        yield _word(language, clause.adverb, (*path, "adverb"))
    elif part == "V":
        said = {"X": clause.auxiliary, "n": NOT if clause.negated else "", "V": clause.verb}
        past = ("past",) if clause.past else ()
        for letter in language.verb:
            if said[letter]:
                yield _word(language, said[letter], (*path, "verb", letter), past if letter == "V" else ())


def _phrase(language: Language, phrase: Phrase, path: tuple[str, ...], case: tuple[str, ...] = ()) -> Iterator[Word]:
    if phrase.names:
        for i, name in enumerate(phrase.names):
            yield _word(language, name, (*path, f"name{i}"), entity=("I-" if i else "B-") + phrase.entity)
        return
    plural = ("plural",) if phrase.plural else ()
    definite = ("definite",) if phrase.determiner == "the" else ()
    features = {"N": plural + definite + case, "A": ("agreement",) if phrase.plural else ()}
    has_determiner = phrase.determiner not in ARTICLES or language.article == "word"
    said = {
        "D": phrase.determiner if has_determiner else "",
        "Q": phrase.numeral,
        "A": phrase.adjective,
        "N": phrase.noun,
    }
    for letter in language.phrase:
        if said[letter]:
            yield _word(language, said[letter], (*path, letter), features.get(letter, ()))
    if phrase.joined is not None:
        yield _word(language, phrase.joint, (*path, "joint"))
        yield from _phrase(language, phrase.joined, (*path, "joined"), case)


def _word(
    language: Language, concept: str, place: tuple[str, ...], features: tuple[str, ...] = (), entity: str = "O"
) -> Word:
    upos = UPOS[concept]
    features = tuple(f for f in language.marks if f in features) if upos in INFLECTED else ()
    return Word(language.form(concept, features), concept, upos, place, features, entity)


def _fuse(language: Language, words: Sequence[Word]) -> list[Word]:
    """Write adposition and "the" together, where the language does so."""
    fused: list[Word] = []
    for word in words:
        before = fused[-1] if fused else None
        if language.fuses and before is not None and before.upos == "ADP" and word.concept == "the":
            fused[-1] = Word(before.form + word.form, "", "_", before.place, parts=(before, word))
        else:
            fused.append(word)
    return fused
