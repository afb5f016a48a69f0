"""Sentences of plain text and of treebanks."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.tasks.sentences import read_sentences


def test_plain_text_is_cut_at_blanks_and_has_no_tags(tmp_path: Path) -> None:
    path = tmp_path / "de.txt"
    path.write_text("Das ist  gut.\n\n今日は\u3000良い\n", encoding="utf-8")
    assert list(read_sentences(path)) == [(["Das", "ist", "gut."], []), (["今日は", "良い"], [])]


def test_a_treebank_gives_its_words_with_their_tags(tmp_path: Path) -> None:
    path = tmp_path / "de.conllu"
    rest = "\t_" * 6
    lines = [f"1-2\tzum\t_\t_{rest}", f"1\tzu\t_\tADP{rest}", f"2\tdem\t_\t_{rest}", f"3\tHaus\t_\tNOUN{rest}"]
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    assert list(read_sentences(path)) == [(["zu", "dem", "Haus"], ["ADP", "_", "NOUN"])]


def test_files_without_a_sentence_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(DataError, match="holds no sentence"):
        list(read_sentences(tmp_path / "empty.txt"))
    (tmp_path / "binary.txt").write_bytes(b"a\0b\n")
    with pytest.raises(DataError, match="binary"):
        list(read_sentences(tmp_path / "binary.txt"))
