"""The plots of a report: per section the gains and, with distances, gain against distance; per model, all tasks.

Each is written as SVG and PNG of the same figure; the same report gives the same bytes. Fonts are drawn as shapes, so
that a plot looks alike in every program and paper.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from alignfreeze_cli.report import figures, words
from alignfreeze_cli.report.facts import Report, Section
from alignfreeze_cli.report.looks import STYLE, looks
from alignfreeze_cli.report.table import MEAN


@dataclass(frozen=True)
class Plot:
    """One figure. `section` is the number of its section, None if it shows all tasks of `model`."""

    name: str  # of its files, without suffix
    section: int | None
    caption: str
    alt: str  # the finding in words
    svg: str
    model: str


def draw(report: Report, folder: Path) -> list[Plot]:
    """Draw all plots, write `<name>.svg` and `<name>.png` into the folder, and give them in the report's order."""
    rows = [(row.strategy, row.control) for section in report.sections for row in section.table.rows]
    shown = looks(dict.fromkeys(rows), [section.baseline for section in report.sections])
    folder.mkdir(parents=True, exist_ok=True)
    plots: list[Plot] = []

    def add(name: str, section: int | None, model: str, figure: Figure, caption: str, alt: str) -> None:
        taken = {plot.name for plot in plots}
        own, again = _slug(name), 1
        while own in taken:
            again += 1
            own = f"{_slug(name)}-{again}"
        # First: drawing an SVG sets the figure's resolution to its own.
        FigureCanvasAgg(figure).print_png(folder / f"{own}.png", metadata={"Software": None})
        svg = _svg(figure, own)
        (folder / f"{own}.svg").write_text(svg, encoding="utf-8", newline="\n")
        plots.append(Plot(own, section, caption, alt, svg, model))

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a person's own matplotlibrc is not part of the report
        matplotlib.rcParams.update(STYLE)
        for model, sections in _by_model(report).items():
            drawn = figures.tasks(sections, shown)
            add(f"{model}-tasks", None, model, drawn, words.tasks_caption(model, sections), words.tasks_alt(sections))
        for number, section in enumerate(report.sections):
            if not section.comparisons:
                continue
            model, name = section.table.model, f"{section.table.model}-{section.table.task}"
            drawn = figures.gains(section, shown)
            add(f"{name}-gains", number, model, drawn, words.gains_caption(section), words.gains_alt(section))
            if len(section.distances) > 1:
                drawn = figures.distance(section, shown)
                caption, alt = words.distance_caption(section), words.distance_alt(section)
                add(f"{name}-distance", number, model, drawn, caption, alt)
    return plots


def _by_model(report: Report) -> dict[str, list[Section]]:
    """The sections that have targets, by model."""
    found: dict[str, list[Section]] = {}
    for section in report.sections:
        if MEAN in section.table.columns:
            found.setdefault(section.table.model, []).append(section)
    return found


def _svg(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "plot"
