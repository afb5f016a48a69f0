"""Dictionaries in the cache: taken from a folder of MUSE's files, and found there without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignfreeze_cli.aligners.dictionary_cache import keep_from_folder, remote_dictionary
from alignfreeze_cli.aligners.dictionary_files import find_dictionary
from alignfreeze_cli.aligners.settings import MUSE
from alignfreeze_cli.errors import DataError, HubError
from alignfreeze_cli.pairs.settings import fill
from tests.cli.world import alignfreeze


@pytest.fixture
def muse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as MUSE's archive is unpacked, in which one language has one direction only; an empty cache."""
    monkeypatch.setenv("ALIGNFREEZE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "muse" / "dictionaries").mkdir(parents=True)
    for name, text in {"en-de": "cat Katze\n", "de-en": "Katze cat\n", "en-fi": "cat kissa\n"}.items():
        (tmp_path / "muse" / "dictionaries" / f"{name}.txt").write_text(text)
        (tmp_path / "muse" / "dictionaries" / f"{name}.0-5000.txt").write_text("another cut\n")
    return tmp_path / "muse"


def test_what_a_folder_has_is_found_as_if_it_had_been_fetched(muse: Path) -> None:
    with pytest.raises(HubError, match="en-de.txt is not in the local cache, and offline mode is on"):
        find_dictionary(MUSE, "en", "de")
    kept = keep_from_folder(muse, [("en", "de"), ("en", "fi")])
    assert [path.name for path in kept] == ["en-de.txt", "de-en.txt", "en-fi.txt"]
    german, finnish = (find_dictionary(MUSE, "en", code) for code in ("de", "fi"))
    assert german.forward is not None
    assert german.reverse is not None
    assert german.reverse.read_text() == "Katze cat\n"
    assert finnish.note == "no dictionary fi-en; en-fi.txt is used for both directions"
    assert remote_dictionary(fill(MUSE, "fi", "en")) is None
    german.forward.write_text("cat Kat")
    with pytest.raises(HubError, match="en-de.txt is not in the local cache"):  # what is damaged is not read
        find_dictionary(MUSE, "en", "de")


def test_the_command_names_what_the_folder_lacks(muse: Path) -> None:
    done = alignfreeze("fetch", "muse", "--languages", "de,fi", "--dictionaries", muse)
    assert (done.exit_code, "0 B fetched, 30 B here before." in done.stdout) == (0, True), done.output
    lacking = alignfreeze("fetch", "muse", "--languages", "de,tr", "--dictionaries", muse)
    assert lacking.exit_code == 3
    assert "holds neither en-tr.txt nor tr-en.txt" in lacking.stderr
    with pytest.raises(DataError, match="is no folder"):
        keep_from_folder(muse / "en-de.txt", [("en", "de")])
