"""Chunks in parts say what the whole chunk says."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from alignfreeze_cli.pairs.arrays import table_to_bytes
from alignfreeze_cli.pairs.chunks import Chunk, parse_chunk, parse_companion, split_chunk

SOURCE = ["a b", "", "c\u2028d", "e", "f", "g h"]
TARGET = ["x", "y", "z", "", "v w", "\u00fc"]
TSV = "".join(f"{s}\t{t}\n" for s, t in zip(SOURCE, TARGET, strict=True)).encode()


def chunk(form: Any, *data: bytes, **more: Any) -> Chunk:
    return Chunk("place", 11, 6, form, data, position=101, left_out=bytes([0, 1, 0, 0, 0, 2]), **more)


@pytest.mark.parametrize("lines", [1, 2, 4, 5, 6, 7])
@pytest.mark.parametrize(
    "whole",
    [
        chunk("tsv", TSV),
        chunk("tsv", TSV.removesuffix(b"\n")),
        chunk("tsv", TSV.replace(b"\n", b"\r\n"), malformed={2: "odd"}, companion=b"0-0\n\n\n1-0\n\xff\n2-2"),
        chunk("tsv", TSV.replace(b"f\tv w", b"f v\xff")),
        chunk("two files", "\n".join(SOURCE).encode(), "\n".join(TARGET).encode()),
        chunk(
            "jsonl",
            "\n".join(json.dumps({"en": s, "de": t}) for s, t in zip(SOURCE, TARGET, strict=True)).encode(),
            columns=(("en",), ("de",)),
        ),
        chunk("table", table_to_bytes(pa.table({"en": SOURCE, "de": TARGET})), malformed={0: "odd", 5: "too"}),
    ],
    ids=lambda whole: whole.form,
)
def test_parts_say_what_the_whole_says(whole: Chunk, lines: int) -> None:
    parts = list(split_chunk(whole, lines))
    assert sum(part.count for part in parts) == whole.count
    assert max(part.count for part in parts) <= lines
    parsed = [parse_chunk(part) for part in parts]
    expected = parse_chunk(whole)
    for side in ("source", "target"):
        texts = [text for each in parsed for text in getattr(each, side).to_pylist()]
        assert texts == getattr(expected, side).to_pylist()
    assert [each for part in parsed for each in part.malformed] == list(expected.malformed)
    assert b"".join(part.left_out for part in parts) == whole.left_out
    for part in parts:
        assert part.position - 101 == part.first - 11
    companions = [parse_companion(part) for part in parts]
    if whole.companion is not None:
        assert [line for found, _ in companions if found is not None for line in found] == parse_companion(whole)[0]
        bad = [part.first - 11 + n for part, (_, reasons) in zip(parts, companions, strict=True) for n in reasons]
        assert bad == [*parse_companion(whole)[1]]
