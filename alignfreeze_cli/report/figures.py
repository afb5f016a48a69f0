"""The report's figures, drawn with matplotlib's objects alone: no state of pyplot, no display."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from alignfreeze_cli.phrases import signed
from alignfreeze_cli.report.comparison import Comparison, Gain, Section
from alignfreeze_cli.report.findings import error_bars, metric, p_equals
from alignfreeze_cli.report.score_table import MEAN, Cell
from alignfreeze_cli.report.style import BAND, DPI, INK, MUTED, PAPER, SIZE, SMALL, WIDTH, StrategyStyle, readable

_MARKER, _AXIS = 4.6, 52.0  # points: the width of a marker with its space; left axis and margins
_PLACES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


def gains_figure(section: Section, styles: Mapping[str, StrategyStyle]) -> Figure:
    """Every language's gain with error bars, by distance from the source; the mean of all at the end.

    Many languages go over several rows, so that markers don't touch.
    """
    languages = section.targets_by_distance
    slot = _MARKER * len(section.comparisons) + 5
    fitting = max(4, int((WIDTH * 72 - _AXIS) / slot) - 2)
    count = math.ceil(len(languages) / fitting)
    each = math.ceil(len(languages) / count)
    rows = [languages[start : start + each] for start in range(0, len(languages), each)]
    figure = _figure(WIDTH, 0.55 + 1.75 * len(rows) + (0.4 if len(rows) == 1 else 0))
    wide = max(each - 0.5, len(rows[-1]) + 1.0)  # the mean is half a place behind the last language
    axes = figure.subplots(len(rows), 1, sharey=True, squeeze=False)[:, 0]
    kind = error_bars(section)
    for row, panel in zip(rows, axes, strict=True):
        last = row is rows[-1]
        _background(panel, section, row, wide, last)
        for place, comparison in enumerate(section.comparisons):
            shift = (place - (len(section.comparisons) - 1) / 2) * 0.8 / len(section.comparisons)
            names = [(float(x), name) for x, name in enumerate(row) if name in comparison.gains]
            shown = [(x, comparison.gains[name]) for x, name in names]
            if last:
                shown.append((len(row) + 0.5, comparison.average))
            _points(panel, [(x + shift, gain) for x, gain in shown], kind, styles[comparison.strategy])
        panel.set_ylabel("gain, points")
    figure.supxlabel(_order(section), fontsize=SIZE)
    _legend(figure, section.comparisons, styles)
    return _laid_out(figure)


def distance(section: Section, styles: Mapping[str, StrategyStyle]) -> Figure:
    """Gain against distance, a panel for every strategy; the bars are the means of the closer and the farther half."""
    shown = section.comparisons
    across = len(shown) if len(shown) < 4 else 2 if len(shown) == 4 else 3
    down = math.ceil(len(shown) / across)
    figure = _figure(max(WIDTH * across / 3, WIDTH / 2) if across < 3 and down == 1 else WIDTH, 0.3 + 1.9 * down)
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    panels = [panel for row in grid for panel in row]
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    for number, (panel, comparison) in enumerate(zip(panels, shown, strict=False)):
        style = styles[comparison.strategy]
        near = {name: section.distances[name] for name in comparison.gains if name in section.distances}
        panel.axhline(0, color=INK, linewidth=0.8, zorder=1)
        panel.grid(axis="y")
        panel.set_axisbelow(True)
        for half, mean in ((section.close, comparison.close), (section.distant, comparison.distant)):
            if half and mean is not None:
                ends = [section.distances[name] for name in half]
                panel.hlines(mean.mean, min(ends), max(ends), color=style.colour, linewidth=1.6, alpha=0.45, zorder=2)
        values = [comparison.gains[name].mean for name in near]
        panel.scatter(
            list(near.values()), values, s=13, marker=style.marker, facecolor=style.fill, edgecolor=style.colour,
            linewidth=0.8, zorder=3,
        )  # fmt: skip
        panel.set_title(_panel_title(comparison), loc="left", fontsize=SMALL + 0.3)
        panel.margins(x=0.09, y=0.1)
        if number % across == 0:
            panel.set_ylabel("gain, points")
        if number + across >= len(shown):
            panel.xaxis.set_tick_params(labelbottom=True)
    figure.supxlabel(f"distance from {readable(section.table.source)}", fontsize=SIZE)
    _laid_out(figure)  # names are placed once the axes are
    for panel, comparison in zip(panels, shown, strict=False):
        _name_points(panel, {n: (section.distances[n], g.mean) for n, g in comparison.gains.items()
                             if n in section.distances})  # fmt: skip
    return figure


def tasks(sections: Sequence[Section], styles: Mapping[str, StrategyStyle]) -> Figure:
    """A panel for every task: each strategy's mean over the targets and its deviation, with the baseline's line."""
    names = list(dict.fromkeys((row.strategy, row.control) for section in sections for row in section.table.rows))
    names.sort(key=lambda name: name[1])
    across = min(4, len(sections))
    down = math.ceil(len(sections) / across)
    width = WIDTH if across > 1 else WIDTH / 2
    figure = _figure(width, (0.62 + 0.24 * len(names)) * down)
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    panels = [panel for row in grid for panel in row]
    for panel in panels[len(sections) :]:
        panel.set_visible(False)
    for panel, section in zip(panels, sections, strict=False):
        column = section.table.columns.index(MEAN)
        cells = {row.strategy: row.cells[column] for row in section.table.rows}
        baseline = cells.get(section.baseline) if section.baseline is not None else None
        if baseline is not None:
            panel.axvline(baseline.mean, color=INK, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
        for y, (name, _) in enumerate(names):
            _score(panel, y, cells.get(name), styles[name])
        panel.set_ylim(len(names) - 0.45, -0.75)
        panel.set_yticks(range(len(names)), [readable(name) + (" (control)" if c else "") for name, c in names])
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
        panel.grid(axis="x")
        panel.set_axisbelow(True)
        panel.margins(x=0.2)
        panel.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        panel.set_title(readable(section.table.task), loc="left", fontweight="bold")
        panel.set_xlabel(f"{readable(metric(section))}, %")
    return _laid_out(figure)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _laid_out(figure: Figure) -> Figure:
    """Lay the figure out once, so that all files made of it are alike."""
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine("none")
    return figure


def _background(panel: Axes, section: Section, row: Sequence[str], end: float, last: bool) -> None:
    """The background of a row: bands behind every other language, the zero line, names, and the two halves."""
    ticks = [*range(len(row))] + ([len(row) + 0.5] if last else [])
    labels = [readable(name, 12) for name in row] + (["mean"] if last else [])
    for x in range(0, len(row), 2):
        panel.axvspan(x - 0.5, x + 0.5, color=BAND, linewidth=0, zorder=0)
    if last:
        panel.axvline(len(row), color=MUTED, linewidth=0.6)
    panel.axhline(0, color=INK, linewidth=0.8, zorder=1)
    panel.set_xlim(-0.5, end)
    wide = (WIDTH * 72 - _AXIS) / (end + 0.5)
    turned = any(len(label) * 5.2 > wide for label in labels)
    panel.set_xticks(ticks, labels, rotation=90 if turned else 0)
    panel.tick_params(axis="x", length=0)
    panel.grid(axis="y")
    panel.set_axisbelow(True)
    for half, title in ((section.close, "closer half"), (section.distant, "farther half")):
        places = [x for x, name in enumerate(row) if name in half]
        if places:
            panel.annotate(
                title, (places[0] - 0.4, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                textcoords="offset points", fontsize=SMALL, color=MUTED, va="bottom",
            )  # fmt: skip
            if places[0]:
                panel.axvline(places[0] - 0.5, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))


def _points(panel: Axes, shown: Sequence[tuple[float, Gain]], kind: str | None, style: StrategyStyle) -> None:
    bars = [(x, *ends) for x, gain in shown if (ends := _ends(gain, kind)) is not None]
    if bars:  # all at once: an artist for each would take most of the time of the plot
        panel.vlines(*zip(*bars, strict=True), color=style.colour, linewidth=0.9, zorder=2)
    xs, means = [x for x, _ in shown], [gain.mean for _, gain in shown]
    panel.plot(xs, means, markersize=3.4, zorder=3, **_marker(style))


def _ends(gain: Gain, kind: str | None) -> tuple[float, float] | None:
    if kind == "deviation" and gain.deviation is not None:
        return gain.mean - gain.deviation, gain.mean + gain.deviation
    return gain.interval if kind == "interval" else None


def _score(panel: Axes, y: int, cell: Cell | None, style: StrategyStyle) -> None:
    if cell is None:
        panel.annotate("not run", (0.5, y), xycoords=("axes fraction", "data"), ha="center", va="center",
                       fontsize=SMALL, color=MUTED)  # fmt: skip
        return
    if cell.deviation is not None:
        panel.hlines(
            y, cell.mean - cell.deviation, cell.mean + cell.deviation, color=style.colour, linewidth=1, zorder=2
        )
    panel.plot([cell.mean], [y], markersize=4.4, zorder=3, **_marker(style))
    panel.annotate(f"{cell.mean:.1f}", (cell.mean, y), xytext=(0, 3.2), textcoords="offset points", ha="center",
                   va="bottom", fontsize=SMALL, bbox={"facecolor": PAPER, "linewidth": 0, "pad": 0.2})  # fmt: skip


def _marker(style: StrategyStyle) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": style.marker,
        "color": style.colour,
        "markerfacecolor": style.fill,
        "markeredgewidth": 0.8,
    }


def _legend(figure: Figure, comparisons: Sequence[Comparison], styles: Mapping[str, StrategyStyle]) -> None:
    handles = [
        Line2D([], [], markersize=4.4, label=_label(comparison), **_marker(styles[comparison.strategy]))
        for comparison in comparisons
    ]
    letters = sum(len(_label(comparison)) + 4 for comparison in comparisons)
    lines = math.ceil(letters * 4.8 / (WIDTH * 72))
    figure.legend(handles=handles, loc="outside upper left", ncols=math.ceil(len(handles) / lines))


def _label(comparison: Comparison) -> str:
    return readable(comparison.strategy) + (" (control)" if comparison.control else "")


def _panel_title(comparison: Comparison) -> str:
    found = comparison.correlation
    if found is None:
        return _label(comparison)
    return f"{readable(comparison.strategy, 14)}: ρ = {signed(found.rho, 2)}, {p_equals(found.p)}"


def _order(section: Section) -> str:
    if not section.distances:
        return "target language"
    return f"target language, by growing distance from {readable(section.table.source)}"


def _name_points(panel: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Write the languages' names next to their points, the largest gains and losses first, where there is room."""
    canvas = panel.figure.canvas
    renderer = canvas.get_renderer()  # type: ignore[attr-defined]
    dot = DPI / 72  # pixels in a point
    room = panel.get_window_extent(renderer)
    centres = {name: panel.transData.transform(point) for name, point in points.items()}
    taken = [Bbox.from_extents(x - 2 * dot, y - 2 * dot, x + 2 * dot, y + 2 * dot) for x, y in centres.values()]
    for name, (x, y) in sorted(points.items(), key=lambda item: (-abs(item[1][1]), item[0])):
        text = panel.annotate(
            readable(name, 8), (x, y), xytext=(0, 0), textcoords="offset points", fontsize=SMALL - 0.5, color=MUTED,
            ha="center", va="center_baseline",
        )  # fmt: skip
        text.set_in_layout(False)
        box = text.get_window_extent(renderer)
        for right, up in _candidates(box.width / dot, box.height / dot):
            moved = box.translated(right * dot, up * dot)
            inside = room.x0 <= moved.x0 and moved.x1 <= room.x1 and room.y0 <= moved.y0 and moved.y1 <= room.y1
            if inside and not any(moved.overlaps(other) for other in taken):
                text.xyann = (right, up)
                taken.append(moved)
                break
        else:
            text.remove()


def _candidates(width: float, height: float) -> Iterator[tuple[float, float]]:
    """Where the middle of a name may lie, in points from that of its marker."""
    for right, up in _PLACES:
        yield right * (width / 2 + 2.8), up * (height / 2 + 2.6)
