"""Chunks of a corpus as they travel to the workers, and their parsing into sentence pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alignfreeze_cli.pairs.arrays import as_strings, int32_array, string_array

CHUNK = 8_192
"""Lines per chunk. The result does not depend on it; it bounds what each process holds in memory."""

Form = Literal["tsv", "bars", "two files", "table"]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chunk:
    """Consecutive lines of a corpus, unparsed.

    `place` names the file (or data set), `first` is the number of the first line in it, counted from 1. `data` holds
    the bytes of the lines: of one file, of both files (`two files`), or of an Arrow stream with two columns (`table`).
    """

    place: str
    first: int
    count: int
    form: Form
    data: tuple[bytes, ...]


@dataclass(frozen=True)
class Problem:
    """A line that cannot be used: its number in the file, counted from 1, and what is wrong with it."""

    line: int
    why: str


@dataclass(frozen=True)
class Lines:
    """Sentence pairs of a chunk. A malformed line is an empty pair here, so that positions stay those of the corpus."""

    source: pa.StringArray
    target: pa.StringArray
    problems: Sequence[Problem] = field(default_factory=list)


def parse(chunk: Chunk) -> Lines:
    """The sentence pairs of a chunk, and the lines that are malformed."""
    if chunk.form == "table":
        sides, problems = _columns(chunk.data[0])
    elif chunk.form == "two files":
        sides, problems = _two_files(chunk.data, chunk.first)
    else:
        sides, problems = _one_file(chunk.data[0], chunk.first, chunk.form)
    found = [Problem(chunk.first + number, why) for number, why in sorted(problems.items())]
    return Lines(sides[0], sides[1], found)


Sides = tuple[list[pa.StringArray], dict[int, str]]
"""Source and target texts, and what is wrong with which line of the chunk, counted from 0."""


def _columns(data: bytes) -> Sides:
    sides = [as_strings(column) for column in pa.ipc.open_stream(data).read_all().columns]
    missing = set()
    for side in sides:
        if side.null_count:
            missing |= {number for number, text in enumerate(side.to_pylist()) if text is None}
    return _without(sides, dict.fromkeys(missing, "no text on one side"))


def _two_files(data: Sequence[bytes], first: int) -> Sides:
    sides: list[pa.StringArray] = []
    problems: dict[int, str] = {}
    for block in data:
        text, starts, ends, wrong = _lines(block, first)
        problems |= wrong
        sides.append(_cut(text, np.stack((starts, ends), axis=1), 0))
    return _without(sides, problems)


def _one_file(data: bytes, first: int, form: Form) -> Sides:
    text, starts, ends, problems = _lines(data, first)
    if form == "tsv":
        separators, width, name = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\t")), 1, "columns"
    else:
        found = [match.start() for match in re.finditer(rb"\|\|\|", text)]
        separators, width, name = np.array(found, np.int64), 3, "parts on '|||'"
    first_separator = np.searchsorted(separators, starts)
    counts = np.searchsorted(separators, ends) - first_separator
    for number in np.flatnonzero(counts != 1).tolist():
        # An empty line is an empty pair, not a mistake; a line that is no text is known already.
        if number not in problems and text[starts[number] : ends[number]].strip():
            problems[number] = f"{counts[number] + 1} {name} instead of 2"
    # Each line as source, separator, target, line end; a line that is not two parts has nothing but separator.
    edges = np.stack((starts, starts, ends, ends), axis=1)
    two = np.flatnonzero(counts == 1)
    edges[two, 1] = separators[first_separator[two]]
    edges[two, 2] = edges[two, 1] + width
    return _without([_cut(text, edges, 0), _cut(text, edges, 2)], problems)


def _cut(text: bytes, edges: Positions, part: int) -> pa.StringArray:
    """One part of every line; row k of `edges` says where the parts of line k begin, the last one ends at row k + 1."""
    everything = string_array(np.frombuffer(text, np.uint8), np.append(edges.ravel(), len(text)))
    return everything.take(int32_array(np.arange(part, len(everything), edges.shape[1])))


def _without(sides: list[pa.StringArray], problems: dict[int, str]) -> Sides:
    """Empty the lines that have problems, so that nothing of them is used (nor undecodable bytes become strings)."""
    if problems:
        usable = np.ones(len(sides[0]), bool)
        usable[list(problems)] = False
        sides = [pc.if_else(pa.array(usable), side, "") for side in sides]
    return sides, problems


def _lines(data: bytes, first: int) -> tuple[bytes, Positions, Positions, dict[int, str]]:
    """Text with LF as line end, where its lines begin and end, and which of them are not UTF-8."""
    text = data.replace(b"\r\n", b"\n")
    if first == 1:
        text = text.removeprefix(b"\xef\xbb\xbf")  # a byte-order mark is no text
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    starts = np.concatenate(([0], ends[:-1] + 1))
    problems = {}
    try:
        # Arrow checks UTF-8 without making a string of it.
        string_array(np.frombuffer(text, np.uint8), np.array([0, len(text)])).validate(full=True)
    except pa.ArrowInvalid:
        for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            try:
                text[start:end].decode()
            except UnicodeDecodeError as error:
                wrong = f"{error.object[error.start]:#04x} at column {error.start + 1}"
                problems[number] = f"not UTF-8 (byte {wrong})"
    return text, starts, ends, problems


def companion_lines(data: bytes, first: int) -> tuple[list[str], dict[int, str]]:
    """The lines of a companion file, and which of them are not UTF-8; those are empty."""
    text, starts, ends, problems = _lines(data, first)
    (lines,), problems = _without([_cut(text, np.stack((starts, ends), axis=1), 0)], problems)
    return lines.to_pylist(), problems
