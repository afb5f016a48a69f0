"""The report as one HTML page that needs nothing else: no script, no network, plots inside, light and dark.

The template escapes every text; the plots are the only markup that goes in as it is, taken apart and put together again
by `inline`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

import alignfreeze_cli
from alignfreeze_cli.published import language_names
from alignfreeze_cli.report import words
from alignfreeze_cli.report.facts import Comparison, Report, Section
from alignfreeze_cli.report.grids import like
from alignfreeze_cli.report.inline import VARIABLES, inline
from alignfreeze_cli.report.plots import Plot
from alignfreeze_cli.report.table import MEAN, Cell, Row

_DARK = {
    "ink": "#e6edf3",
    "muted": "#9aa4af",
    "grid": "#3a424c",
    "band": "#1c222a",
    "paper": "#12161b",
    "blue": "#4aa8e0",
}


@dataclass(frozen=True)
class Beside:
    """One strategy's mean of targets, ours and the published, and both gains."""

    strategy: str
    ours: Cell | None
    published: Cell | None
    gain: Comparison | None
    published_gain: Comparison | None


def page(report: Report, plots: Sequence[Plot]) -> str:
    """The whole page as text; the same report and plots give the same text."""
    return _template().render(
        report=report,
        models=_models(report),
        plots=plots,
        words=words,
        names=language_names(),
        light={variable: colour for colour, variable in VARIABLES.items()},
        dark=_DARK,
        version=alignfreeze_cli.__version__,
    )


@functools.cache
def _template() -> jinja2.Template:
    rooms = jinja2.Environment(
        loader=jinja2.PackageLoader("alignfreeze_cli.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rooms.globals.update(
        MEAN=MEAN, inlined=_inlined, best=_best, groups=_groups, beside=_beside, rows=_rows, overview_cell=_mean_of
    )
    return rooms.get_template("page.html")


def _inlined(plot: Plot) -> Markup:
    return Markup(inline(plot.svg, plot.name, plot.alt))


def _models(report: Report) -> dict[str, list[tuple[int, Section]]]:
    """Model → its sections with their numbers."""
    found: dict[str, list[tuple[int, Section]]] = {}
    for number, section in enumerate(report.sections):
        found.setdefault(section.table.model, []).append((number, section))
    return found


def _rows(sections: Sequence[Section]) -> list[tuple[str, bool]]:
    """All strategies of a model's sections with whether they are controls, controls last."""
    found = dict.fromkeys((row.strategy, row.control) for section in sections for row in section.table.rows)
    return sorted(found, key=lambda each: each[1])


def _mean_of(section: Section, strategy: str) -> Cell | None:
    """The mean of targets, or the score in the source language where there are no targets."""
    column = MEAN if MEAN in section.table.columns else section.table.source
    return section.cell(strategy, column)


def _best(section: Section, column: str) -> Row | None:
    """The best strategy of a column, controls left out; None if there is nothing to choose from."""
    shown = [row for row in section.table.rows if not row.control and section.cell(row.strategy, column) is not None]
    if len(shown) < 2:
        return None
    return max(shown, key=lambda row: _value(section, row.strategy, column))


def _value(section: Section, strategy: str, column: str) -> float:
    cell = section.cell(strategy, column)
    return cell.mean if cell is not None else float("-inf")


def _groups(section: Section) -> list[tuple[str, list[str]]]:
    """The targets by growing distance, in groups with headings: close, distant, unknown."""
    ordered = words.by_distance(section)
    if not section.close:
        return [("", ordered)]
    known = {*section.close, *section.distant}
    groups = [
        ("close", [name for name in ordered if name in section.close]),
        ("distant", [name for name in ordered if name in section.distant]),
        ("distance unknown", [name for name in ordered if name not in known]),
    ]
    return [(title, names) for title, names in groups if names]


def _beside(section: Section) -> list[Beside]:
    """Ours and the published of every strategy that both have."""
    other = section.published
    if other is None:
        return []
    return [
        Beside(
            row.strategy,
            section.cell(row.strategy, MEAN),
            other.cell(there, MEAN),
            section.comparison(row.strategy),
            other.comparison(there),
        )
        for row in section.table.rows
        if (there := like(other, row.strategy)) is not None
    ]
