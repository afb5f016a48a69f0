"""Help texts and messages name pages of the documentation so that whoever reads them can open them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from alignfreeze_cli.cli import pages
from alignfreeze_cli.cli.app import app
from alignfreeze_cli.cli.options import reflow

TEXT = "Explained in docs/report.md and (docs/freeze-plans.md); mydocs/a.md, docs/a.md, /my/docs/models.md are none."


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The metadata of an installed package, which is found before any other."""
    folder = tmp_path / "alignfreeze-9.0.dist-info"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    pages._documentation.cache_clear()
    yield folder / "METADATA"
    pages._documentation.cache_clear()


def test_a_release_names_their_addresses(installed: Path) -> None:
    urls = "".join(
        f"Project-URL: {each}\n" for each in ("Issues, https://x.org/i", "Documentation, https://x.org/docs")
    )
    installed.write_text(f"Metadata-Version: 2.4\nName: alignfreeze\nVersion: 9.0\n{urls}", encoding="utf-8")
    expected = TEXT.replace("in docs/", "in https://x.org/docs/").replace("(docs/", "(https://x.org/docs/")
    assert pages.with_addresses(TEXT) == reflow(TEXT) == expected


def test_without_an_address_they_are_files_where_there_are_some(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.write_text("Metadata-Version: 2.4\nName: alignfreeze\nVersion: 9.0\n", encoding="utf-8")
    assert pages.with_addresses(TEXT) == TEXT
    assert pages.with_page("report", "Scores.") == "Scores.\n\nMore: docs/report.md\n"
    monkeypatch.setattr(pages, "CLONE", tmp_path)
    expected = TEXT.replace("in docs/report.md", "in report.md of the documentation")
    assert pages.with_addresses(TEXT) == expected.replace(
        "(docs/freeze-plans.md)", "(freeze-plans.md of the documentation)"
    )
    assert pages.with_page("report", "Scores.") == "Scores."


def test_every_command_ends_with_its_page() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(commands) == set(pages.PAGES)
    for name, command in commands.items():
        assert (command.help or "").rstrip().endswith(f"More: docs/{pages.PAGES[name]}"), name
        assert (pages.CLONE / "docs" / pages.PAGES[name]).is_file()


def test_pages_that_texts_name_are_there_and_known() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (pages.CLONE / "alignfreeze_cli").rglob("*.py")]
    named = set(re.findall(r"\bdocs/([\w-]+)\.md", "".join(texts)))
    assert named <= pages._STEMS <= {path.stem for path in (pages.CLONE / "docs").glob("*.md")}
