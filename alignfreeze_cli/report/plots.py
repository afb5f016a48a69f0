"""The plots of a report: per section the gains and, with distances, gain against distance; per model, all tasks.

Each is written as SVG and PNG of the same figure; the same report gives the same bytes. Fonts are drawn as shapes, so
that a plot looks alike in every program and paper.
"""

from __future__ import annotations

import functools
import io
import itertools
import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from alignfreeze_cli.progress import Console
from alignfreeze_cli.report import figures, findings
from alignfreeze_cli.report.comparison import Report
from alignfreeze_cli.report.style import RC_PARAMS, strategy_styles


@dataclass(frozen=True)
class Plot:
    """One figure. `section` is the number of its section, None if it shows all tasks of `model`."""

    name: str  # of its files, without suffix
    section: int | None
    caption: str
    alt: str  # the finding in words
    svg: str
    model: str
    width: float  # inches


@dataclass(frozen=True)
class _Drawing:
    """A plot that is to be drawn."""

    name: str
    section: int | None
    model: str
    figure: Callable[[], Figure]
    caption: str
    alt: str


def draw(report: Report, folder: Path, console: Console | None = None) -> list[Plot]:
    """Draw all plots, write `<name>.svg` and `<name>.png` into the folder, and give them in the report's order."""
    drawings = _drawings(report)
    folder.mkdir(parents=True, exist_ok=True)
    plots: list[Plot] = []
    with matplotlib.rc_context(), (console or Console()).progress("drawing plots", len(drawings), "plots") as progress:
        matplotlib.rcdefaults()  # the user's own matplotlibrc must not change the report
        matplotlib.rcParams.update(RC_PARAMS)
        for each in drawings:
            name = _unused(_slug(each.name), {plot.name for plot in plots})
            figure = each.figure()
            width = figure.get_figwidth()
            # First: drawing an SVG sets the figure's resolution to its own.
            FigureCanvasAgg(figure).print_png(folder / f"{name}.png", metadata={"Software": None})
            svg = svg_text(figure, name)
            (folder / f"{name}.svg").write_text(svg, encoding="utf-8", newline="\n")
            plots.append(Plot(name, each.section, each.caption, each.alt, svg, each.model, width))
            progress.advance(note=name)
    return plots


def _drawings(report: Report) -> list[_Drawing]:
    """The plots of a report in its order: per model all tasks, then per section gains and distance."""
    rows = [(row.strategy, row.control) for section in report.sections for row in section.table.rows]
    styles = strategy_styles(dict.fromkeys(rows), [section.baseline for section in report.sections])
    found = []
    for model, numbered in report.models.items():
        sections = [section for _, section in numbered if section.targets]
        if sections:
            caption, alt = findings.tasks_caption(model), findings.tasks_alt(sections)
            figure = functools.partial(figures.tasks, sections, styles)
            found.append(_Drawing(f"{model}-tasks", None, model, figure, caption, alt))
    for number, section in enumerate(report.sections):
        if not section.comparisons:
            continue
        model, name = section.table.model, f"{section.table.model}-{section.table.task}"
        caption, alt = findings.gains_caption(section), findings.gains_alt(section)
        figure = functools.partial(figures.gains_figure, section, styles)
        found.append(_Drawing(f"{name}-gains", number, model, figure, caption, alt))
        if len(section.distances) > 1:
            caption, alt = findings.distance_caption(section), findings.distance_alt(section)
            figure = functools.partial(figures.distance, section, styles)
            found.append(_Drawing(f"{name}-distance", number, model, figure, caption, alt))
    return found


def svg_text(figure: Figure, name: str) -> str:
    """A figure as SVG; the same figure and name give the same text."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:100] or "plot"


def _unused(name: str, taken: Container[str]) -> str:
    """The name, or with the first number from 2 by which it is not taken."""
    numbered = (f"{name}-{n}" for n in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in taken)
