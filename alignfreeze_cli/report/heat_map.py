"""The heat maps of `layers`: layers across, languages down, one panel per measure."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from alignfreeze_cli.phrases import signed
from alignfreeze_cli.report.plots import svg_text
from alignfreeze_cli.report.style import BLUE, DPI, INK, MUTED, PAPER, RC_PARAMS, SMALL, VERMILLION, WIDTH, readable

NAME = "layers"
_MEAN, _WEIGHTS = "mean", "weights"
_CELL_HEIGHT, _PANEL_HEIGHT = 0.17, 0.55  # inches: a row, and what a panel needs besides
_MOST_NUMBERED = 14  # layers, beyond which there is no room for numbers in the cells
_LIGHT_TEXT = 0.6  # of the strongest colour, from which on text is white


@dataclass(frozen=True)
class _Panel:
    measure: str
    title: str
    changes: bool = False  # whether it has a sign
    scale: float = 1.0
    places: int = 2

    def text(self, value: float) -> str:
        shown = signed(value, self.places) if self.changes else f"{value:.{self.places}f}"
        return shown.replace("0.", ".", 1) if abs(value) < 1 and self.places else shown


_PANELS = (
    _Panel("cka", "Likeness of the words to the base's (debiased CKA)"),
    _Panel("own-change", "A block's own change, below it that of its weights"),
    _Panel("retrieval-change", "Translations found (CSLS), change in points", changes=True, scale=100, places=0),
    _Panel("anc-change", "Neuron-wise correlation with the source, change", changes=True),
)


def layers_heat_map(content: Mapping[str, Any]) -> tuple[str, bytes]:
    """SVG and PNG of the content of `layers.json`; the same content gives the same bytes."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # the user's own matplotlibrc must not change the picture
        matplotlib.rcParams.update(RC_PARAMS)
        figure = _figure(content)
        buffer = io.BytesIO()
        # First: drawing an SVG sets the figure's resolution to its own.
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
        return svg_text(figure, NAME), buffer.getvalue()


def _figure(content: Mapping[str, Any]) -> Figure:
    layers = list(content["layers"])
    rows = [_MEAN, *content["languages"]]
    height = 2 * (_PANEL_HEIGHT + _CELL_HEIGHT * (len(rows) + 1)) + 0.15
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(2, 2).flat, _PANELS, strict=True):
        named = {row: _values(content, row, panel.measure, layers) for row in rows}
        if panel.measure == "own-change":
            named[_WEIGHTS] = [content["weights"].get(layer) for layer in layers]
        _draw(axes, panel, layers, named)
    figure.draw_without_rendering()  # laid out once, so that both files are alike
    figure.set_layout_engine("none")
    return figure


def _values(content: Mapping[str, Any], row: str, measure: str, layers: Sequence[str]) -> list[float | None]:
    """A row's values by layer, None where the measure is not defined."""
    found = content[_MEAN] if row == _MEAN else content["languages"][row]
    return [found[measure].get(layer, {}).get("value") for layer in layers]


def _draw(axes: Axes, panel: _Panel, layers: Sequence[str], rows: Mapping[str, Sequence[float | None]]) -> None:
    known = [panel.scale * value for values in rows.values() for value in values if value is not None]
    colours, norm = _colours(panel, known)
    for y, values in enumerate(rows.values()):
        for x, value in enumerate(values):
            if value is None:
                continue
            strength = float(norm(panel.scale * value))
            axes.add_patch(
                matplotlib.patches.Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colours(strength), edgecolor=PAPER)
            )
            if len(layers) <= _MOST_NUMBERED:
                strong = abs(2 * strength - 1) if panel.changes else strength
                axes.text(
                    x, y, panel.text(panel.scale * value), ha="center", va="center_baseline", fontsize=SMALL - 1.2,
                    color=PAPER if strong > _LIGHT_TEXT else INK,
                )  # fmt: skip
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(layers)), ["emb", *layers[1:]])
    axes.set_yticks(range(len(rows)), [readable(row, 12) for row in rows])
    axes.axhline(0.5, color=MUTED, linewidth=0.6)
    if _WEIGHTS in rows:
        axes.axhline(len(rows) - 1.5, color=MUTED, linewidth=0.6)
    axes.tick_params(length=0, labelsize=SMALL)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_title(panel.title, loc="left", fontsize=SMALL)


def _colours(panel: _Panel, values: Sequence[float]) -> tuple[Colormap, Normalize]:
    """White for nothing; for a change the same strength on both sides of it."""
    if panel.changes:
        most = max((abs(value) for value in values), default=0) or 1.0
        return LinearSegmentedColormap.from_list("change", [VERMILLION, PAPER, BLUE]), Normalize(-most, most)
    most = 1.0 if panel.measure == "cka" else max(values, default=0) or 1.0
    return LinearSegmentedColormap.from_list("size", [PAPER, BLUE]), Normalize(0, most, clip=True)
