"""Filters that look at the text of both sides."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.pairs.filters import TextFilters, language_test
from alignfreeze_cli.pairs.settings import PAPER_LANGUAGES
from alignfreeze_cli.pairs.words import Words


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1), st.floats(1, 9))
def test_the_longer_side_has_more_than_so_many_times_the_words(lengths: list[tuple[int, int]], ratio: float) -> None:
    source, target = (Words.from_lists([["x"] * pair[side] for pair in lengths]) for side in (0, 1))
    expected = [0 not in pair and max(pair) / min(pair) > ratio for pair in lengths]
    assert TextFilters(max_ratio=ratio).unequal(source, target).tolist() == expected
    assert not TextFilters().unequal(source, target).any()


@given(st.lists(st.tuples(st.lists(st.sampled_from(["a", "bé", "日"]), max_size=3), st.booleans()), max_size=6))
def test_sentences_that_are_left_out_are_empty(sentences: list[tuple[list[str], bool]]) -> None:
    words = Words.from_lists([sentence for sentence, _ in sentences])
    left = words.without(np.array([out for _, out in sentences], bool))
    assert left.to_lists() == [[] if out else sentence for sentence, out in sentences]


TEXTS = {
    "en": "The children are playing in the garden behind the house.",
    "de": "Die Kinder spielen im Garten hinter dem Haus.",
    "fr": "Les enfants jouent dans le jardin derrière la maison.",
    "ta": "குழந்தைகள் வீட்டின் பின்னால் உள்ள தோட்டத்தில் விளையாடுகிறார்கள்.",
    "zh": "孩子们在屋后的花园里玩耍。",
}


@pytest.mark.parametrize("code", TEXTS)
def test_a_text_is_told_from_those_in_other_languages(code: str) -> None:
    is_foreign = language_test(code)
    assert [name for name, text in TEXTS.items() if not is_foreign(text)] == [code]


@pytest.mark.parametrize("text", ["", "12.5 %", "ok", "http://example.org/a?b=1", "2"])
def test_what_is_hardly_text_is_in_no_other_language(text: str) -> None:
    assert not language_test("en")(text)
    assert not language_test("de")(text)


def test_only_the_judged_are_looked_at() -> None:
    filters = TextFilters(languages=("en", "de"))
    sides = pa.array([TEXTS["en"], TEXTS["en"], TEXTS["fr"]]), pa.array([TEXTS["de"], TEXTS["fr"], TEXTS["de"]])
    assert filters.foreign(*sides, np.array([True, True, True])).tolist() == [False, True, True]
    assert filters.foreign(*sides, np.array([True, False, True])).tolist() == [False, False, True]


def test_the_languages_of_the_paper_are_known_and_a_language_may_have_several_codes() -> None:
    for code in ("en", *PAPER_LANGUAGES, "cmn", "zh_TW", "deu"):
        language_test(code)


@pytest.mark.parametrize("code", ["tlh", "qq"])
def test_a_language_that_is_not_known_is_refused(code: str) -> None:
    with pytest.raises(SettingsError, match=f"--filter language does not know {code}, only ace, af, "):
        language_test(code)
