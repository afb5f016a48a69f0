"""The command `score-links`, from files to what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.world import alignfreeze

TEXT = ["the red house ||| das rote Haus", "a cat ||| eine Katze", "Berlin ||| Berlin"]
GOLD = "0-0 1-1 2-2\n0p0 1-1\n0-0\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "text").write_text("\n".join(TEXT) + "\n", encoding="utf-8")
    (tmp_path / "gold").write_text(GOLD, encoding="utf-8")
    (tmp_path / "one").write_text("0-0 1-1 2-2\n0-0 1-0\n0-0\n", encoding="utf-8")
    (tmp_path / "other").write_text("0-0 1-1\n1-1\n\n", encoding="utf-8")
    return tmp_path


def scored(*arguments: str | Path) -> dict[str, Any]:
    ran = alignfreeze("score-links", *arguments, "--format", "json")
    assert ran.exit_code == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_two_files_with_the_sentences(files: Path) -> None:
    found = scored(files / "one", files / "other", "--gold", files / "gold", "--text", files / "text")
    assert found["gold"] | {"path": ""} == {
        "path": "", "format": "Pharaoh", "base": 0, "sentences": 3, "without-links": 0, "sure": 5, "possible": 1,
        "outside": [],
    }  # fmt: skip
    one, other = found["links"]
    assert (one["links"], one["right"], one["right-and-sure"]) == (6, 5, 4)
    assert one["precision"] == pytest.approx(5 / 6)
    assert one["aer"] == pytest.approx(1 - (4 + 5) / (6 + 5))
    # Both links of `eine` go, and the one between equal words.
    assert one["after-filters"] == {"links": 3, "links-per-pair": 1.0, "precision": 1.0}
    assert (other["links"], other["recall"]) == (3, pytest.approx(3 / 5))
    assert found["both"] == {"links": 2, "right": 2}
    assert found["one-only"] == [{"links": 4, "right": 3}, {"links": 1, "right": 1}]


def test_what_a_terminal_shows(files: Path) -> None:
    ran = alignfreeze("score-links", files / "other", "--gold", files / "gold")
    assert ran.exit_code == 0, ran.stderr
    row = next(line for line in ran.stdout.splitlines() if "other" in line)
    assert [cell.strip() for cell in row.split("│")[2:-1]] == ["3", "1.0", "100.0", "60.0", "75.0", "25.0"]
    assert "5 sure links, 1 possible besides" in ran.stdout
    assert "(Pharaoh) from 0" in ran.stdout
    assert alignfreeze("score-links", files / "other", "--gold", files / "gold", "-q").stdout == "25.0\n"


def test_two_treebanks_and_their_word_ids(files: Path) -> None:
    for language, words in (("en", ["the", "house"]), ("de", ["das", "Haus"])):
        lines = ["# text = …", f"1-2\t{''.join(words)}{chr(9)}{chr(9).join('_' * 8)}"]
        lines += [f"{number}\t{word}\t{chr(9).join('_' * 8)}" for number, word in enumerate(words, 1)]
        (files / f"{language}.conllu").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    (files / "gold.json").write_text('[{"2": ["2"], "X": ["1"]}]', encoding="utf-8")
    (files / "links").write_text("1-1 1-0 0-1\n", encoding="utf-8")
    text = f"{files / 'en.conllu'}::{files / 'de.conllu'}"
    arguments = [files / "links", "--gold", files / "gold.json", "--text", text]
    assert scored(*arguments)["links"][0]["links"] == 3
    (files / "links").write_text("0-0 1-2\n", encoding="utf-8")
    ran = alignfreeze("score-links", *arguments)
    assert ran.exit_code == 3
    assert "1-2 (from 0) in a pair of 2 and 2 words" in ran.stderr


def test_numbers_of_lines_are_no_words(files: Path) -> None:
    (files / "gold").write_text("7\t0-0 1-1 2-2\n8\t1-1\n9\t0-0\n", encoding="utf-8")
    for side, name in enumerate(("en", "de")):
        lines = [f"{7 + number}\t{line.split(' ||| ')[side]}" for number, line in enumerate(TEXT)]
        (files / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = scored(files / "one", "--gold", files / "gold", "--text", f"{files / 'en'}::{files / 'de'}")
    assert found["links"][0]["after-filters"]["links"] == 3


def test_sentences_without_links_have_no_lines_in_naacl(files: Path) -> None:
    (files / "gold").write_text("1 0 0 S\n2 1 1\n", encoding="utf-8")
    ran = alignfreeze("score-links", files / "one", "--gold", files / "gold")
    assert ran.exit_code == 3
    assert "3 sentences, but" in ran.stderr
    assert "--first" in ran.stderr
    assert scored(files / "one", "--gold", files / "gold", "--first", "2")["gold"]["sentences"] == 2
    found = scored(files / "one", "--gold", files / "gold", "--text", files / "text")
    assert (found["gold"]["sentences"], found["gold"]["without-links"]) == (3, 1)


def test_gold_links_outside_their_sentence(files: Path) -> None:
    lines = 60
    (files / "text").write_text("a b ||| c d\n" * lines, encoding="utf-8")
    (files / "one").write_text("0-0 1-1\n" * lines, encoding="utf-8")
    (files / "gold").write_text("0-0 1-1\n" * (lines - 1) + "0-0 1-1 1-2\n", encoding="utf-8")
    arguments = [files / "one", "--gold", files / "gold", "--text", files / "text"]
    ran = alignfreeze("score-links", *arguments, "--format", "json")
    assert "1-2 in sentence 60" in ran.stderr
    found = json.loads(ran.stdout)
    assert found["gold"]["outside"] == [{"sentence": 60, "link": [1, 2]}]
    assert found["links"][0]["recall"] == 1
    (files / "gold").write_text("0-0 1-1 2-2\n" * lines, encoding="utf-8")
    ran = alignfreeze("score-links", *arguments)
    assert ran.exit_code == 3
    assert "60 of 180 gold links" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["one"], 2, "--gold"),
        (["one", "other", "one", "--gold", "gold"], 2, "one or two files"),
        (["missing", "--gold", "gold"], 3, "no such corpus file"),
        (["one", "--gold", "gold", "--gold-base", "2"], 2, "must be one of 0, 1"),
        (["one", "--gold", "gold", "--gold-base", "1"], 3, "word 0 in sentence 1"),
        (["one", "--gold", "short"], 3, "3 sentences, but short has 2"),
        (["one", "--gold", "empty"], 3, "holds no link"),
        (["one", "--gold", "gold", "--text", "short-text"], 3, "has 1 sentence, but gold has 3"),
        (["one", "--gold", "gold", "--text", "text", "--annotated-only"], 0, ""),
    ],
)
def test_what_does_not_go(
    files: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, complaint: str
) -> None:
    (files / "short").write_text("0-0\n0-0\n", encoding="utf-8")
    (files / "empty").write_text("\n\n\n", encoding="utf-8")
    (files / "short-text").write_text(TEXT[0] + "\n", encoding="utf-8")
    monkeypatch.chdir(files)
    ran = alignfreeze("score-links", *arguments)
    assert (ran.exit_code, complaint in ran.stderr) == (code, True), ran.stderr
