"""Freeze plans as strips below each other, their frozen parts coloured by what the plan does to the score."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from alignfreeze_cli.phrases import signed
from alignfreeze_cli.report.plots import svg_text
from alignfreeze_cli.report.style import GRID, INK, MUTED, PAPER, RC_PARAMS, SMALL, readable

_CELL, _LABEL, _VALUE = 0.24, 1.3, 0.6  # inches: a cell, the names on the left, the values on the right
_COLOURS = "RdBu"  # red below zero, blue above: distinguishable without seeing red and green


@dataclass(frozen=True)
class HeatStrip:
    """One plan: the numbers of its frozen blocks and whether it freezes the embeddings, and its difference in points.

    `frozen` is None for an encoder that was not realigned at all.
    """

    name: str
    frozen: tuple[int, ...] | None
    embeddings: bool
    difference: float


def draw_strips(strips: Sequence[HeatStrip], n_blocks: int, read_block: int, caption: str, folder: Path) -> None:
    """Write `strips.svg` and `strips.png`: a row for each plan, a cell for the embeddings and each block.

    Frozen cells have the colour of the plan's difference, trained ones are white, and those that the loss does not
    reach, frozen or not, are grey. The same strips give the same bytes.
    """
    columns = n_blocks + 1
    wide = _LABEL + _CELL * columns + _VALUE
    lines = textwrap.wrap(caption, int(wide * 72 / (0.55 * SMALL)))  # a letter is about 0.55 of its size wide
    below = 0.15 + 0.13 * len(lines)
    high = _CELL * len(strips) + below + 0.35
    largest = max((abs(strip.difference) for strip in strips), default=0.0) or 1.0
    norm = TwoSlopeNorm(0.0, -largest, largest)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # the user's own matplotlibrc does not count
        matplotlib.rcParams.update(RC_PARAMS)
        figure = Figure(figsize=(wide, high))
        axes = figure.add_axes((_LABEL / wide, below / high, _CELL * columns / wide, _CELL * len(strips) / high))
        colours = matplotlib.colormaps[_COLOURS]
        for row, strip in enumerate(strips):
            for column in range(columns):
                number = column - 1
                if number > read_block and strip.frozen is not None:
                    fill: Any = GRID
                else:
                    fill = colours(norm(strip.difference)) if _is_frozen(strip, number) else PAPER
                axes.add_patch(Rectangle((column, row), 1, 1, facecolor=fill, edgecolor=MUTED, linewidth=0.5))
            axes.text(-0.2, row + 0.5, readable(strip.name), ha="right", va="center", fontsize=SMALL)
            shown = signed(strip.difference)
            axes.text(columns + 0.2, row + 0.5, shown, ha="left", va="center", fontsize=SMALL, color=INK)
        _number(axes, columns, len(strips))
        figure.text(0.05 / wide, 0.06 / high, "\n".join(lines), fontsize=SMALL, color=MUTED, va="bottom")
        folder.mkdir(parents=True, exist_ok=True)
        # First: drawing an SVG sets the figure's resolution to its own.
        FigureCanvasAgg(figure).print_png(folder / "strips.png", metadata={"Software": None})
        (folder / "strips.svg").write_text(svg_text(figure, "strips"), encoding="utf-8", newline="\n")


def _is_frozen(strip: HeatStrip, number: int) -> bool:
    if strip.frozen is None:
        return True
    return strip.embeddings if number < 0 else number in strip.frozen


def _number(axes: Axes, columns: int, rows: int) -> None:
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_xticks([column + 0.5 for column in range(columns)], ["emb", *map(str, range(columns - 1))])
    axes.tick_params(length=0, labelsize=SMALL, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
