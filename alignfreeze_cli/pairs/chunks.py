"""Chunks: consecutive lines of a corpus, sent to worker processes unparsed, and parsed there into sentence pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alignfreeze_cli.pairs.arrays import as_strings, int32_array, string_array, table_from_bytes

CHUNK = 8_192
"""Lines per chunk. The result does not depend on it; it bounds what each process holds in memory."""

Form = Literal["tsv", "bars", "two files", "table"]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chunk:
    """Consecutive lines of a corpus, unparsed.

    `place` names the file or data set, `first` is the number of the first line in it, counted from 1. `data` holds the
    bytes of the lines: of one file (`tsv`: source, tab, target; `bars`: source ||| target), of both files
    (`two files`), or of an Arrow stream with two columns (`table`).
    `companion` holds as many lines of the aligner's companion file, if it has one: line k there belongs to line k here.
    The first of them is line `companion_first` of that file, which goes on from corpus to corpus.
    """

    place: str
    first: int
    count: int
    form: Form
    data: tuple[bytes, ...]
    companion: bytes | None = None
    companion_first: int = 1


@dataclass(frozen=True)
class MalformedLine:
    """A line that cannot be used: its number in the file, counted from 1, and what is wrong with it."""

    line: int
    reason: str


@dataclass(frozen=True)
class ParsedChunk:
    """The sentence pairs of a chunk, as text. A malformed line is an empty pair, so that positions stay those of the
    corpus.
    """

    source: pa.StringArray
    target: pa.StringArray
    malformed: Sequence[MalformedLine] = ()


Reasons = dict[int, str]
"""Number of a malformed line in its chunk, counted from 0 -> what is wrong with it."""


def parse_chunk(chunk: Chunk) -> ParsedChunk:
    """The sentence pairs of a chunk, and the lines that are malformed."""
    if chunk.form == "table":
        sides, reasons = _parse_table(chunk.data[0])
    elif chunk.form == "two files":
        sides, reasons = _parse_two_files(chunk.data, chunk.first)
    else:
        sides, reasons = _parse_one_file(chunk.data[0], chunk.first, chunk.form)
    malformed = [MalformedLine(chunk.first + number, reason) for number, reason in sorted(reasons.items())]
    source, target = _without_malformed(sides, reasons)
    return ParsedChunk(source, target, malformed)


def parse_companion(chunk: Chunk) -> tuple[list[str] | None, Reasons]:
    """The chunk's lines of the companion file (None if there is no such file), and which of them are not UTF-8.

    Those that are not are empty.
    """
    if chunk.companion is None:
        return None, {}
    text, starts, ends, reasons = _find_lines(chunk.companion, chunk.companion_first)
    (lines,) = _without_malformed([_cut(text, np.stack((starts, ends), axis=1), 0)], reasons)
    return lines.to_pylist(), reasons


def _parse_table(data: bytes) -> tuple[list[pa.StringArray], Reasons]:
    sides = [as_strings(column) for column in table_from_bytes(data).columns]
    missing = {
        number for side in sides if side.null_count for number, text in enumerate(side.to_pylist()) if text is None
    }
    return sides, dict.fromkeys(missing, "no text on one side")


def _parse_two_files(data: Sequence[bytes], first: int) -> tuple[list[pa.StringArray], Reasons]:
    sides: list[pa.StringArray] = []
    reasons: Reasons = {}
    for block in data:
        text, starts, ends, undecodable = _find_lines(block, first)
        reasons |= undecodable
        sides.append(_cut(text, np.stack((starts, ends), axis=1), 0))
    return sides, reasons


def _parse_one_file(data: bytes, first: int, form: Form) -> tuple[list[pa.StringArray], Reasons]:
    text, starts, ends, reasons = _find_lines(data, first)
    if form == "tsv":
        separators, width, name = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\t")), 1, "columns"
    else:
        found = [match.start() for match in re.finditer(rb"\|\|\|", text)]
        separators, width, name = np.array(found, np.int64), 3, "parts on '|||'"
    first_separator = np.searchsorted(separators, starts)
    counts = np.searchsorted(separators, ends) - first_separator
    for number in np.flatnonzero(counts != 1).tolist():
        # An empty line is an empty pair, not a mistake; a line that is not UTF-8 has been reported.
        if number not in reasons and text[starts[number] : ends[number]].strip():
            reasons[number] = f"{counts[number] + 1} {name} instead of 2"
    # Each line as source, separator, target, line end; a line that is not two parts has nothing but separator.
    edges = np.stack((starts, starts, ends, ends), axis=1)
    two = np.flatnonzero(counts == 1)
    edges[two, 1] = separators[first_separator[two]]
    edges[two, 2] = edges[two, 1] + width
    return [_cut(text, edges, 0), _cut(text, edges, 2)], reasons


def _cut(text: bytes, edges: Positions, part: int) -> pa.StringArray:
    """One part of every line; row k of `edges` says where the parts of line k begin, the last one ends at row k + 1."""
    everything = string_array(np.frombuffer(text, np.uint8), np.append(edges.ravel(), len(text)))
    return everything.take(int32_array(np.arange(part, len(everything), edges.shape[1])))


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
    reasons = {}
    try:
        # Arrow checks UTF-8 without making a string of it.
        string_array(np.frombuffer(text, np.uint8), np.array([0, len(text)])).validate(full=True)
    except pa.ArrowInvalid:
        for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            try:
                text[start:end].decode()
            except UnicodeDecodeError as error:
                where = f"{error.object[error.start]:#04x} at column {error.start + 1}"
                reasons[number] = f"not UTF-8 (byte {where})"
    return text, starts, ends, reasons
