"""A plot's SVG as a part of a page: ids of its own, and colours that follow the page into the dark."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from alignfreeze_cli.report import looks

_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
VARIABLES = {
    looks.INK: "ink",
    looks.MUTED: "muted",
    looks.GRID: "grid",
    looks.BAND: "band",
    looks.PAPER: "paper",
    looks.BLUE: "blue",
}
"""Colours of a plot that the page sets, light and dark, as `--plot-<name>`; the others are bright enough for both."""


def inline(svg: str, name: str, alt: str) -> str:
    """The `<svg>` element: every id begins with `name`, no style sheet, no metadata; `alt` is what is spoken."""
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            element.set("href" if key == f"{{{_LINK}}}href" else key, _changed(key, value, name))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    root.set("stroke-linejoin", "round")
    return ElementTree.tostring(root, encoding="unicode")


def _changed(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key.endswith("href"):
        return f"#{name}-{value.removeprefix('#')}"
    value = _REFERENCE.sub(rf"url(#{name}-\1)", value)
    if key == "style":
        for colour, variable in VARIABLES.items():
            value = value.replace(colour, f"var(--plot-{variable})")
    return value
