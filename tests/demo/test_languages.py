"""The languages of the demo world and sentences in them."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.demo.languages import GRAMMARS, Language, Word, make_languages, make_sentence, text_in, true_links
from alignfreeze_cli.demo.meanings import UPOS, Clause, ClauseSampler, Phrase, make_question, sample_inference
from alignfreeze_cli.demo.pretrain import wordpieces

LANGUAGES = make_languages(seed=1)
PIECES = frozenset(wordpieces(LANGUAGES))
BY_CODE = {language.code: language for language in LANGUAGES}
LINE = Clause(
    topic="farm",
    subject=Phrase("farmer", determiner="the", adjective="old"),
    verb="feed",
    object=Phrase("goat", determiner="the", plural=True),
    adposition="behind",
    place=Phrase("barn", determiner="the"),
    adverb="often",
    past=True,
    negated=True,
)


def glosses(language: Language, clause: Clause) -> str:
    """The sentence with every word replaced by its concept and what its endings say."""
    return " ".join(
        "+".join(".".join((part.concept, *part.features)) for part in word.parts or (word,))
        for word in make_sentence(language, clause)
    )


def meanings(seed: int, names: float = 0.3) -> Clause:
    rng = random.Random(seed)
    sentence = ClauseSampler(rng, names).sentence()
    return make_question(sentence, rng) if rng.random() < 0.2 else sentence


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("qav", "the old farmer not feed.past the goat.plural often behind the barn stop"),
        ("qbe", "the old farmer feed.past not the goat.plural often behind+the barn stop"),
        ("qci", "the farmer old not feed.past the goat.plural behind+the barn often stop"),
        ("qdo", "farmer.definite old not feed.past often goat.plural.definite behind barn.definite stop"),
        ("qek", "not feed.past the old farmer the goat.plural often behind the barn stop"),
        ("qfo", "the old farmer often the goat.plural.object feed.past not behind the barn stop"),
        ("qgo", "old farmer barn behind often goat.plural.object feed.past not stop"),
        ("qhi", "not feed.past farmer.definite old goat.definite.plural behind barn.definite often stop"),
        ("qis", "barn behind often farmer old goat.object.plural feed.past not stop"),
    ],
)
def test_every_language_has_its_own_grammar(code: str, expected: str) -> None:
    assert glosses(BY_CODE[code], LINE) == expected


def test_questions_begin_with_the_question_word_except_where_it_stays_in_place() -> None:
    asked = Clause("farm", LINE.subject, "feed", LINE.object, asks="object")
    assert glosses(BY_CODE["qav"], asked) == "what the old farmer feed mark"
    assert glosses(BY_CODE["qgo"], asked) == "old farmer what feed mark"


def test_codes_are_reserved_for_private_use_and_sorted_by_distance() -> None:
    codes = [row.code for row in GRAMMARS]
    assert all("qaa" <= code <= "qtz" and len(code) == 3 for code in codes)
    assert codes == sorted(codes)
    names = [language.name for language in LANGUAGES]
    assert names == sorted(names)


def test_fewer_words_are_shared_with_growing_distance() -> None:
    source = LANGUAGES[0].words
    common = [sum(language.words[c] == source[c] for c in UPOS if UPOS[c] != "PROPN") for language in LANGUAGES]
    assert common == sorted(common, reverse=True)
    assert common[0] == sum(upos != "PROPN" for upos in UPOS.values())
    assert common[-1] < common[0] / 4


def test_no_word_means_two_things() -> None:
    owners: dict[str, set[str]] = {}
    for language in LANGUAGES:
        for concept, word in language.words.items():
            owners.setdefault(word, set()).add(concept)
    assert all(len(concepts) == 1 for concepts in owners.values())


def test_the_seed_decides_the_languages() -> None:
    assert make_languages(1) == LANGUAGES
    assert make_languages(2)[0].words != LANGUAGES[0].words
    assert make_languages(1, derived=2) == LANGUAGES[:3]


@given(st.integers(0, 10**6), st.sampled_from(LANGUAGES[1:]))
def test_links_join_words_of_the_same_concept(seed: int, language: Language) -> None:
    meaning = meanings(seed)
    ours, theirs = make_sentence(LANGUAGES[0], meaning), make_sentence(language, meaning)

    def concepts(word: Word) -> set[str]:
        return {part.concept for part in word.parts or (word,)}

    found = true_links(ours, theirs)
    assert all(concepts(ours[i]) & concepts(theirs[j]) for i, j in found)
    assert found == sorted((i, j) for j, i in true_links(theirs, ours))
    unlinked = set(range(len(ours))) - {i for i, _ in found}
    assert all(ours[i].concept in ("the", "a") for i in unlinked)


@given(st.integers(0, 10**6), st.sampled_from(LANGUAGES))
def test_every_language_expresses_the_whole_meaning(seed: int, language: Language) -> None:
    meaning = meanings(seed)

    def said(speaker: Language) -> Counter[str]:
        words = [part for word in make_sentence(speaker, meaning) for part in word.parts or (word,)]
        return Counter(word.concept for word in words if word.concept not in ("the", "a"))

    assert said(language) == said(LANGUAGES[0])


@given(st.integers(0, 10**6), st.sampled_from(LANGUAGES))
def test_longest_piece_first_finds_the_stem(seed: int, language: Language) -> None:
    """WordPiece takes the longest known beginning of a word: for the world's words that has to be the stem."""
    for word in make_sentence(language, meanings(seed)):
        longest = next(word.form[:end] for end in range(len(word.form), 0, -1) if word.form[:end] in PIECES)
        assert longest == (word.form if word.parts else language.words[word.concept])


@given(st.integers(0, 10**6))
def test_inferences_hold(seed: int) -> None:
    """The clause with more details entails the other one, without negation; with it, the other way round."""
    premise, hypothesis, label = sample_inference(ClauseSampler(random.Random(seed)))

    def size(clause: Clause) -> int:
        return len(make_sentence(LANGUAGES[0], clause)) - clause.negated

    if label == "contradiction":
        assert premise.negated != hypothesis.negated
    else:
        assert premise.negated == hypothesis.negated
    if label == "entailment":
        assert (size(premise) < size(hypothesis)) == premise.negated
    assert premise.verb == hypothesis.verb or label == "neutral"


def test_text_is_written_without_blanks_before_punctuation() -> None:
    text = text_in(LANGUAGES[0], LINE)
    assert text.endswith(".")
    assert " ." not in text
