"""Pages of the documentation in help texts and messages: by their address, where the installed package has one.

A release that was built with the project's address knows it (hatch_build.py). In a clone `docs/models.md` is a file.
"""

from __future__ import annotations

import functools
import re
from importlib import metadata


def with_addresses(text: str) -> str:
    """The text with the address of every page in the place of its path in the repository."""
    if "docs/" not in text or (home := _documentation()) is None:
        return text
    return re.sub(r"\bdocs/([\w-]+\.md)", lambda page: f"{home}/{page[1]}", text)


@functools.cache
def _documentation() -> str | None:
    """Where the pages of this version are, None if the package does not say."""
    try:
        pages = metadata.metadata("alignfreeze").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return None
    addresses = {label: address for label, _, address in (page.partition(", ") for page in pages)}
    return addresses.get("Documentation")
