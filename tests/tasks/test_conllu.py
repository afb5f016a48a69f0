"""The CoNLL-U reader on what real treebanks hold, and on what is no treebank."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.conllu import ConlluLine, read_conllu

TAIL = "\t_" * 6
FRENCH = f"""# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
# sent_id = fr-1
# text = 10 000 livres du chat
1\t10 000\t_\tNUM{TAIL}
2\tlivres\t_\tNOUN{TAIL}
3-4\tdu\t_\t_{TAIL}
3\tde\t_\tADP{TAIL}
4\tle\t_\tDET{TAIL}
4.1\tgros\t_\tADJ{TAIL}
5\tchat\t_\tNOUN{TAIL}

# no id
1\tOui\t_\tINTJ{TAIL}
"""


def test_a_space_of_another_script_is_a_word(tmp_path: Path) -> None:
    (sentence,) = read_conllu(write(tmp_path, f"1\t\u3000\t_\tPUNCT{TAIL}\n2\t\u00a0\t_\tX{TAIL}\n"))
    assert [line.form for line in sentence.lines] == ["\u3000", "\u00a0"]


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "x.conllu"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_words_ranges_empty_nodes_and_forms_with_spaces(tmp_path: Path) -> None:
    first, second = read_conllu(write(tmp_path, FRENCH))
    assert first.identifier == "fr-1"
    assert first.lines == [
        ConlluLine("word", "10 000", "NUM", 4),
        ConlluLine("word", "livres", "NOUN", 5),
        ConlluLine("multi-word", "du", "_", 6),
        ConlluLine("word", "de", "ADP", 7),
        ConlluLine("word", "le", "DET", 8),
        ConlluLine("empty", "gros", "ADJ", 9),
        ConlluLine("word", "chat", "NOUN", 10),
    ]
    assert (second.identifier, second.lines) == ("2", [ConlluLine("word", "Oui", "INTJ", 13)])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n\n",
        lambda text: text.replace("\n\n", "\n \n"),
    ],
    ids=["CRLF", "byte-order mark", "no end of line", "many empty lines", "a space on the empty line"],
)
def test_reads_the_same_whatever_the_ends_of_lines(tmp_path: Path, change) -> None:
    plain = list(read_conllu(write(tmp_path, FRENCH)))
    assert list(read_conllu(write(tmp_path, change(FRENCH)))) == plain


@given(
    st.lists(st.text(st.characters(exclude_characters="\t\n\r\0", codec="utf-8"), min_size=1), min_size=1, max_size=8)
)
def test_any_form_survives(tmp_path_factory: pytest.TempPathFactory, forms: list[str]) -> None:
    forms = [f"x{form}" for form in forms]
    text = "".join(f"{number}\t{form}\t_\tX{TAIL}\n" for number, form in enumerate(forms, 1))
    (sentence,) = read_conllu(write(tmp_path_factory.mktemp("any"), text))
    assert [row.form for row in sentence.lines] == forms


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "holds no sentence"),
        ("# only a comment\n\n", "holds no sentence"),
        (f"1\tyes\t_\tINTJ{TAIL}\n\n\0\x01\x02", "line 3: is a binary file"),
        (f"1\tyes\t_\tINTJ{TAIL}\n".encode() + b"2\t\xff\n", "line 2: is not UTF-8 text (byte 0xff at position 3"),
        ("1 yes _ INTJ _ _ _ _ _ _\n", "line 1: a CoNLL-U line has 10 columns separated by tabs, this one has 1"),
        (f"1\tyes\t_\tINTJ{TAIL}\t_\n", "this one has 11"),
        (f"1\t\t_\tINTJ{TAIL}\n", "line 1: the word (column FORM) is empty"),
        (f"one\tyes\t_\tINTJ{TAIL}\n", "'one' is not a word id"),
        (f"1\ta\t_\tX{TAIL}\n3\tb\t_\tX{TAIL}\n", "line 2: word id 3 where 2 should follow"),
        (f"2-3\tdu\t_\t_{TAIL}\n1\tde\t_\tADP{TAIL}\n", "line 1: the multi-word token 2-3 does not fit"),
        (f"1-2\tdu\t_\t_{TAIL}\n1\tde\t_\tADP{TAIL}\n\n", "line 2: the sentence ends at word 1, inside"),
        (f"1\ta\t_\tX{TAIL}\n2.1\tb\t_\tX{TAIL}\n", "line 2: the empty node 2.1 must follow word 2"),
    ],
)
def test_says_what_is_wrong_and_where(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        list(read_conllu(path))
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_missing_file_is_bad_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(read_conllu(tmp_path / "none.conllu"))
