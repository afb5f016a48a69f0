"""What a word is, under each rule."""

from __future__ import annotations

import builtins
import re
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.errors import SettingsError
from alignfreeze_cli.pairs import words
from alignfreeze_cli.pairs.words import Words, splitter

TEXT = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from(" \t\n_'-aä7。क्षि\u200c\u200d\u200b\u0301"))


def split(rule: str, *sentences: str, language: str = "de") -> list[list[str]]:
    return splitter(rule, language)(sentences).to_lists()


@given(st.lists(TEXT, max_size=6))
def test_published_is_the_regular_expression_of_the_paper(sentences: list[str]) -> None:
    assert split("published", *sentences) == [re.findall(r"\w+|[^\w\s]+", sentence) for sentence in sentences]


@given(st.lists(TEXT, max_size=6))
def test_blank_splits_at_spaces_and_tabs_only(sentences: list[str]) -> None:
    assert split("blank", *sentences) == [[w for w in re.split("[ \t\r\n]+", s) if w] for s in sentences]


def test_a_no_break_space_is_no_separator_in_text_that_is_split_already() -> None:
    assert split("blank", "10\u00a0000 chats\u3000ici") == [["10\u00a0000", "chats\u3000ici"]]
    assert split("unicode", "10\u00a0000 chats") == [["10", "000", "chats"]]


@given(st.lists(TEXT, max_size=6))
def test_a_sentence_is_split_the_same_whatever_sentences_surround_it(sentences: list[str]) -> None:
    assert split("unicode", *sentences) == [words for s in sentences for words in split("unicode", s)]


@given(TEXT)
def test_unicode_loses_nothing_but_blanks_and_invisible_characters(sentence: str) -> None:
    found = "".join(split("unicode", sentence)[0])
    visible = re.sub(r"[\s\u200b]", "", sentence)
    assert found == visible or sorted(set(visible) - set(found)) != []
    assert not set(found) - set(sentence)


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("ta", "நாய் ஜாக்கிரதை!", ["நாய்", "ஜாக்கிரதை", "!"]),
        ("hi", "मेरे दादा ओसाका के हैं।", ["मेरे", "दादा", "ओसाका", "के", "हैं", "।"]),
        ("ar", "كَتَبَ الوَلَدُ.", ["كَتَبَ", "الوَلَدُ", "."]),
        ("he", "שָׁלוֹם עוֹלָם", ["שָׁלוֹם", "עוֹלָם"]),
        ("fa", "می‌خواهم، کتاب‌ها", ["می‌خواهم", "،", "کتاب‌ها"]),
        ("fr", "C'est l'e\u0301te\u0301, 3.5", ["C", "'", "est", "l", "'", "e\u0301te\u0301", ",", "3", ".", "5"]),
        ("ml", "അവന്\u200d വന്നു", ["അവന്\u200d", "വന്നു"]),
        ("en", "ABC_def \u200f(x) a\u200bb", ["ABC_def", "(", "x", ")", "a", "b"]),
        ("en", "👨\u200d👩\u200d👧 ❤\ufe0f", ["👨\u200d👩\u200d👧", "❤\ufe0f"]),
        ("en", "\u0301 x", ["\u0301", "x"]),
    ],
)
def test_unicode_keeps_marks_and_joiners_with_their_word(language: str, sentence: str, expected: list[str]) -> None:
    assert split("unicode", sentence, language=language) == [expected]


def test_published_cuts_indic_words_to_pieces() -> None:
    assert len(split("published", "हिन्दी", language="hi")[0]) == 6
    assert split("unicode", "हिन्दी", language="hi") == [["हिन्दी"]]


def test_a_mark_does_not_reach_into_the_sentence_before() -> None:
    assert split("unicode", "a", "\u0301b", "\u200d", "") == [["a"], ["\u0301b"], [], []]


def test_no_sentences_and_empty_ones() -> None:
    for rule in ("unicode", "published", "blank"):
        assert split(rule) == []
        assert split(rule, "", " ", "a") == [[], [], ["a"]]


def test_words_from_lists_and_back() -> None:
    lists = [["a", "b"], [], ["ü"]]
    found = Words.from_lists(lists)
    assert found.to_lists() == lists
    assert found.lengths.tolist() == [2, 0, 1]


