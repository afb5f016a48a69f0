"""The plots of growth, in the style of the report's: time at the left, memory at the right, both axes logarithmic."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from alignfreeze_cli.report.style import BLUE, GREEN, PURPLE, RC_PARAMS, VERMILLION, WIDTH
from benchmarks.growth.series import Growth, Law, Series

HEIGHT = 2.3  # inches, and
LINE = 0.2  # for each line of the legend
STYLES = ((BLUE, "o"), (VERMILLION, "s"), (GREEN, "^"), (PURPLE, "v"))


def draw(growth: Growth, path: Path) -> None:
    """Write the plot as SVG; the same points give the same bytes."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**RC_PARAMS, "svg.hashsalt": growth.name})
        figure = Figure(figsize=(WIDTH, HEIGHT + LINE * len(growth.series)), layout="constrained")
        left, right = figure.subplots(1, 2)
        for series, style in zip(growth.series, STYLES, strict=False):
            _line(left, series, series.seconds, series.time_law, style)
            _line(right, series, [peak / 1e9 for peak in series.peaks], series.memory_law, style, 1e-9)
        for axes, title in ((left, growth.time), (right, "peak memory, GB")):
            _axes(axes, growth.size, title, sorted({size for series in growth.series for size in series.sizes}))
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower left")
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    path.write_text(buffer.getvalue(), encoding="utf-8", newline="\n")


def _line(
    axes: Axes, series: Series, values: Sequence[float], law: Law, style: tuple[str, str], scale: float = 1.0
) -> None:
    """The measured points, and their law as a line."""
    colour, marker = style
    laws = list(dict.fromkeys((series.time_law.name, series.memory_law.name)))  # at the left, at the right
    label = f"{series.name} (lines: {', '.join(laws)})"
    scaled = Law(law.name, law.shape, None if law.factor is None else law.factor * scale)
    fitted: Callable[[float], float] = scaled.fitted(series.sizes, values)
    sizes = np.geomspace(min(series.sizes), max(series.sizes), 60)
    axes.plot(sizes, [fitted(size) for size in sizes], color=colour, linewidth=0.8)
    axes.plot(series.sizes, values, marker, color=colour, markersize=4, label=label)


def _axes(axes: Axes, size: str, title: str, sizes: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(size)
    axes.set_title(title, loc="left")
    axes.set_xticks(sizes if len(sizes) <= 7 else sizes[::2])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    low, high = axes.get_ylim()
    if high < 10 * low:  # less than a power of ten: room above and below, so that flat looks flat
        middle = (low * high) ** 0.5
        axes.set_ylim(middle / 4, middle * 4)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()
    axes.grid(True, axis="y")


def _short(value: float) -> str:
    """10k for 10,000."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:g}"
