"""A report as one Markdown text, which also reads well in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alignfreeze_cli.report import text_tables
from alignfreeze_cli.report.comparison import Report, Section
from alignfreeze_cli.report.score_table import ScoreTable
from alignfreeze_cli.report.text_tables import MARKS, TextTable

if TYPE_CHECKING:  # matplotlib is not needed for a table in the terminal
    from alignfreeze_cli.report.plots import Plot


def markdown(report: Report, plots: Sequence[Plot] = ()) -> str:
    """The whole report: overview, notes, one part per section, method. Plots are linked as `plots/NAME.svg`."""
    parts = [
        f"# {report.title}",
        "## Overview",
        *(_with_caption(each) for each in text_tables.overview(report)),
        *_images(plots, None),
    ]
    if report.notes:
        parts += ["## Notes on these runs", _list(report.notes)]
    for number, section in enumerate(report.sections):
        parts += [*_section(section), *_images(plots, number)]
    parts += ["## How the numbers were computed", _list(report.method)]
    return "\n\n".join(parts) + "\n"


def overview(report: Report) -> str:
    """The overview and the notes alone, for a terminal."""
    parts = [_with_caption(each) for each in text_tables.overview(report)]
    if report.notes:
        parts.append(f"Notes:\n{_list(report.notes)}")
    return "\n\n".join(parts)


def score_text(table: ScoreTable) -> str:
    """The scores of one model and task with their caption, for the end of `alignfreeze run`."""
    by_strategy = text_tables.by_strategy(table)
    return f"{by_strategy.caption}\n\n{markdown_table(by_strategy)}"


def markdown_table(table: TextTable) -> str:
    """The table with its columns lined up: the first to the left, the others to the right."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (table.header, *table.rows)]
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
    parts = [f"## {section.heading}", _with_caption(text_tables.scores(section))]
    gains, contrasts = text_tables.gains(section), text_tables.contrasts(section)
    if gains:
        parts += [_with_caption(gains), f"{MARKS}."]
        parts.append(_list([f"{title}: {text}." for title, text in text_tables.changes(section)]))
    if contrasts:
        parts.append(_with_caption(contrasts))
    if section.close:
        parts.append(_list([f"Close: {', '.join(section.close)}.", f"Distant: {', '.join(section.distant)}."]))
    return parts


def _with_caption(table: TextTable) -> str:
    return f"{table.caption}.\n\n{markdown_table(table)}"


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _images(plots: Sequence[Plot], section: int | None) -> list[str]:
    """The plots of a section, or those of all sections; brackets would end an alternative text."""
    return [
        f"![{plot.alt.replace('[', '(').replace(']', ')')}](plots/{plot.name}.svg)\n\n{plot.caption}"
        for plot in plots
        if plot.section == section
    ]
