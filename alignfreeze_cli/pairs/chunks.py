"""Chunks: consecutive lines of a corpus, sent to worker processes unparsed, and parsed there into sentence pairs."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alignfreeze_cli.pairs.arrays import (
    as_strings,
    int32_array,
    int32_values,
    string_array,
    string_parts,
    strings_from_bytes,
    table_from_bytes,
    table_to_bytes,
)

CHUNK = 8_192
"""Lines per chunk. The result does not depend on it; it bounds what each process holds in memory."""

Form = Literal["tsv", "bars", "two files", "jsonl", "table"]
Positions = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

ColumnPath = tuple[str, ...]
"""A column, or a column and the field in it: `("translation", "de")`."""

Reasons = dict[int, str]
"""Number of a malformed line in its chunk, counted from 0 -> what is wrong with it."""


@dataclass(frozen=True)
class Layout:
    """Which parts of a line are the sides and the score, if any, counted from 0, and how many parts a line has."""

    source: int = 0
    target: int = 1
    parts: int = 2
    score: int | None = None

    @property
    def columns(self) -> tuple[int, ...]:
        return (self.source, self.target) if self.score is None else (self.source, self.target, self.score)


@dataclass(frozen=True)
class Chunk:
    """Consecutive lines of a corpus, unparsed.

    `place` names the file or data set, `first` is the number of the first line in it, counted from 1. `data` holds the
    bytes of the lines: of one file (`tsv` and `bars`: parts separated by tabs or `|||`, see `layout`; `jsonl`: objects
    with the texts at `columns`), of both files (`two files`), or of an Arrow stream with two columns (`table`). The
    score is the third column, if there is one.
    `malformed` says what was wrong already when the lines were read.
    `position` counts the first line among those of all corpora of the language pair, from 1. `companion` holds as many
    lines of the aligner's companion file, if it has one: its line `position` and those that follow.
    `left_out` holds a byte for each line: not 0 where it is known already that the line is not aligned (`LEFT_OUT`);
    none if no line is.
    """

    place: str
    first: int
    count: int
    form: Form
    data: tuple[bytes, ...]
    layout: Layout = Layout()
    columns: tuple[ColumnPath, ...] = ()
    malformed: Reasons = field(default_factory=dict)
    position: int = 1
    companion: bytes | None = None
    left_out: bytes = b""


@dataclass(frozen=True)
class MalformedLine:
    """A line that cannot be used: its number in the file, counted from 1, and what is wrong with it."""

    line: int
    reason: str


@dataclass(frozen=True)
class ParsedChunk:
    """The sentence pairs of a chunk, as text. A malformed line is an empty pair, so that positions stay those of the
    corpus.

    `scores`: how good each pair is, (lines,), NaN for one with an empty side; None for a corpus without scores.
    """

    source: pa.StringArray
    target: pa.StringArray
    malformed: Sequence[MalformedLine] = ()
    scores: Scores | None = None

    @property
    def empty(self) -> npt.NDArray[np.bool_]:
        """Which pairs have no text on one side, (lines,)."""
        blank = [pc.equal(pc.utf8_trim_whitespace(side), "") for side in (self.source, self.target)]
        return int32_values(pc.cast(pc.or_(*blank), "int32")) == 1

    def without(self, lines: npt.NDArray[np.bool_]) -> ParsedChunk:
        """The chunk with those lines empty for which the mask, (lines,), is true."""
        source, target = (pc.if_else(pa.array(~lines), side, "") for side in (self.source, self.target))
        return replace(self, source=source, target=target)


def split_chunk(chunk: Chunk, lines: int) -> Iterator[Chunk]:
    """The chunk in parts of at most so many lines, for what takes long enough that progress should be seen."""
    if chunk.count <= lines:
        yield chunk
        return
    for begin in range(0, chunk.count, lines):
        part = slice(begin, min(begin + lines, chunk.count))
        if chunk.form == "table":
            data = tuple(table_to_bytes(table_from_bytes(each)[part]) for each in chunk.data)
        else:
            data = tuple(_lines_of(each, part) for each in chunk.data)
        yield replace(
            chunk,
            first=chunk.first + begin,
            count=part.stop - begin,
            data=data,
            malformed={n - begin: reason for n, reason in chunk.malformed.items() if begin <= n < part.stop},
            position=chunk.position + begin,
            companion=None if chunk.companion is None else _lines_of(chunk.companion, part),
            left_out=chunk.left_out[part],
        )


def _lines_of(data: bytes, part: slice) -> bytes:
    return b"".join(line + b"\n" for line in data.removesuffix(b"\n").split(b"\n")[part])


def parse_chunk(chunk: Chunk) -> ParsedChunk:
    """The sentence pairs of a chunk, and the lines that are malformed."""
    if chunk.form == "table":
        sides, reasons = _parse_table(chunk.data[0])
    elif chunk.form == "jsonl":
        sides, reasons = _parse_objects(chunk.data[0], chunk.columns)
    elif chunk.form == "two files":
        sides, reasons = _parse_two_files(chunk.data, chunk.first)
    else:
        sides, reasons = _parse_parts(chunk.data[0], chunk.first, chunk.form, chunk.layout)
    reasons |= chunk.malformed
    sides = _without_malformed(sides, reasons)
    parsed = ParsedChunk(sides[0], sides[1])
    if len(sides) > 2:
        scores, no_numbers = _parse_scores(sides[2].to_pylist(), parsed.empty)
        reasons |= no_numbers
        source, target = _without_malformed(sides[:2], no_numbers)
        parsed = ParsedChunk(source, target, scores=scores)
    malformed = [MalformedLine(chunk.first + number, reason) for number, reason in sorted(reasons.items())]
    return replace(parsed, malformed=malformed)


def _parse_scores(texts: Sequence[str], empty: npt.NDArray[np.bool_]) -> tuple[Scores, Reasons]:
    """The scores of pairs that are not `empty`, and which of them are no numbers."""
    scores, reasons = np.full(len(texts), np.nan), Reasons()
    for number in np.flatnonzero(~empty).tolist():
        with contextlib.suppress(ValueError):
            scores[number] = float(texts[number])
        if not np.isfinite(scores[number]):
            scores[number], reasons[number] = np.nan, f"the score {texts[number]!r} is no number"
    return scores, reasons


def parse_companion(chunk: Chunk) -> tuple[list[str] | None, Reasons]:
    """The chunk's lines of the companion file (None if there is no such file), and which of them are not UTF-8.

    Those that are not are empty.
    """
    if chunk.companion is None:
        return None, {}
    text, starts, ends, reasons = _find_lines(chunk.companion, chunk.position)
    (lines,) = _without_malformed([_cut(text, starts, ends)], reasons)
    return lines.to_pylist(), reasons


def _parse_table(data: bytes) -> tuple[list[pa.StringArray], Reasons]:
    # No text on one side is an empty side, as in a text file.
    sides = [as_strings(column).fill_null("") for column in table_from_bytes(data).columns]
    return sides, _find_bad_strings(sides)


def _parse_objects(data: bytes, columns: Sequence[ColumnPath]) -> tuple[list[pa.StringArray], Reasons]:
    reasons: Reasons = {}
    rows: list[list[bytes]] = []
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n")):
        rows.append([b""] * len(columns))
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode())
            # Half a surrogate pair (`\ud83d`) becomes bytes that are no UTF-8, and is found as such.
            values = [*(_text_at(row, path) for path in columns[:2]), *(_score_at(row, path) for path in columns[2:])]
            rows[-1] = [value.encode("utf-8", "surrogatepass") for value in values]
        except UnicodeDecodeError as error:
            reasons[number] = _not_utf8(error)
        except RecursionError:
            reasons[number] = "too many brackets inside each other"
        except ValueError as error:
            reasons[number] = str(error)
    sides = [strings_from_bytes(texts) for texts in zip(*rows, strict=True)]
    return sides, _find_bad_strings(sides) | reasons


def _text_at(row: object, path: ColumnPath) -> str:
    """The text in a JSON object, empty for null; raises ValueError if there is none."""
    value = _value_at(row, path)
    if not isinstance(value, str | None):
        raise ValueError(f"`{'.'.join(path)}` is no text")
    return value or ""


def _score_at(row: object, path: ColumnPath) -> str:
    """The number in a JSON object, as text."""
    value = _value_at(row, path)
    return "" if value is None else str(value)


def _value_at(row: object, path: ColumnPath) -> object:
    """Raises ValueError if there is nothing of this name."""
    value = row
    for name in path:
        if not isinstance(value, dict) or name not in value:
            raise ValueError(f"has no `{'.'.join(path)}`")
        value = value[name]
    return value


def _parse_two_files(data: Sequence[bytes], first: int) -> tuple[list[pa.StringArray], Reasons]:
    sides: list[pa.StringArray] = []
    reasons: Reasons = {}
    for block in data:
        text, starts, ends, bad = _find_lines(block, first)
        reasons |= bad
        sides.append(_cut(text, starts, ends))
    return sides, reasons


def _parse_parts(data: bytes, first: int, form: Form, layout: Layout) -> tuple[list[pa.StringArray], Reasons]:
    text, starts, ends, reasons = _find_lines(data, first)
    if form == "tsv":
        separators, width, name = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\t")), 1, "columns"
    else:
        found = [match.start() for match in re.finditer(rb"\|\|\|", text)]
        separators, width, name = np.array(found, np.int64), 3, "parts on '|||'"
    first_separator = np.searchsorted(separators, starts)
    counts = np.searchsorted(separators, ends) - first_separator
    usable = counts == layout.parts - 1
    for number in np.flatnonzero(~usable).tolist():
        line = text[starts[number] : ends[number]].rstrip(b" ")
        if form == "tsv" and counts[number] == layout.parts and line.endswith(b"\t"):
            usable[number] = True  # a tab that ends the line begins no column
        elif number not in reasons and line.strip():
            # An empty line is an empty pair, not a mistake; a line that is not UTF-8 has been reported.
            reasons[number] = f"{counts[number] + 1} {name} instead of {layout.parts}"
    lines = np.flatnonzero(usable)
    sides = []
    for part in layout.columns:
        # A line that is malformed or empty has nothing on either side.
        begin, end = starts.copy(), starts.copy()
        if part > 0:
            begin[lines] = separators[first_separator[lines] + part - 1] + width
        last = part >= counts[lines]
        end[lines] = ends[lines]
        end[lines[~last]] = separators[first_separator[lines[~last]] + part]
        sides.append(_cut(text, begin, end))
    return sides, reasons


def _cut(text: bytes, starts: Positions, ends: Positions) -> pa.StringArray:
    """A part of every line, from `starts` to `ends`, both (lines,), ascending."""
    edges = np.append(np.stack((starts, ends), axis=1).ravel(), len(text))
    everything = string_array(np.frombuffer(text, np.uint8), edges)
    return everything.take(int32_array(np.arange(0, len(everything), 2)))


def _without_malformed(sides: list[pa.StringArray], reasons: Reasons) -> list[pa.StringArray]:
    """Empty the malformed lines, so that nothing of them is used and no undecodable bytes become strings."""
    if not reasons:
        return sides
    usable = np.ones(len(sides[0]), bool)
    usable[list(reasons)] = False
    return [pc.if_else(pa.array(usable), side, "") for side in sides]


def _find_lines(data: bytes, first: int) -> tuple[bytes, Positions, Positions, Reasons]:
    """Text with LF as line end, where its lines begin and end, and which of them are not UTF-8."""
    text = data.replace(b"\r\n", b"\n")
    if first == 1:
        text = text.removeprefix(b"\xef\xbb\xbf")  # a byte-order mark is no text
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    starts = np.concatenate(([0], ends[:-1] + 1))
    # Arrow checks UTF-8 without making a string of it.
    everything = string_array(np.frombuffer(text, np.uint8), np.array([0, len(text)]))
    if _is_text(everything):
        return text, starts, ends, {}
    bounds = zip(starts.tolist(), ends.tolist(), strict=True)
    return text, starts, ends, _find_bad_bytes(text[start:end] for start, end in bounds)


def _find_bad_strings(sides: Sequence[pa.StringArray]) -> Reasons:
    """Which strings are no text."""
    reasons: Reasons = {}
    for side in sides:
        if not _is_text(side):
            reasons |= _find_bad_bytes(side.cast(pa.binary()).to_pylist())
    return reasons


def _is_text(strings: pa.StringArray) -> bool:
    """Whether all strings are UTF-8 without NUL."""
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return b"\0" not in string_parts(strings)[0].tobytes()


def _find_bad_bytes(stretches: Iterable[bytes]) -> Reasons:
    reasons: Reasons = {}
    for number, stretch in enumerate(stretches):
        try:
            stretch.decode()
        except UnicodeDecodeError as error:
            reasons[number] = _not_utf8(error)
        else:
            if b"\0" in stretch:
                reasons[number] = f"a NUL character at column {stretch.index(0) + 1}"
    return reasons


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"not UTF-8 (byte {error.object[error.start]:#04x} at column {error.start + 1})"