@pytest.mark.parametrize("language", ["zh", "ja", "th", "zh-TW", "cmn", "zho_Hans", "chi", "jpn", "ja_Jpan", "tha"])
def test_a_missing_segmenter_is_named_with_the_way_to_get_it(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_segmenters(name: str, *rest: object) -> types.ModuleType:
        if name.split(".")[0] in ("rjieba", "fugashi", "pythainlp"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)  # type: ignore[arg-type]

    for make in words.SEGMENTERS.values():
        make.cache_clear()  # type: ignore[attr-defined]
    monkeypatch.setattr(builtins, "__import__", without_segmenters)
    with pytest.raises(SettingsError, match=r"pip install 'alignfreeze\[segmenters\]'") as caught:
        splitter("unicode", language)
    assert language in str(caught.value)
    splitter("blank", language)  # needs none


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("zh", "我们应该去睡觉。 OK", ["我们", "应该", "去", "睡觉", "。", "OK"]),
        ("ja", "昨日、東京で 食べた", ["昨日", "、", "東京", "で", "食べ", "た"]),
        ("th", "ฉันรักภาษาไทย", ["ฉัน", "รัก", "ภาษาไทย"]),
    ],
)
def test_segmenters_find_words_where_there_are_no_blanks(language: str, sentence: str, expected: list[str]) -> None:
    pytest.importorskip({"zh": "rjieba", "ja": "fugashi", "th": "pythainlp"}[language])
    assert split("unicode", sentence, "", language=language) == [expected, []]


@pytest.mark.parametrize(
    "language",
    ["km", "khm", "khm_Khmr", "lo", "lao_Laoo", "mya", "bod_Tibt", "dz", "yue-Hant", "zh-yue", "shn_Mymr", "vi_Hani"],
)
def test_languages_without_blanks_and_without_a_segmenter_are_refused(language: str) -> None:
    for rule in ("unicode", "published"):
        with pytest.raises(SettingsError, match=rf"{language} is written without blanks.* no segmenter.*--words blank"):
            splitter(rule, language)
    splitter("blank", language)


@pytest.mark.parametrize(
    "language", ["vi", "ko", "kor_Hang", "zh-Latn", "cmn_Latn", "ja_Latn", "es_BO", "en_LA", "lolo"]
)
def test_languages_and_scripts_with_blanks_need_no_segmenter(language: str) -> None:
    assert words.segmenter_for(language) is None


CLAUSES = [
    ("we should go to sleep", "我该去睡觉了。"),
    ("what are you doing here", "你在这里干什么？"),
    ("yes", "是。"),
]


def test_text_that_is_not_cut_is_noticed_beside_its_translation() -> None:
    english = splitter("unicode", "en")([english for english, _ in CLAUSES])
    chinese = [chinese for _, chinese in CLAUSES]
    for rule in ("unicode", "blank"):
        warning = words.unbroken_warning("xx", splitter(rule, "xx")(chinese), english)
        assert warning is not None
        assert "the xx side seems not to be cut into words: 2 of the first 3 lines" in warning
        assert words.unbroken_warning("en", english, splitter(rule, "xx")(chinese)) is None
    cut = splitter("blank", "xx")(["我 该 去 睡觉 了 。", "你 在 这里 干 什么 ？", "是 。"])
    assert words.unbroken_warning("xx", cut, english) is None


def test_long_words_of_languages_with_blanks_are_no_reason_to_warn() -> None:
    sides = [splitter("unicode", "en")(["we would not have gone there", "in our house too", "he ran"])]
    sides.append(splitter("unicode", "fi")(["emme olisi menneet", "talossammekin", "juoksi"]))
    assert words.unbroken_warning("fi", sides[1], sides[0]) is not None  # one line in two of those that can be judged
    sides[1] = splitter("unicode", "fi")(["emme olisi menneet", "talossammekin se on", "juoksi"])
    assert words.unbroken_warning("fi", sides[1], sides[0]) is None
    assert words.unbroken_warning("fi", Words.from_lists([]), Words.from_lists([])) is None
