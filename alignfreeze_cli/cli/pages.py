"""Pages of the documentation in help texts and messages: by their address, where the installed package has one.

A release that was built with the project's address knows it (hatch_build.py). In a clone `docs/models.md` is a file.
Elsewhere neither is there, so no path is shown that leads nowhere.
"""

from __future__ import annotations

import functools
import re
from importlib import metadata
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]

PAGES = {
    "align-pairs": "parallel-text.md",
    "realign": "freeze-plans.md",
    "blend": "blend.md",
    "finetune": "tasks.md",
    "evaluate": "tasks.md",
    "predict": "predict.md",
    "run": "recipes.md",
    "search": "search.md",
    "report": "report.md",
    "layers": "layers.md",
    "forgetting": "layers.md",
    "score-links": "aligners.md",
    "advise": "advice.md",
    "recipes": "recipes.md",
    "fetch": "recipes.md",
    "demo": "demo.md",
    "card": "publishing.md",
    "push": "publishing.md",
    "env": "recipes.md",
}
"""Command -> the page about it."""

_OTHERS = (
    *("architecture", "artifacts", "cluster", "dependencies", "differences-from-the-published-code"),
    *("models", "multilingual", "performance", "python", "words"),
)
_STEMS = {*(page.removesuffix(".md") for page in PAGES.values()), *_OTHERS}
_PAGE = re.compile(rf"(?<![\w/.\\~-])docs/((?:{'|'.join(sorted(_STEMS))})\.md)\b")
"""A page as texts name it. Messages may hold a user's paths, too: other places, and files of other names."""


def with_page(name: str, help: str) -> str:
    """The help of a command, its page as the last line; without it where the page is not known to be anywhere."""
    page = f"docs/{PAGES[name]}"
    somewhere = _documentation() is not None or (CLONE / page).is_file()
    return f"{help.rstrip()}\n\nMore: {page}\n" if somewhere else help


def with_addresses(text: str) -> str:
    """The text with the address of every page in the place of its path in the repository."""
    return _PAGE.sub(lambda page: _address(page[1]), text)


def _address(page: str) -> str:
    if (home := _documentation()) is not None:
        return f"{home}/{page}"
    return f"docs/{page}" if (CLONE / "docs" / page).is_file() else f"{page} of the documentation"


@functools.cache
def _documentation() -> str | None:
    """Where the pages of this version are, None if the package does not say."""
    try:
        pages = metadata.metadata("alignfreeze").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return None
    addresses = {label: address for label, _, address in (page.partition(", ") for page in pages)}
    return addresses.get("Documentation")
