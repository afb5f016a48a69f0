"""Corpora in one file. Opening text files, compressed or not, in UTF-8 or UTF-16, from a pipe; and their lines, of
bounded length.
"""

from __future__ import annotations

import bz2
import codecs
import functools
import gzip
import io
import lzma
import re
import shutil
import stat
import tempfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from alignfreeze_cli.artifacts.nearby import path_alike
from alignfreeze_cli.artifacts.record import portable
from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.chunks import CHUNK, Chunk

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
"""Endings that a name may have after that of its format. A file is unpacked by its first bytes, whatever its name."""

LONGEST_LINE = 1 << 20
"""Bytes; what goes on for longer is no sentence, and would not fit into memory if it never ended."""

_HEAD = 100  # lines at the beginning of a file by which its form is found
_SAMPLE = 65_536  # bytes at the beginning of a file by which it is recognised
_BUFFER = 1 << 20  # bytes
_AT_A_TIME = 32  # lines that are read before it is known whether they end


def _open_zstd(path: Path) -> IO[bytes]:
    return cast(IO[bytes], pa.input_stream(str(path), compression="zstd"))


_UNPACK: dict[re.Pattern[bytes], Callable[[Path], Any]] = {
    re.compile(rb"\x1f\x8b\x08"): gzip.open,
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P)"): bz2.open,
    re.compile(rb"\xfd7zXZ\x00"): lzma.open,
    re.compile(rb"\x28\xb5\x2f\xfd"): _open_zstd,
}
_MARKS = {  # UTF-32's byte-order mark begins with UTF-16's, so it comes first
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
    b"": "utf-8",
}


@dataclass(frozen=True)
class CorpusFile:
    """A file of a corpus: where its bytes are, and what messages and statistics call it."""

    path: Path
    place: str


def corpus_file(path: Path) -> CorpusFile:
    """A file as it is, or the copy of a pipe: its digest is needed before anything of it is used.

    Raises DataError if there is neither.
    """
    place = portable(str(path))
    if path.is_file():
        return CorpusFile(path, place)
    try:
        mode = path.stat().st_mode
    except OSError:
        raise DataError(f"no such corpus file{path_alike(path, folders=False)}", path) from None
    if not stat.S_ISFIFO(mode):
        raise DataError("is neither a file nor a pipe", path)
    handle, copy = tempfile.mkstemp(dir=_spool_folder().name)
    with path.open("rb") as pipe, open(handle, "wb") as file:
        shutil.copyfileobj(pipe, file)
    return CorpusFile(Path(copy), place)


@functools.cache
def _spool_folder() -> tempfile.TemporaryDirectory[str]:
    """Where pipes are copied to; it goes when the program ends."""
    return tempfile.TemporaryDirectory(prefix="alignfreeze-")


