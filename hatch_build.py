"""What a package index is told beyond pyproject.toml: a README whose links lead somewhere, and the project's pages.

Where the project lives is not written down in it, as a copy may live elsewhere. `make dist PROJECT_URL=https://…` names
it for a release. The README's links and pictures then lead there, to the files of the version's tag, and the metadata
names the pages below it, laid out as GitHub's are. Without it links into the repository become plain text, since an
index has no repository beside its page, and no page is named.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?!https?://)([^)\s]+)\)")


def readme(text: str, home: str, version: str) -> str:
    """The README with its relative links and pictures at `home`, or as plain text if that is empty."""

    def absolute(link: re.Match[str]) -> str:
        mark, label, target = link.groups()
        if not home:
            return label
        if target.startswith("#"):
            return link.group()
        return f"{mark}[{label}]({home}/{'raw' if mark else 'blob'}/v{version}/{target})"

    return _LINK.sub(absolute, text)


def pages(home: str, version: str) -> dict[str, str]:
    """The project's pages as the index lists them."""
    if not home:
        return {}
    return {
        "Homepage": home,
        "Documentation": f"{home}/tree/v{version}/docs",
        "Changelog": f"{home}/blob/v{version}/CHANGELOG.md",
        "Issues": f"{home}/issues",
    }


class ProjectPages(MetadataHookInterface):
    """Fills in `readme` and `urls`, which pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        home = os.environ.get("PROJECT_URL", "").rstrip("/")
        if home and not re.fullmatch(r"https://[^\s/]+/\S+", home):
            raise ValueError(f"PROJECT_URL must be an address such as https://host/owner/project, not {home!r}.")
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": readme(text, home, metadata["version"]),
        }
        metadata["urls"] = pages(home, metadata["version"])
