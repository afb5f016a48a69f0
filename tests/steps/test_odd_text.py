"""Text that once ended in an unexpected error, through the whole of align-pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alignfreeze_cli.aligners.settings import AlignPairsSettings
from alignfreeze_cli.errors import AlignFreezeError, DataError
from alignfreeze_cli.steps.align_pairs import align_pairs
from tests.support.console import RecordingConsole

WORDS = {"cat": "Katze", "dog": "Hund", "house": "Haus", "sees": "sieht", "red": "rotes", "old": "altes"}


@pytest.fixture
def dictionary(tmp_path: Path) -> str:
    for name, reverse in (("en-de", False), ("de-en", True)):
        lines = (f"{t} {s}" if reverse else f"{s} {t}" for s, t in WORDS.items())
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(tmp_path / "{source}-{target}.txt")


def align(folder: Path, dictionary: str, corpus: str, **more: Any) -> Any:
    settings = AlignPairsSettings(
        target=("de",), corpus=(corpus,), dictionary=dictionary, output=folder / "pairs", **more
    )
    return align_pairs(settings, RecordingConsole()).details["languages"]["de"]


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_two_files_of_few_lines(tmp_path: Path, dictionary: str, lines: int) -> None:
    (tmp_path / "a.en").write_text("cat sees old house\n" * lines)
    (tmp_path / "a.de").write_text("Katze sieht altes Haus\n" * lines)
    assert align(tmp_path, dictionary, f"{tmp_path}/a.en::{tmp_path}/a.de")["kept"] == lines


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("cr.csv", b"en,de\rcat,Katze\r", "is no CSV"),
        ("long.csv", b"en,de\n" + b"c" * 200_000 + b",Katze\n", "malformed|is no CSV|longer"),
        ("foo.tmx", b'<?xml version="1.0" encoding="foo"?><tmx><body/></tmx>', "give it in UTF-8"),
        ("sjis.tmx", b'<?xml version="1.0" encoding="shift_jis"?><tmx><body/></tmx>', "give it in UTF-8"),
    ],
)
def test_files_of_other_kinds_are_refused_in_a_sentence(
    tmp_path: Path, dictionary: str, name: str, text: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(DataError, match=says):
        align(tmp_path, dictionary, str(tmp_path / name))


def test_blank_lines_in_front_are_no_error(tmp_path: Path, dictionary: str) -> None:
    (tmp_path / "a.tsv").write_text("\n" * 120 + "cat sees\tKatze sieht\n", encoding="utf-8")
    assert align(tmp_path, dictionary, str(tmp_path / "a.tsv"))["kept"] == 1


def test_column_names_are_looked_for_in_the_first_line_alone(tmp_path: Path, dictionary: str) -> None:
    (tmp_path / "a.tsv").write_text("\nenglish\tgerman\textra\ncat\tKatze\tx\n", encoding="utf-8")
    with pytest.raises(AlignFreezeError, match="in its first line"):
        align(tmp_path, dictionary, str(tmp_path / "a.tsv"), columns=("english", "german"))
