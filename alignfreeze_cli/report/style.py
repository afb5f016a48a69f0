"""The style of all plots: sizes for a page of a paper, colours, markers, and text that DejaVu Sans can draw.

Strategies differ by marker as well as by colour (Okabe and Ito's palette, made for colour-blind readers);
controls are grey and hollow. The page replaces the colours named here by ones of its own for a dark screen.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.ft2font import FT2Font

WIDTH = 6.3  # inches: the text width of an A4 page in two columns, so that 8 points stay 8 points
DPI = 200
SIZE, SMALL = 8.0, 6.5  # points

INK, MUTED, GRID, BAND, PAPER = "#24292f", "#6e7781", "#d0d7de", "#f3f5f7", "#ffffff"
VERMILLION, BLUE, GREEN, PURPLE, ORANGE, SKY = "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"

RC_PARAMS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "axes.titley": 1.0,  # else every drawing looks anew whether ticks above the axes are in the way, and none are
    "axes.labelsize": SIZE,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "legend.fontsize": SIZE,
    "legend.frameon": False,
    "legend.handletextpad": 0.3,
    "legend.columnspacing": 1.4,
    "text.parse_math": False,  # a name with dollar signs is a name
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "svg.fonttype": "path",
    "savefig.dpi": DPI,
}


@dataclass(frozen=True)
class StrategyStyle:
    """How one strategy is drawn; `fill` is the inside of the marker."""

    colour: str
    marker: str
    fill: str


_BASELINE = StrategyStyle(INK, "D", INK)
_KNOWN = {
    "full": StrategyStyle(VERMILLION, "s", VERMILLION),
    "front": StrategyStyle(BLUE, "o", BLUE),
    "back": StrategyStyle(GREEN, "^", GREEN),
}
_COLOURS = (PURPLE, ORANGE, SKY, VERMILLION, BLUE, GREEN)
_MARKERS = ("v", "P", "X", "<", ">", "h", "*")
_CONTROLS = ("o", "s", "^", "D", "v", "h")


def strategy_styles(
    strategies: Iterable[tuple[str, bool]], baselines: Iterable[str | None]
) -> Mapping[str, StrategyStyle]:
    """Every strategy's style, from its name and whether it is a control.

    The paper's strategies look the same in all reports, the others by the order in which they come.
    """
    styles = {name: _BASELINE for name in baselines if name is not None}
    others = controls = 0
    for name, control in strategies:
        if name in styles:
            continue
        if control:
            styles[name] = StrategyStyle(MUTED, _CONTROLS[controls % len(_CONTROLS)], PAPER)
            controls += 1
        elif name in _KNOWN:
            styles[name] = _KNOWN[name]
        else:
            colour = _COLOURS[others % len(_COLOURS)]
            styles[name] = StrategyStyle(colour, _MARKERS[others % len(_MARKERS)], colour)
            others += 1
    return styles


def readable(text: str, longest: int = 24) -> str:
    """A label as the plots' font can draw it: unknown letters as their code points, long ones cut."""
    known = _letters()
    drawn = "".join(
        letter if ord(letter) in known and unicodedata.category(letter)[0] != "C" else f"\\u{ord(letter):04x}"
        for letter in text
    )
    return drawn if len(drawn) <= longest else drawn[: longest - 1] + "…"


@functools.cache
def _letters() -> frozenset[int]:
    font = FT2Font(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")))
    return frozenset(font.get_charmap())
