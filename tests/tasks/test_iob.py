"""Files with a word and its entity tag per line: the column orders in use, both schemes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.iob import as_iob2, read_iob
from alignfreeze_cli.tasks.tagging import TaggedSentence

TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
PANX = "#\tO\n1\tO\nAda\tB-PER\nLovelace\tI-PER\n\nParis\tB-LOC\n# x\tO\n"
UNER = """# newdoc id = a
# sent_id = a-1
# text = Ada\tin Paris .
1\tAda\tB-PER\t-\tann
2\t#\tO\t-\tann
3\tParis\tB-LOC\t-\tann

# text = no id
1\tLondon\tB-LOC\t-\tann
"""
CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
# SYM I-NP O
Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- -X- O

UK NNP I-NP I-LOC
US NNP I-NP B-LOC
10\u00a0000 CD I-NP O
"""
GERMEVAL = "#\tsource\t[2009]\n1\tBayern\tB-ORG\tB-LOC\n2\tsiegt\tO\tO\n\n#\tother\n1\tSieg\tO\tO\n"


def write(folder: Path, content: str | bytes, name: str = "x.tsv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder: Path, content: str | bytes) -> list[TaggedSentence]:
    return list(read_iob(write(folder, content), TAGS))


def test_two_columns_have_no_comments(tmp_path: Path) -> None:
    assert read(tmp_path, PANX) == [
        TaggedSentence("1", ["#", "1", "Ada", "Lovelace"], ["O", "O", "B-PER", "I-PER"]),
        TaggedSentence("2", ["Paris", "# x"], ["B-LOC", "O"]),
    ]


def test_numbered_words_may_have_comments(tmp_path: Path) -> None:
    assert read(tmp_path, UNER) == [
        TaggedSentence("a-1", ["Ada", "#", "Paris"], ["B-PER", "O", "B-LOC"]),
        TaggedSentence("2", ["London"], ["B-LOC"]),
    ]
    first, second = read(tmp_path, GERMEVAL)
    assert (first.words, first.labels) == (["Bayern", "siegt"], ["B-ORG", "O"])
    assert second == TaggedSentence("2", ["Sieg"], ["O"])


def test_conll_2003_has_the_tag_last_and_lines_between_documents(tmp_path: Path) -> None:
    assert read(tmp_path, CONLL_2003) == [
        TaggedSentence("1", ["EU", "rejects", "#", "Peter", "Blackburn"], ["B-ORG", "O", "O", "B-PER", "I-PER"]),
        TaggedSentence("2", ["UK", "US", "10\u00a0000"], ["B-LOC", "B-LOC", "O"]),
    ]


def test_four_columns_with_tabs_have_the_tag_last(tmp_path: Path) -> None:
    text = CONLL_2003.replace(" ", "\t")
    assert read(tmp_path, text) == read(tmp_path, CONLL_2003)


def test_numbers_that_do_not_count_the_words_are_words(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, "1\tCD\tO\n2\tCD\tO\nAda\tNNP\tB-PER\n")
    assert sentence.words == ["1", "2", "Ada"]


def test_language_codes_go_if_every_word_has_the_same_one(tmp_path: Path) -> None:
    first, second = read(tmp_path, "en:Ada\tB-PER\nen::\tO\n\nen:en:x\tO\nen:\tO\n")
    assert (first.words, second.words) == (["Ada", ":"], ["en:x", "en:"])
    (sentence,) = read(tmp_path, "zh-yue:香\tB-LOC\nzh-yue:港\tI-LOC\n")
    assert sentence.words == ["香", "港"]
    (sentence,) = read(tmp_path, "en:Ada\tB-PER\nre:play\tO\n")
    assert sentence.words == ["en:Ada", "re:play"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: "\n\n" + text.replace("\n\n", "\n \n\n"),
    ],
    ids=["CRLF", "byte-order mark", "no end of line", "more blank lines"],
)
@pytest.mark.parametrize("text", [PANX, UNER, CONLL_2003], ids=["PAN-X", "Universal NER", "CoNLL-2003"])
def test_reads_the_same_whatever_the_ends_of_lines(tmp_path: Path, text: str, change) -> None:
    plain = read(tmp_path, text)
    assert read(tmp_path, change(text)) == plain


