"""Spoil one file, run a command on it, and see how it ends: shared by the tests of tampered inputs.

A case is refused with an exit code, or listed as harmless: then the result is that of the input as it was.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.artifacts.record import RECORD_NAME
from alignfreeze_cli.cli.errors import explain
from tests.artifacts.test_record import JSON

HARMLESS = 0
SECONDS = 30
"""No case may take longer; most take a few hundredths of a second."""

DEEP = '{"a":' * 100_000


@dataclass(frozen=True)
class Case:
    """`spoil` gets the path of the file. `code` is the exit code of the command, `HARMLESS` if it must not matter."""

    name: str
    spoil: Callable[[Path], object]
    code: int = 3
    says: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Ending:
    code: int
    sentence: str
    result: Any = None


def ending(call: Callable[[], Any]) -> Ending:
    """How a call ends, as the command line would say it."""
    try:
        with _alarm():
            return Ending(0, "", call())
    except (Exception, KeyboardInterrupt) as error:
        sentence, code = explain(error)
        return Ending(code, sentence)


def check(case: Case, found: Ending, lines: int = 1) -> None:
    """Whether it ended as the case says, with one sentence that a person can use."""
    assert "Unexpected" not in found.sentence, found.sentence
    assert found.code == case.code, (found.code, found.sentence)
    assert case.says in found.sentence, found.sentence
    assert len(found.sentence.splitlines()) <= lines, found.sentence
    assert all(len(line) < 1000 for line in found.sentence.splitlines()), found.sentence[:2000]
    assert bool(found.sentence) is (case.code != HARMLESS)


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: Any) -> None:
        raise AssertionError(f"no end after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# What can become of any file


def written(content: str | bytes) -> Callable[[Path], object]:
    data = content.encode() if isinstance(content, str) else content
    return lambda path: path.write_bytes(data)


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0" * 100)


def pointer(path: Path) -> None:
    """What a clone without git-lfs leaves in the place of a large file."""
    digest, size = file_digest(path), path.stat().st_size
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n")


def any_json(code: int = 3) -> list[Case]:
    """What no JSON file of ours may be."""
    return [
        Case("empty", written(""), code),
        Case("blanks", written("  \n"), code),
        Case("half", cut, code),
        Case("null", written("null"), code),
        Case("a number", written("7"), code),
        Case("a text", written('"config"'), code),
        Case("a list", written("[1, 2]"), code),
        Case("an empty object", written("{}"), code),
        Case("nested 100,000 deep", written(DEEP), code),
        Case("a number of 10,000 digits", written('{"a": ' + "9" * 10_000 + "}"), code),
        Case("binary", written(bytes(range(256)) * 8), code),
        Case("UTF-16", lambda path: path.write_bytes(path.read_text().encode("utf-16")), code),
        Case("a pipe", fifo, code),
        Case("a folder", folder, code),
        Case("a link to itself", loop, code),
        Case("a pointer of git-lfs", pointer, code),
    ]


# What can become of JSON


def put(*path: Any) -> Callable[[Path], object]:
    """Replace one value: the last argument is the new one, those before it lead to its place."""
    *way, key, value = path

    def spoil(file: Path) -> None:
        values = json.loads(file.read_text(encoding="utf-8"))
        holder = values
        for each in way:
            holder = holder[each]
        holder[key] = value
        file.write_text(json.dumps(values), encoding="utf-8")

    return spoil


def replace_a_part(values: Any, data: st.DataObject) -> None:
    """Replace one part, at any depth, by anything that JSON can hold."""
    holder: Any = values
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from(keys))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
            holder[key] = data.draw(JSON)
            return
        holder = inner


def each(key: str, *values: Any, code: int = 3) -> list[Case]:
    """One case for each value that a key may have."""
    return [Case(f"{key} {value!r}", put(key, value), code) for value in values]


def without(*path: Any) -> Callable[[Path], object]:
    *way, key = path

    def spoil(file: Path) -> None:
        values = json.loads(file.read_text(encoding="utf-8"))
        holder = values
        for each in way:
            holder = holder[each]
        del holder[key]
        file.write_text(json.dumps(values), encoding="utf-8")

    return spoil


# What can become of weights


def header(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], object]:
    """Change the header of a safetensors file; what `change` returns takes its place, if it returns something."""

    def spoil(path: Path) -> None:
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        values = json.loads(content[8 : 8 + length])
        replaced = change(values)
        text = (
            replaced if isinstance(replaced, bytes) else json.dumps(values if replaced is None else replaced).encode()
        )
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])

    return spoil


def reseal(folder: Path) -> None:
    """Write the digests of the files as they are now into the record, as whoever tampers with them can."""
    path = folder / RECORD_NAME
    record = json.loads(path.read_text(encoding="utf-8"))
    for name in record["files"]:
        if (folder / name).is_file():
            record["files"][name] = file_digest(folder / name)
    path.write_text(json.dumps(record), encoding="utf-8")


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to
