"""Scores of answers, worked out on paper from the official definitions."""

from __future__ import annotations

import pytest

from alignfreeze_cli.tasks.qa_scoring import SCORINGS, mlqa_words, squad_words

# language, answer given, right answers, then exact match and F1 of squad, mlqa and published.
# With words shared s, given g, right r: F1 = 2s / (g + r).
CASES = [
    # en: case, ASCII punctuation and articles do not count.
    ("en", "the Cat.", ["cat"], (1, 1), (1, 1), (1, 1)),
    ("en", "U.S.", ["the US"], (1, 1), (1, 1), (1, 1)),
    ("en", "well-known", ["well known"], (0, 0), (0, 0), (0, 0)),  # "wellknown" is one word
    ("en", "\u201ccat\u201d", ["cat"], (0, 0), (1, 1), (0, 0)),  # quotation marks beyond ASCII are MLQA's only
    ("en", "theatre", ["re"], (0, 0), (0, 0), (0, 0)),  # an article is a whole word
    # en: the best right answer counts, exact match and F1 each; published takes the first: P = 1/2, R = 1.
    ("en", "a cat, the dog", ["a dog", "cat dog bird"], (0, 4 / 5), (0, 4 / 5), (0, 2 / 3)),
    ("en", "dog", ["cat", "dog"], (1, 1), (1, 1), (0, 0)),
    # en: two "new" are shared, published counts one: P = R = 1/3, and P + R < 1 is not divided by: 2/9.
    ("en", "new new york", ["new new jersey"], (0, 4 / 6), (0, 4 / 6), (0, 2 / 9)),
    ("en", "one two three four", ["one five six seven"], (0, 2 / 8), (0, 2 / 8), (0, 2 / 16)),
    # en: nothing is left of either: they match, but share no word; published calls that an F1 of 1.
    ("en", "the", ["a"], (1, 0), (1, 0), (1, 1)),
    ("en", "", ["cat"], (0, 0), (0, 0), (0, 0)),
    # de: der and des are articles of MLQA only; published wants the raw text outside English.
    ("de", "Hund", ["Hund"], (1, 1), (1, 1), (1, 1)),
    ("de", "Hund.", ["hund"], (1, 1), (1, 1), (0, 1)),
    ("de", "der Hund", ["Hund"], (0, 2 / 3), (1, 1), (0, 2 / 3)),
    ("de", "das Haus des Bäckers", ["Haus des Bäckers."], (0, 6 / 7), (1, 1), (0, 6 / 7)),
    ("de", "\u201eStraße\u201c", ["Straße"], (0, 0), (1, 1), (0, 0)),
    ("de", "the Hund", ["Hund"], (1, 1), (0, 2 / 3), (0, 1)),  # SQuAD removes English articles everywhere
    # es, vi
    ("es", "la casa", ["casa"], (0, 2 / 3), (1, 1), (0, 2 / 3)),
    ("vi", "những con mèo", ["con mèo"], (0, 4 / 5), (1, 1), (0, 4 / 5)),
    # hi: the danda is punctuation; no articles.
    ("hi", "दिल्ली।", ["दिल्ली"], (0, 0), (1, 1), (0, 0)),
    ("hi", "एक राजा", ["राजा"], (0, 2 / 3), (0, 2 / 3), (0, 2 / 3)),
    # ar: ال goes, wherever it stands; the Arabic question mark is punctuation.
    ("ar", "الكتاب", ["كتاب"], (0, 0), (1, 1), (0, 0)),
    ("ar", "كتاب؟", ["كتاب"], (0, 0), (1, 1), (0, 0)),
    ("ar", "في الكتاب القديم", ["الكتاب"], (0, 2 / 4), (0, 2 / 4), (0, 2 / 4)),
    ("ar", "سؤال", ["سؤ"], (0, 0), (1, 1), (0, 0)),
    # zh: characters one by one, other scripts by spaces.
    ("zh", "北京市", ["北京"], (0, 0), (0, 4 / 5), (0, 0)),
    ("zh", "《红楼梦》", ["红楼梦"], (0, 0), (1, 1), (0, 0)),
    ("zh", "2008年 Olympic", ["2008 年Olympic"], (0, 0), (1, 1), (0, 0)),
    ("zh", "天天", ["天"], (0, 0), (0, 2 / 3), (0, 0)),
    # th, ja: not in MLQA, taken apart like Chinese. กรุงเทพ is 6 letters (รุ is one), กรุงเทพฯ is 7.
    ("th", "กรุงเทพ", ["กรุงเทพฯ"], (0, 0), (0, 12 / 13), (0, 0)),
    ("th", "ปลา ทู", ["ปลาทู"], (0, 0), (1, 1), (0, 0)),
    ("th", "\u201cปลา\u201d", ["ปลา"], (0, 0), (1, 1), (0, 0)),
    ("th", "ปลา", ["ปลา"], (1, 1), (1, 1), (1, 1)),
    ("ja", "東京都", ["東京"], (0, 0), (0, 4 / 5), (0, 0)),
    # tr: not in MLQA, so no articles, but punctuation.
    ("tr", "\u2018bir kitap\u2019", ["kitap"], (0, 0), (0, 2 / 3), (0, 0)),
]


@pytest.mark.parametrize(("language", "given", "right", "squad", "mlqa", "published"), CASES)
def test_scores_are_those_of_the_definitions(language, given, right, squad, mlqa, published) -> None:
    for name, expected in (("squad", squad), ("mlqa", mlqa), ("published", published)):
        assert SCORINGS[name](given, right, language) == pytest.approx(expected), name


def test_words() -> None:
    assert squad_words("The  an-swer, a LOT!") == ["answer", "lot"]
    assert mlqa_words("กรุงเทพ 2020", "th") == ["ก", "รุ", "ง", "เ", "ท", "พ", "2020"]
    assert mlqa_words("1990年代的NBA", "zh") == ["1990", "年", "代", "的", "nba"]
    assert mlqa_words("カタカナとkanji漢字", "ja") == [*"カタカナと", "kanji", "漢", "字"]
    assert mlqa_words("El café, un té", "es") == ["café", "té"]