BLOCKS = "New B-LOC\nYork E-LOC\nAda S-PER\nBo S-PER\n\nThe O\nUnited B-ORG\nBig I-ORG\nNations E-ORG\nMars S-LOC\n"
SAME = [
    TaggedSentence("1", ["New", "York", "Ada", "Bo"], ["B-LOC", "I-LOC", "B-PER", "B-PER"]),
    TaggedSentence("2", ["The", "United", "Big", "Nations", "Mars"], ["O", "B-ORG", "I-ORG", "I-ORG", "B-LOC"]),
]


@pytest.mark.parametrize(
    ("scheme", "content", "how"),
    [
        ("BIOES", BLOCKS, "E-X as I-X and S-X as B-X"),
        ("BILOU", BLOCKS.replace("E-", "L-").replace("S-", "U-"), "L-X as I-X and U-X as B-X"),
        ("BMES", BLOCKS.replace("I-", "M-"), "M-X as I-X, E-X as I-X and S-X as B-X"),
    ],
)
def test_schemes_that_mark_the_ends_of_entities_are_converted_and_that_is_said_once(
    tmp_path: Path, scheme: str, content: str, how: str
) -> None:
    said: list[str] = []
    assert list(read_iob(write(tmp_path, content), TAGS, said.append)) == SAME
    assert said == [f"x.tsv: the tags are in the scheme {scheme}; they are read as IOB2 ({how})."]


def test_of_iob2_nothing_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    list(read_iob(write(tmp_path, PANX), TAGS, said.append))
    assert said == []


def test_what_has_ended_is_not_continued(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, "a\tB-PER\nb\tE-PER\nc\tI-PER\nd\tE-PER\ne\tE-PER\nf\tS-LOC\ng\tE-LOC\n")
    assert sentence.labels == ["B-PER", "I-PER", "B-PER", "I-PER", "B-PER", "B-LOC", "B-LOC"]


@given(st.lists(st.sampled_from(TAGS), min_size=1, max_size=12), st.sampled_from(["LU", "ES"]))
def test_a_scheme_and_iob2_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, tags: list[str], letters: str
) -> None:
    iob2 = as_iob2(tags)
    last, single = letters
    marked = []
    for tag, after in zip(iob2, [*iob2[1:], "O"], strict=True):
        ends = after != f"I-{tag[2:]}"
        marked.append(tag if tag == "O" or not ends else {"B": single, "I": last}[tag[0]] + tag[1:])
    content = "".join(f"w\t{tag}\n" for tag in marked)
    (sentence,) = read(tmp_path_factory.mktemp("any"), content)
    assert sentence.labels == iob2


def test_multiconer_has_a_comment_before_every_sentence(tmp_path: Path) -> None:
    content = "# id 5f3e\tdomain=en\nAda _ _ B-PER\n# _ _ O\n\n\n# id 5f40\tdomain=en\nParis _ _ B-LOC\n"
    expected = [
        TaggedSentence("5f3e", ["Ada", "#"], ["B-PER", "O"]),
        TaggedSentence("5f40", ["Paris"], ["B-LOC"]),
    ]
    assert read(tmp_path, content) == expected
    assert read(tmp_path, content.replace("\tdomain=en", "")) == expected
    # Where not every sentence has one it is a word, and so this has no tag.
    with pytest.raises(DataError, match="line 1: 'domain=en' is not one of the tags"):
        read(tmp_path, content.replace("\n# id 5f40\tdomain=en", ""))