@contextmanager
def open_bytes(file: CorpusFile) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked if it is compressed. Raises DataError if it is damaged or cannot be read."""
    unpack = None
    try:
        with file.path.open("rb") as packed:
            start = packed.read(16)
        unpack = next((unpack for signature, unpack in _UNPACK.items() if signature.match(start)), None)
        with io.BufferedReader((unpack or io.FileIO)(file.path), _BUFFER) as content:
            yield content
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"cannot be {'unpacked' if unpack else 'read'}: {error}", file.place) from error


def read_start(file: CorpusFile) -> str:
    """The beginning of a file, unpacked, as text; what is no text in it is replaced."""
    return _read_start(file)[0]


def _read_start(file: CorpusFile) -> tuple[str, str]:
    """The beginning of a file and its encoding, which a byte-order mark says; UTF-8 without one."""
    with open_bytes(file) as content:
        start = content.read(_SAMPLE)
    encoding = next(encoding for mark, encoding in _MARKS.items() if start.startswith(mark))
    return codecs.getincrementaldecoder(encoding)("replace").decode(start), encoding


@contextmanager
def open_lines(file: CorpusFile) -> Iterator[Iterator[bytes]]:
    """The lines of a text file in UTF-8, with their line ends; none if there is nothing but blanks.

    UTF-16 and UTF-32 need a byte-order mark. What is no UTF-8 stays as it is, for `parse_chunk` to find. Raises
    DataError for a damaged or binary file.
    """
    start, encoding = _read_start(file)
    if start.startswith("PK\x03\x04"):
        raise DataError("is a zip archive; unpack it", file.place)
    lines = start.split("\n")
    if sum("\0" in line for line in lines) > len(lines) / 2:
        raise DataError(
            "is a binary file, or UTF-16 without a byte-order mark; a corpus must be UTF-8 text", file.place
        )
    with open_bytes(file) as content:
        if not start.strip() and len(start) < _SAMPLE // 4:  # so few characters are all there are
            yield iter(())
        elif encoding.startswith("utf-8"):
            content.read(len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0)
            yield iter(functools.partial(content.readline, LONGEST_LINE), b"")
        else:
            yield _recoded(content, encoding, file.place)


def _recoded(content: IO[bytes], encoding: str, place: str) -> Iterator[bytes]:
    """Lines of UTF-16 or UTF-32 as UTF-8; half a surrogate pair becomes bytes that are no UTF-8."""
    text = io.TextIOWrapper(content, encoding, errors="surrogatepass", newline="\n")
    try:
        for line in iter(functools.partial(text.readline, LONGEST_LINE), ""):
            yield line.encode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise DataError(f"cannot be read as {encoding.upper()}: {error.reason}", place) from error


def blocks(
    lines: Sequence[Iterator[bytes]], files: Sequence[CorpusFile], limit: int | None, first: int = 1
) -> Iterator[tuple[int, list[list[bytes]]]]:
    """The next CHUNK lines of each file, with the number of the first; ends when no file has any.

    `limit`: how many lines in all (None: no limit). Raises DataError for a line without end.
    """
    left = limit
    while left is None or left > 0:
        size = CHUNK if left is None else min(CHUNK, left)
        found = [next_lines(each, size, file, first) for each, file in zip(lines, files, strict=True)]
        if not any(found):
            return
        yield first, found
        first += size
        left = None if left is None else left - size


def next_lines(lines: Iterator[bytes], count: int, file: CorpusFile, first: int = 1) -> list[bytes]:
    """Up to so many lines, of which the first has this number; DataError for one without end.

    They are looked at few at a time: one without end comes in pieces of the longest length.
    """
    found: list[bytes] = []
    while part := list(islice(lines, min(_AT_A_TIME, count - len(found)))):
        if max(map(len, part)) >= LONGEST_LINE:
            line = next(number for number, each in enumerate(part, first + len(found)) if len(each) >= LONGEST_LINE)
            raise DataError(
                f"is longer than {LONGEST_LINE >> 20} MiB; a line must be a sentence pair", file.place, line
            )
        found += part
    return found


@dataclass(frozen=True)
class OneFile:
    """A corpus in one file, the base of its formats: the file, the codes of its two languages, and the columns given.

    `columns` are those of the sides, `score` is that of the pairs' scores, if they are wanted.
    """

    file: CorpusFile
    source: str
    target: str
    columns: tuple[str, ...] = ()
    score: str | None = None

    @property
    def place(self) -> str:
        return self.file.place

    @property
    def files(self) -> list[CorpusFile]:
        return [self.file]


class FileOfLines(OneFile, ABC):
    """A corpus in a text file, whose first lines show what its columns are."""

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        with open_lines(self.file) as lines:
            if head := first_lines(lines, self.file):
                yield from self.chunks_of(head, chain(head, lines), limit)

    @abstractmethod
    def chunks_of(self, head: Sequence[bytes], lines: Iterator[bytes], limit: int | None) -> Iterator[Chunk]:
        """The chunks of all `lines`, of which `head` are the first, at least one."""


def first_lines(lines: Iterator[bytes], file: CorpusFile) -> list[bytes]:
    """The lines that show what a file holds; none if it is empty."""
    return next_lines(lines, _HEAD, file)
