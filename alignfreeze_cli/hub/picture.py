"""The picture on a card: the encoder's blocks as strips, one per training step, each block frozen or trained."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

BlockState = Literal["trained", "frozen", "unreached", "blended", "restored"]

CELL, STEP, MARGIN, LABEL = 38, 42, 16, 112  # pixels: a block, from one to the next, the border, a strip's name
PER_LINE = 25  # blocks, and the embeddings before them; a longer strip goes on in the next line
RESOLUTION = 144  # dots per inch of the PNG, twice that of the layout, for dense screens
_INK = "#24292f"
# The states differ in lightness as well as in hue, and frozen blocks have a bar: it reads without colours too.
_FILL = {"trained": "#f4a259", "frozen": "#5b8fb9", "unreached": "#eceff1", "blended": "#f7c99b", "restored": "#8fb3d1"}
_TEXT = {"trained": _INK, "frozen": "#ffffff", "unreached": "#6e7781", "blended": _INK, "restored": _INK}
_LEGEND = {"trained": "trained", "frozen": "frozen", "unreached": "not reached by the loss"}
_LEGEND |= {"blended": "realigned, times alpha", "restored": "put back"}
_STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "text.color": _INK,
    "text.parse_math": False,  # a name with dollar signs is a name
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "blocks",  # the same strips give the same bytes
}


@dataclass(frozen=True)
class Strip:
    """One training step: its name, the state of the embeddings and of each block, and the block the loss reads."""

    name: str
    embeddings: BlockState
    blocks: tuple[BlockState, ...]
    read_block: int | None = None


@dataclass(frozen=True)
class Picture:
    """A drawing as SVG and PNG; `width` in pixels of the page."""

    width: int
    svg: bytes
    png: bytes


def draw_blocks(title: str, strips: Sequence[Strip]) -> Picture:
    """Draw the strips below each other, and a legend of the states that occur. The same strips give the same bytes."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import Affine2D

    shapes: list[Rectangle] = []
    texts: list[tuple[float, float, str, dict[str, Any]]] = [(MARGIN, MARGIN + 8, title, {"size": 14, "ha": "left"})]
    y, width = MARGIN + 30, MARGIN + 8 * len(title)
    for strip in strips:
        texts.append((MARGIN, y + CELL / 2, strip.name, {"ha": "left"}))
        for number, state in enumerate((strip.embeddings, *strip.blocks), start=-1):
            line, column = divmod(number + 1, PER_LINE)
            x, top = MARGIN + LABEL + column * STEP, y + line * (CELL + 20)
            width = max(width, x + CELL)
            shapes.append(Rectangle((x, top), CELL, CELL, color=_FILL[state], lw=0))
            texts.append((x + CELL / 2, top + CELL / 2, str(number) if number >= 0 else "emb", {"c": _TEXT[state]}))
            if state in ("frozen", "restored"):
                shapes.append(Rectangle((x + 6, top + CELL - 8), CELL - 12, 3, color=_TEXT[state], lw=0))
            if number == strip.read_block:
                texts.append((x + CELL / 2, top + CELL + 9, "loss", {"size": 11}))
        y += (line + 1) * (CELL + 20)
    x = MARGIN + LABEL
    occurring = {state for strip in strips for state in (strip.embeddings, *strip.blocks)}
    for kind, meaning in _LEGEND.items():
        if kind in occurring:
            shapes.append(Rectangle((x, y), 14, 14, color=_FILL[kind], lw=0))
            texts.append((x + 20, y + 7, meaning, {"ha": "left"}))
            x += 40 + 7 * len(meaning)
    width, height = max(width, x) + MARGIN, y + 14 + MARGIN

    # Drawn in pixels from the upper left corner; a pixel is a point of the figure.
    svg, png = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # the user's own matplotlibrc does not count
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(width / 72, height / 72))
        layout = Affine2D().scale(1 / 72, -1 / 72).translate(0, height / 72) + figure.dpi_scale_trans
        for shape in shapes:
            shape.set_transform(layout)
            figure.add_artist(shape)
        for left, middle, text, style in texts:
            figure.text(left, middle, text, transform=layout, **{"size": 12, "ha": "center", "va": "center", **style})
        figure.savefig(svg, format="svg", metadata={"Title": title, "Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=RESOLUTION, metadata={"Title": title, "Software": None})
    return Picture(width, svg.getvalue(), png.getvalue())