def test_a_space_of_another_script_is_a_word(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, "東\tB-LOC\n\u3000\tO\n京\tO\n")
    assert sentence.words == ["東", "\u3000", "京"]


WORDS = st.text(st.characters(exclude_characters="\t\n\r\0", codec="utf-8"), min_size=1).map(lambda word: f"x{word}")


@given(st.lists(st.lists(st.tuples(WORDS, st.sampled_from(TAGS)), min_size=1, max_size=6), min_size=1, max_size=4))
def test_any_word_survives_and_numbering_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[list[tuple[str, str]]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    plain = "\n".join("".join(f"{word}\t{tag}\n" for word, tag in sentence) for sentence in sentences)
    found = read(folder, plain)
    assert [each.words for each in found] == [[word for word, _ in sentence] for sentence in sentences]
    assert [each.labels for each in found] == [as_iob2([tag for _, tag in sentence]) for sentence in sentences]
    numbered = "\n".join(
        "".join(f"{place}\t{word}\t{tag}\t-\t-\n" for place, (word, tag) in enumerate(sentence, 1))
        for sentence in sentences
    )
    assert read(folder, numbered) == found


@pytest.mark.parametrize(
    ("given_tags", "expected"),
    [
        ("I-PER I-PER O I-LOC", "B-PER I-PER O B-LOC"),  # IOB1
        ("I-PER B-PER I-PER", "B-PER B-PER I-PER"),  # IOB1: one directly after another
        ("B-PER I-PER O B-LOC", "B-PER I-PER O B-LOC"),  # IOB2 stays as it is
        ("B-PER I-LOC I-LOC I-PER", "B-PER B-LOC I-LOC B-PER"),
    ],
)
def test_both_schemes_become_iob2(given_tags: str, expected: str) -> None:
    assert " ".join(as_iob2(given_tags.split())) == expected


@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_iob2_is_a_fixed_point(tags: list[str]) -> None:
    once = as_iob2(tags)
    assert as_iob2(once) == once
    assert [tag[2:] for tag in once] == [tag[2:] for tag in tags]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "holds no sentence; a file with one word and its tag per line is needed"),
        ("\n \n", "holds no sentence"),
        ("-DOCSTART- O\n", "holds no sentence"),
        ("Ada\nParis\n\nx\n", "line 1: there is a word without a tag ('Ada'); labelled data is needed"),
        ("Ada\tB-PER\nParis\n", "line 2: there is a word without a tag ('Paris')"),
        ("Ada\t\n", "line 1: the word 'Ada' has no tag; labelled data is needed"),
        ("1\tAda\t_\t-\t-\n", "line 1: the word 'Ada' has no tag"),
        ("Ada\tB-PER\nx\ty\tO\n", "line 2: this line has 3 columns, the lines before it have 2: 'x y O'"),
        ("Ada NNP B-PER\nx O\n", "line 2: this line has 2 columns, the lines before it have 3"),
        ("Ada\tB-PRE\n", "line 1: 'B-PRE' is not one of the tags O, B-PER, I-PER, B-ORG, I-ORG, B-LOC and I-LOC"),
        ("Ada\tB-PRE\n", "did you mean 'B-PER'?"),
        ("Ada\tS-DATE\n", "'S-DATE' is not one of the tags"),
        ("Ada\tB-PER\nX\tL-PER\nY\tS-PER\n", "line 2: 'L-PER' is not one of the tags"),  # of two schemes
        ("Ada\tW-PER\n", "'W-PER' is not one of the tags"),
        ("\tO\n", "line 1: the word is empty"),
        (" \tO\n", "line 1: the word is empty"),
        (b"Ada\tB-PER\n\xff\tO\n", "line 2: is not UTF-8 text"),
        (b"Ada\tB-PER\n\0\tO\n", "line 2: is a binary file"),
    ],
)
def test_says_what_is_wrong_and_where(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        list(read_iob(path, TAGS))
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
