"""A report as one Markdown text, which also reads well as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alignfreeze_cli.report import grids
from alignfreeze_cli.report.facts import Report, Section
from alignfreeze_cli.report.grids import Grid
from alignfreeze_cli.report.table import grid

Pictures = Mapping[int | None, Sequence[tuple[str, str, str]]]
"""Number of a section, or None for those of all sections → (path, alternative text, caption)."""


def markdown(report: Report, pictures: Pictures | None = None) -> str:
    """The whole report: overview, notes, one part per section, method."""
    shown = pictures or {}
    parts = [
        f"# {report.title}",
        "## Overview",
        *(_table(each) for each in grids.overview(report)),
        *_seen(shown, None),
    ]
    if report.notes:
        parts += ["## What to know of these runs", _list(report.notes)]
    for number, section in enumerate(report.sections):
        parts += [*_section(section), *_seen(shown, number)]
    parts += ["## How the numbers were made", _list(report.method)]
    return "\n\n".join(parts) + "\n"


def overview(report: Report) -> str:
    """The overview and the notes alone, for a terminal."""
    parts = [_table(each) for each in grids.overview(report)]
    if report.notes:
        parts.append("Notes:\n" + _list(report.notes))
    return "\n\n".join(parts)


def _section(section: Section) -> list[str]:
    parts = [f"## {section.heading}", _table(grids.scores(section))]
    gains = grids.gains(section)
    if gains:
        parts += [_table(gains), f"{grids.MARKS}."]
        parts.append(_list([f"{title}: {text}." for title, text in grids.changes(section)]))
    contrasts = grids.contrasts(section)
    if contrasts:
        parts.append(_table(contrasts))
    if section.close:
        parts.append(_list([f"Close: {', '.join(section.close)}.", f"Distant: {', '.join(section.distant)}."]))
    return parts


def _table(shown: Grid) -> str:
    return f"{shown.caption}.\n\n{grid(shown.header, shown.rows)}"


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _seen(pictures: Pictures, section: int | None) -> list[str]:
    return [f"![{alt}]({path})\n\n{caption}" for path, alt, caption in pictures.get(section, ())]
