"""Translation memories, TMX (Translation Memory eXchange 1.4): units of segments, one for each language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn
from xml.parsers import expat

import pyarrow as pa

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.arrays import table_to_bytes
from alignfreeze_cli.pairs.chunks import CHUNK, Chunk
from alignfreeze_cli.pairs.languages import find_code
from alignfreeze_cli.pairs.text_files import LONGEST_LINE, CorpusFile, OneFile, open_bytes

_BYTES = 1 << 16  # that the parser gets at a time

_CODES = ("bpt", "ept", "it", "ph", "ut")
"""Elements inside a segment that hold a format's codes, not text (TMX 1.4b, section "Content markup")."""


class TmxFile(OneFile):
    """The units of a TMX file that have both languages; the others are left out, as the file may hold many languages.

    `columns`: the codes in the file, if they are not those of the languages.
    """

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        if self.score is not None:
            raise DataError("is a translation memory, which has no column of scores", self.place)
        first, waiting = 1, list[tuple[str, str]]()
        for pair in self._pairs():
            waiting.append(pair)
            done = limit is not None and first - 1 + len(waiting) == limit
            if len(waiting) == CHUNK or done:
                yield self._chunk(first, waiting)
                first += len(waiting)
                waiting = []
            if done:
                return
        if waiting:
            yield self._chunk(first, waiting)

    def _chunk(self, first: int, pairs: list[tuple[str, str]]) -> Chunk:
        sides = [pa.array(side, pa.string()) for side in zip(*pairs, strict=True)]
        return Chunk(self.place, first, len(pairs), "table", (table_to_bytes(pa.table(sides, ["source", "target"])),))

    def _pairs(self) -> Iterator[tuple[str, str]]:
        """The texts of the units with both languages. Raises DataError if there are units, but none of these."""
        wanted = self.columns or (self.source, self.target)
        sides: dict[tuple[str, ...], list[str | None]] = {}  # languages of a unit -> which of them are the two sides
        found = False
        for unit in self._units():
            codes = tuple(unit)
            if codes not in sides:
                sides[codes] = [find_code(codes, code, self.place) for code in wanted]
            source, target = sides[codes]
            if source is not None and target is not None and source != target:
                found = True
                yield unit[source], unit[target]
        if sides and not found:
            held = sorted({code for codes in sides for code in codes})
            raise DataError(
                f"has no unit in both {wanted[0]} and {wanted[1]}, only in {', '.join(held)}; other codes can be named "
                "with --columns SOURCE,TARGET",
                self.place,
            )

    def _units(self) -> Iterator[dict[str, str]]:
        """Every unit as language -> text, read in pieces. Raises DataError for what is no well-formed XML."""
        units: list[dict[str, str]] = []
        parser = expat.ParserCreate()
        parser.buffer_text = True
        reading = _Reading(self.file, parser, units)
        parser.StartElementHandler = reading.start
        parser.EndElementHandler = reading.end
        parser.CharacterDataHandler = reading.text
        # An entity may stand for text without end; no tool needs its own in a translation memory.
        parser.EntityDeclHandler = reading.refuse_entities
        with open_bytes(self.file) as content:
            end = False
            while not end:
                block = content.read(_BYTES)
                end = not block
                try:
                    parser.Parse(block, end)
                except expat.ExpatError as error:
                    raise DataError(f"is no XML ({expat.ErrorString(error.code)})", self.place, error.lineno) from None
                except (LookupError, ValueError) as error:  # of the encoding that the first line names
                    raise DataError(f"can't be decoded ({error}); give it in UTF-8", self.place, 1) from None
                yield from units
                units.clear()


class _Reading:
    """What the parser tells about the element it is in."""

    def __init__(self, file: CorpusFile, parser: Any, units: list[dict[str, str]]) -> None:
        self.file, self.parser, self.units = file, parser, units
        self.unit: dict[str, str] = {}
        self.code = ""  # language of the variant
        self.parts: list[str] | None = None  # text of the segment, inside one
        self.length = 0
        self.inside_codes = 0  # how many elements deep

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "tu":
            self.unit = {}
        elif name == "tuv":
            self.code = attributes.get("xml:lang") or attributes.get("lang") or ""
        elif name == "seg":
            self.parts, self.length, self.inside_codes = [], 0, 0
        elif self.inside_codes or name in _CODES:
            self.inside_codes += 1

    def end(self, name: str) -> None:
        if name == "tu":
            self.units.append(self.unit)
        elif name == "seg" and self.parts is not None:
            self.unit.setdefault(self.code, "".join(self.parts))
            self.parts = None
        elif self.inside_codes:
            self.inside_codes -= 1

    def text(self, text: str) -> None:
        if self.parts is None or self.inside_codes:
            return
        self.parts.append(text)
        self.length += len(text)
        if self.length > LONGEST_LINE:
            raise DataError("has a segment without end", self.file.place, self.parser.CurrentLineNumber)

    def refuse_entities(self, name: str, *_: object) -> NoReturn:
        raise DataError(
            f"declares an entity, {name}, which is not read", self.file.place, self.parser.CurrentLineNumber
        )
