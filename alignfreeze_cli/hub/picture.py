"""The picture on a card: the encoder's blocks as a strip, frozen or trained, as SVG and PNG from one description.

A strip is a list of rows (realignment, fine-tuning); in each the embeddings and the blocks from the lowest to the
highest. The drawing is a list of boxes and texts in pixels, which two short functions turn into the two formats.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

State = Literal["trained", "frozen", "untouched"]

CELL, GAP, MARGIN, LABEL = 38, 4, 16, 112  # pixels
PER_LINE = 24
_SIZE, _SMALL = 14, 12
_INK, _PAPER = "#24292f", "#ffffff"
# Told apart by lightness and by their signs as well as by hue, so colour-blind readers and printers lose nothing.
_FILL = {"trained": "#f4a259", "frozen": "#5b8fb9", "untouched": "#eceff1"}
_TEXT = {"trained": _INK, "frozen": "#ffffff", "untouched": "#6e7781"}
_MEANING = {"trained": "trained", "frozen": "frozen", "untouched": "not touched"}
SCALE = 2  # the PNG is for dense screens


@dataclass(frozen=True)
class Row:
    """One step's strip: its name, the state of the embeddings, of each block, and the block whose output is read."""

    name: str
    embeddings: State
    blocks: tuple[State, ...]
    read_block: int | None = None


@dataclass(frozen=True)
class Box:
    """A filled rectangle with round corners; x and y are its upper left one."""

    x: float
    y: float
    width: float
    height: float
    fill: str


@dataclass(frozen=True)
class Text:
    """Text whose middle (`anchor` middle) or beginning (start) lies at x, with its middle line at y."""

    x: float
    y: float
    text: str
    size: int
    colour: str
    anchor: Literal["middle", "start"] = "middle"


@dataclass(frozen=True)
class Drawing:
    width: int
    height: int
    title: str
    shapes: tuple[Box | Text, ...]


def draw(title: str, rows: Sequence[Row]) -> Drawing:
    """Lay out the strips below each other, long ones in lines of 24 blocks, and a legend of the states that occur."""
    shapes: list[Box | Text] = [Text(MARGIN, MARGIN + 8, title, _SIZE, _INK, "start")]
    y = MARGIN + 30.0
    widest = 0.0
    for row in rows:
        cells: list[tuple[str, State]] = [("emb", row.embeddings)]
        cells += [(str(number), state) for number, state in enumerate(row.blocks)]
        shapes.append(Text(MARGIN, y + CELL / 2, row.name, _SMALL, _INK, "start"))
        for start in range(0, len(cells), PER_LINE + 1):
            for column, (name, state) in enumerate(cells[start : start + PER_LINE + 1]):
                x = MARGIN + LABEL + column * (CELL + GAP)
                widest = max(widest, x + CELL)
                shapes.append(Box(x, y, CELL, CELL, _FILL[state]))
                shapes.append(Text(x + CELL / 2, y + CELL / 2, name, _SMALL, _TEXT[state]))
                if state == "frozen":  # a bar below the number: frozen is seen without colours too
                    shapes.append(Box(x + 6, y + CELL - 8, CELL - 12, 3, _TEXT[state]))
                if row.read_block is not None and name == str(row.read_block):
                    shapes.append(Text(x + CELL / 2, y + CELL + 9, "loss", _SMALL - 1, _INK))
            y += CELL + (20 if row.read_block is not None else 8)
    y += 6
    left = float(MARGIN + LABEL)
    for kind, meaning in _MEANING.items():
        if any(kind in (row.embeddings, *row.blocks) for row in rows):
            shapes.append(Box(left, y, 14, 14, _FILL[kind]))
            shapes.append(Text(left + 20, y + 7, meaning, _SMALL, _INK, "start"))
            left += 20 + 7 * len(meaning) + 20
    width = max(widest, left, MARGIN + 8.0 * len(title)) + MARGIN
    return Drawing(int(width), int(y + 14 + MARGIN), title, tuple(shapes))


def to_svg(drawing: Drawing) -> str:
    """The drawing as an SVG file, with a title that screen readers speak."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{drawing.width}" height="{drawing.height}" '
        f'viewBox="0 0 {drawing.width} {drawing.height}" role="img" font-family="sans-serif">',
        f"<title>{escape(drawing.title)}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{_PAPER}"/>',
    ]
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            lines.append(
                f'<rect x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:g}" height="{shape.height:g}" '
                f'rx="3" fill="{shape.fill}"/>'
            )
        else:
            lines.append(
                f'<text x="{shape.x:g}" y="{shape.y:g}" font-size="{shape.size}" fill="{shape.colour}" '
                f'text-anchor="{shape.anchor}" dominant-baseline="central">{escape(shape.text)}</text>'
            )
    return "\n".join([*lines, "</svg>", ""])


def to_png(drawing: Drawing) -> bytes:
    """The drawing as a PNG at twice the size, in the font that comes with Pillow."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (drawing.width * SCALE, drawing.height * SCALE), _PAPER)
    canvas = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            corners = (shape.x, shape.y, shape.x + shape.width - 1, shape.y + shape.height - 1)
            canvas.rounded_rectangle([value * SCALE for value in corners], 3 * SCALE, fill=shape.fill)
        else:
            font = ImageFont.load_default(shape.size * SCALE)
            anchor = {"middle": "mm", "start": "lm"}[shape.anchor]
            canvas.text((shape.x * SCALE, shape.y * SCALE), shape.text, shape.colour, font, anchor)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
