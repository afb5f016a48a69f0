"""Files of links in every form, and what is wrong with them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from alignfreeze_cli.aligners.gold import LinkedSentence, drop_outside, read_links
from alignfreeze_cli.errors import DataError


def written(folder: Path, text: str) -> Path:
    path = folder / "links"
    path.write_text(text, encoding="utf-8", newline="")
    return path


SAME = [LinkedSentence({(0, 1)}, {(1, 0)}), LinkedSentence(), LinkedSentence({(2, 0)})]


@pytest.mark.parametrize(
    ("text", "form", "base"),
    [
        ("0-1 1p0\n\n2-0\n", "Pharaoh", None),
        ("0-1:0.5 1p0 0p1\r\n\r\n2-0", "Pharaoh", None),
        ("1-2 2p1\n\n3-1\n", "Pharaoh", 1),
        ("7\t0-1 1p0\n8\t\n9\t2-0 \n", "numbered Pharaoh", None),
        ("7\t0-1 1p0\n8\n9\t2-0\n", "numbered Pharaoh", None),
        ("1 1 2 S\n1 2 1 P\n3 3 1\n", "NAACL", 1),
        ("0001 0 1 S \n0001 1 0 P 0.3\n0001 0 1 P\n0003 2 0 \n", "NAACL", None),
    ],
)
def test_every_form_says_the_same(tmp_path: Path, text: str, form: str, base: int | None) -> None:
    found = read_links(written(tmp_path, text), base)
    assert (found.form, found.base) == (form, base or 0)
    assert found.sentences == SAME
    assert read_links(written(tmp_path, text), base, first=1).sentences == SAME[:1]


def test_word_ids_of_treebanks(tmp_path: Path) -> None:
    entries = [{"1": ["2", "3"], "4": ["X"], "X": ["1", "5"]}, {}]
    found = read_links(written(tmp_path, json.dumps(entries)))
    assert (found.form, found.base) == ("JSON", 1)
    assert found.sentences == [LinkedSentence({(0, 1), (0, 2)}, unlinked=({3}, {0, 4})), LinkedSentence()]
    assert found.sentences[0].annotated() == ({0, 3}, {0, 1, 2, 4})
    with pytest.raises(DataError, match="count from 1"):
        read_links(tmp_path / "links", base=0)


def test_lines_of_json_bring_their_words(tmp_path: Path) -> None:
    entry = {"src_words": ["a", "b"], "tgt_words": ["c"], "alignment": [[0, 0], [1, 1], [-1, 0], [1, -1]], "id": 3}
    (sentence,) = read_links(written(tmp_path, json.dumps(entry) + "\n")).sentences
    assert sentence.words == (["a", "b"], ["c"])
    assert drop_outside([sentence], [(2, 1)]) == [(1, (1, 1))]
    assert (sentence.links, sentence.unlinked) == ({(0, 0)}, ({1}, {0}))


def test_compressed_files(tmp_path: Path) -> None:
    (tmp_path / "links").write_bytes(gzip.compress(b"0-1 1p0\n\n2-0\n"))
    assert read_links(tmp_path / "links").sentences == SAME


def test_a_file_that_may_count_from_0_or_from_1_needs_to_be_told(tmp_path: Path) -> None:
    path = written(tmp_path, "1-2 2-1\n")
    with pytest.raises(DataError, match="from 0 or from 1"):
        read_links(path)
    assert read_links(path, 0).sentences == [LinkedSentence({(1, 2), (2, 1)})]
    assert read_links(path, 1).sentences == [LinkedSentence({(0, 1), (1, 0)})]
    with pytest.raises(DataError, match="word 0 in sentence 2"):
        read_links(written(tmp_path, "1-2\n3-0\n"), 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0-0\n1_2\n", "line 2: '1_2' is no link"),
        ("0-0\n1-2-3\n", "line 2"),
        ("0-0 -1-2\n", "line 1"),
        ("3\t0-0\n5\t0-1\n", "line 2: is numbered 5 after 3"),
        ("3\t0-0\n0-1\n", "line 2: has no number"),
        ("1 0 0 S\n1 0\n", "line 2"),
        ("1 0 0 S\n0 0 1 S\n", "line 2: names a sentence 0"),
        ("1 0 0 S\n900000000 0 1 S\n", "line 2: names sentence 900000000"),
        ("[1, 2]", "sentence 1: must be an object"),
        ('[{"1": "2"}]', "sentence 1: word '1' must have a list"),
        ('[{"1": ["0"]}]', "'0' is no word id"),
        ('[{"1": [2]}]', "'2' is no word id"),
        ('[{"X": ["X"]}]', "nothing to nothing"),
        ("[" * 100_000, "is no JSON"),
        ('{"src_words": ["a"], "tgt_words": ["b"]}\n', "line 1: must be an object with the lists"),
        ('{"src_words": ["a"], "tgt_words": ["b"], "alignment": [[-1, -1]]}\n', "line 1: links nothing to nothing"),
        ('{"src_words": ["a"], "tgt_words": ["b"], "alignment": [[0, -2]]}\n', "line 1: [0, -2] is no link"),
        ('{"src_words": ["a"], "tgt_words": ["b"], "alignment": [[0]]}\n', "line 1: [0] is no link"),
        ('{"src_words": ["a"], "tgt_words": ["b"], "alignment": [[0, true]]}\n', "is no link"),
        ('{"src_words": [1], "tgt_words": ["b"], "alignment": []}\n', "a word is no text"),
        ("{" + '"a":{' * 100_000, "line 1: nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(DataError) as raised:
        read_links(written(tmp_path, text))
    assert complaint in str(raised.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "links").write_bytes(b"0-0\n\xff-1\n")
    with pytest.raises(DataError, match="line 2: is not UTF-8"):
        read_links(tmp_path / "links")
