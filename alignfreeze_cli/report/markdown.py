"""A report as one Markdown text, which also reads well in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alignfreeze_cli.phrases import escaped, escaped_line
from alignfreeze_cli.report import text_tables
from alignfreeze_cli.report.comparison import Report, Section
from alignfreeze_cli.report.score_table import ScoreTable
from alignfreeze_cli.report.sources import source_tables
from alignfreeze_cli.report.text_tables import MARKS, TextTable

if TYPE_CHECKING:  # matplotlib is not needed for a table in the terminal
    from alignfreeze_cli.report.plots import Plot


def markdown(report: Report, plots: Sequence[Plot] = ()) -> str:
    """The whole report: overview, notes, one part per section, method. Plots are linked as `plots/NAME.svg`."""
    parts = [
        f"# {escaped_line(report.title)}",
        "## Overview",
        *(_with_caption(each) for each in text_tables.overview_tables(report)),
        *(_with_caption(each) for each in source_tables(report)),
        *_images(plots, None),
    ]
    if report.notes:
        parts += ["## Notes on these runs", _list(report.notes)]
    for number, section in enumerate(report.sections):
        parts += [*_section(section), *_images(plots, number)]
    if report.changes:
        tables = (_with_caption(each) for each in report.changes.tables)
        parts += [
            "## What realignment changed in the encoders",
            *tables,
            _list([f"{each}." for each in report.changes.sentences]),
        ]
    parts += ["## How the numbers were computed", _list(report.method)]
    return "\n\n".join(parts) + "\n"


def overview(report: Report) -> str:
    """The overview and the notes alone, for a terminal, where nothing is escaped."""
    parts = [
        f"{each.caption}.\n\n{markdown_table(each, for_file=False)}"
        for each in (*text_tables.overview_tables(report), *source_tables(report))
    ]
    if report.notes:
        parts.append("\n".join(["Notes:", *(f"- {note}" for note in report.notes)]))
    return "\n\n".join(parts)


def score_text(table: ScoreTable, for_file: bool = False) -> str:
    """The scores of one model and task with their captions: for the terminal at the end of `alignfreeze run`, or for a
    file of Markdown.
    """
    tables = filter(None, (text_tables.by_strategy(table), text_tables.other_metrics(table)))
    return "\n\n".join(
        f"{escaped_line(each.caption) if for_file else each.caption}\n\n{markdown_table(each, for_file)}"
        for each in tables
    )


def markdown_table(table: TextTable, for_file: bool = True) -> str:
    """The table with its columns lined up: the first to the left, the others to the right."""
    lines = [
        [escaped(cell) if for_file else cell.replace("|", "\\|") for cell in line]
        for line in (table.header, *table.rows)
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        [
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    rule = ["-" * (width + 1) + (":" if n else "-") for n, width in enumerate(widths)]
    head, *body = [f"| {' | '.join(line)} |" for line in texts]
    return "\n".join([head, f"|{'|'.join(rule)}|", *body])


def _section(section: Section) -> list[str]:
    parts = [f"## {escaped_line(section.heading)}", _with_caption(text_tables.scores_table(section))]
    gains, contrasts = text_tables.gains_table(section), text_tables.contrasts(section)
    if others := text_tables.other_metrics(section.table):
        parts.append(_with_caption(others))
    if gains:
        parts += [_with_caption(gains), escaped_line(f"{MARKS}.")]
        parts.append(_list([f"{title}: {text}." for title, text in text_tables.changes(section)]))
    if contrasts:
        parts.append(_with_caption(contrasts))
    if section.close:
        parts.append(_list([f"Close: {', '.join(section.close)}.", f"Distant: {', '.join(section.distant)}."]))
    return parts


def _with_caption(table: TextTable) -> str:
    return f"{escaped_line(table.caption)}.\n\n{markdown_table(table)}"


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {escaped_line(item)}" for item in items)


def _images(plots: Sequence[Plot], section: int | None) -> list[str]:
    """The plots of a section, or those of all sections."""
    return [
        f"![{escaped(plot.alt)}](plots/{plot.name}.svg)\n\n{escaped_line(plot.caption)}"
        for plot in plots
        if plot.section == section
    ]
