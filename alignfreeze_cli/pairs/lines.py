"""Chunks of a corpus as they travel to the workers, and their parsing into sentence pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

CHUNK = 8_192
"""Lines per chunk. The result does not depend on it; it bounds what each process holds in memory."""

Form = Literal["tsv", "bars", "two files", "table"]


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

    source: Sequence[str]
    target: Sequence[str]
    problems: Sequence[Problem] = field(default_factory=list)


def parse(chunk: Chunk) -> Lines:
    """The sentence pairs of a chunk, and the lines that are malformed."""
    problems: dict[int, str] = {}
    if chunk.form == "table":
        table = pa.ipc.open_stream(chunk.data[0]).read_all()
        pairs = [list(pair) for pair in zip(*(column.to_pylist() for column in table.columns), strict=True)]
        for number, pair in enumerate(pairs):
            if None in pair:
                problems[number] = "no text on one side"
                pairs[number] = ["", ""]
    elif chunk.form == "two files":
        sides = [decode_lines(data, chunk.first, problems) for data in chunk.data]
        pairs = [list(pair) for pair in zip(*sides, strict=True)]
    else:
        mark, name = ("\t", "columns") if chunk.form == "tsv" else ("|||", "parts on '|||'")
        pairs = [line.split(mark) for line in decode_lines(chunk.data[0], chunk.first, problems)]
        for number, pair in enumerate(pairs):
            if len(pair) != 2:
                # An empty line is an empty pair, not a mistake; a line that could not be decoded is known already.
                if number not in problems and (len(pair) > 1 or pair[0].strip()):
                    problems[number] = f"{len(pair)} {name} instead of 2"
                pairs[number] = ["", ""]
    for number in problems:
        pairs[number] = ["", ""]
    return Lines(
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
        [Problem(chunk.first + number, why) for number, why in sorted(problems.items())],
    )


def decode_lines(data: bytes, first: int, problems: dict[int, str]) -> list[str]:
    """Lines without their ends (LF or CR LF); one that is not UTF-8 is empty and noted under its number in `data`."""
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        lines = []
        for number, line in enumerate(data.split(b"\n")):
            try:
                lines.append(line.decode())
            except UnicodeDecodeError as error:
                problems[number] = f"not UTF-8 (byte {line[error.start]:#04x} at column {error.start + 1})"
                lines.append("")
    if data.endswith(b"\n"):
        lines.pop()
    if b"\r\n" in data or data.endswith(b"\r"):
        lines = [line.removesuffix("\r") for line in lines]
    if first == 1 and lines:
        lines[0] = lines[0].removeprefix("\ufeff")  # a byte-order mark is no text
    return lines
