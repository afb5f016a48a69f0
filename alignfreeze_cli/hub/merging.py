"""A card made anew keeps what a person wrote: only what stands between the generated markers is replaced.

    <!-- alignfreeze:use -->      generated, replaced
    <!-- /alignfreeze:use -->     everything else is the person's

In the metadata the generated keys win, other keys stay, and tags are joined.
"""

from __future__ import annotations

import re
from typing import Any

from alignfreeze_cli.errors import DataError

_SECTION = re.compile(r"<!-- alignfreeze:(?P<name>[a-z]+) -->\n.*?<!-- /alignfreeze:(?P=name) -->", re.DOTALL)


def sections(text: str) -> dict[str, str]:
    """Name → text of every generated section, markers included, in their order."""
    return {match["name"]: match[0] for match in _SECTION.finditer(text)}


def merge_text(old: str, new: str) -> str:
    """The old body with its generated sections replaced by the new ones.

    A section that the old body does not have yet comes after its predecessor, or to the end; one that is no longer
    generated goes. Raises DataError if a marker of the old body has lost its other half.
    """
    check_markers(old)
    fresh, present = sections(new), sections(old)
    text = _SECTION.sub(lambda match: fresh.get(match["name"], ""), old)
    previous = None
    for name, section in fresh.items():
        if name not in present:
            if previous is None:
                text = f"{text.rstrip()}\n\n{section}\n"
            else:
                end = f"<!-- /alignfreeze:{previous} -->"
                text = text.replace(end, f"{end}\n\n{section}", 1)
        previous = name
    return re.sub(r"\n{3,}", "\n\n", text)


def check_markers(text: str) -> None:
    """DataError if a marker stands alone: what is generated and what is not could not be told apart."""
    rest = _SECTION.sub("", text)
    alone = re.search(r"<!-- /?alignfreeze:[a-z]+ -->", rest)
    if alone:
        raise DataError(f"README.md: the marker {alone[0]} stands without its other half; put it back or remove it")


def merge_metadata(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The metadata of both: new values win, old keys that are not generated stay, tags are joined."""
    merged = {**old, **new}
    if "model-index" not in new:
        merged.pop("model-index", None)
    tags = [*new.get("tags", []), *(tag for tag in old.get("tags") or [] if tag not in new.get("tags", []))]
    return merged | ({"tags": tags} if tags else {})
