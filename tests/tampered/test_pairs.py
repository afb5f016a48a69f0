"""Pairs folders from anywhere, their records made to fit: Parquet of other types, links to nowhere, statistics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as testing
from hypothesis import strategies as st

from alignfreeze_cli.artifacts.files import file_digest
from alignfreeze_cli.encoder.settings import RealignSettings
from alignfreeze_cli.errors import AlignFreezeError
from alignfreeze_cli.pairs.folder import Pair, open_pairs
from alignfreeze_cli.progress import Console
from alignfreeze_cli.steps.realign import realign
from tests.tampered import spoiling
from tests.tampered.spoiling import HARMLESS, Case

LINKS = pa.list_(pa.list_(pa.int32()))


def column(name: str, change: Callable[[list[Any]], list[Any]], kind: pa.DataType | None = None) -> Any:
    """Write a column of the file anew, by default with the type it had."""

    def spoil(path: Path) -> None:
        table = pq.read_table(path)
        values = change(table.column(name).to_pylist())
        place = table.schema.get_field_index(name)
        made = pa.array(values, kind or table.schema.field(name).type)
        pq.write_table(table.set_column(place, pa.field(name, made.type), made), path)

    return spoil


def table(change: Callable[[pa.Table], pa.Table]) -> Any:
    return lambda path: pq.write_table(change(pq.read_table(path)), path)


def link(*ends: Any, kind: pa.DataType = LINKS) -> Any:
    """The second link of the third row becomes another one."""

    def change(values: list[Any]) -> list[Any]:
        values[2][1] = None if ends == (None,) else list(ends)
        return values

    return column("links", change, kind)


def third(value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [*values[:2], value, *values[3:]]


TEXT, NUMBERS = pa.string(), pa.list_(pa.int64())
PARQUET = [
    Case("source is a text", column("source", lambda rows: [" ".join(words) for words in rows], TEXT)),
    Case("source is numbers", column("source", lambda rows: [[1] * len(words) for words in rows], NUMBERS)),
    Case("source is bytes", column("source", lambda rows: [[b"x"] * len(r) for r in rows], pa.list_(pa.binary()))),
    Case("source is lists of lists", column("source", lambda rows: [[w] for w in rows], pa.list_(pa.list_(TEXT)))),
    Case("source is null", column("source", lambda rows: [None] * len(rows), pa.null())),
    Case("target has a null", column("target", third(None)), says="row 3 has no target"),
    Case("target has a null word", column("target", third(["a", None] * 3)), says="row 3: a word is missing"),
    Case("target is shorter than its links", column("target", third(["a"])), says="row 3: a link leads to no word"),
    Case("target has no words", column("target", third([])), says="row 3: a link leads to no word"),
    Case("links are a text", column("links", lambda rows: ["0-0"] * len(rows), TEXT)),
    Case("links are flat", column("links", lambda rows: [[0, 0]] * len(rows), NUMBERS)),
    Case("links are fractions", column("links", lambda rows: [[[0.5]]] * len(rows), pa.list_(pa.list_(pa.float64())))),
    Case("links are texts", column("links", lambda rows: [[["0", "0"]]] * len(rows), pa.list_(pa.list_(TEXT)))),
    Case("links are objects", column("links", lambda rows: [[{"i": 0, "j": 0}]] * len(rows),
                                     pa.list_(pa.struct([("i", pa.int32()), ("j", pa.int32())])))),
    Case("links are dates", column("links", lambda rows: [[[0, 0]]] * len(rows), pa.list_(pa.list_(pa.date32())))),
    Case("a row of links is null", column("links", third(None)), says="row 3 has no links"),
    Case("a link is null", link(None), says="row 3: a link is no pair"),
    Case("a link is empty", link(), says="row 3: a link is no pair"),
    Case("a link has one end", link(1), says="row 3: a link is no pair"),
    Case("a link has three ends", link(1, 1, 1), says="row 3: a link is no pair"),
    Case("a link has a null end", link(1, None), says="row 3: a link leads to no word"),
    Case("a negative end", link(-1, 1), says="row 3: a link leads to no word"),
    Case("an end just too large", link(6, 1), says="row 3: a link leads to no word"),
    Case("an end much too large", link(1, 2**31 - 1), says="row 3: a link leads to no word"),
    Case("an end of 2^40", link(1 << 40, 1, kind=pa.list_(pa.list_(pa.int64()))), says="row 3: a link leads"),
    Case("an end of 2^64 - 1", link(1, 2**64 - 1, kind=pa.list_(pa.list_(pa.uint64()))), says="row 3: a link leads"),
    Case("no links column", table(lambda t: t.drop_columns(["links"])), says="columns source, target instead"),
    Case("other names", table(lambda t: t.rename_columns(["a", "b", "c"]))),
    Case("a column twice", table(lambda t: t.append_column("links", t.column("links")))),
    Case("no columns", table(lambda t: t.select([]))),
    Case("no rows", table(lambda t: t.slice(0, 0)), HARMLESS),
    Case("not a word in bytes", lambda path: path.write_bytes(path.read_bytes().replace(b"PAR1", b"PAR2"))),
    Case("empty", spoiling.written("")),
    Case("text", spoiling.written("source\ttarget\n")),
    Case("half", spoiling.cut),
    Case("longer", spoiling.longer),
    Case("a pointer of git-lfs", spoiling.pointer),
    Case("a pipe", spoiling.fifo),
    Case("a folder", spoiling.folder),
    Case("a link to itself", spoiling.loop),
    Case("gone", lambda path: path.unlink()),
    Case("a column more", table(lambda t: t.append_column("score", pa.array([0.5] * len(t)))), HARMLESS),
    Case("other order of columns", table(lambda t: t.select(["links", "target", "source"])), HARMLESS),
    Case("large lists", table(lambda t: t.cast(pa.schema([
        ("source", pa.large_list(pa.large_string())), ("target", pa.large_list(pa.large_string())),
        ("links", pa.large_list(pa.large_list(pa.int64())))]))), HARMLESS),
    Case("wider numbers", column("links", lambda rows: rows, pa.list_(pa.list_(pa.uint64()))), HARMLESS),
    Case("small row groups", lambda path: pq.write_table(pq.read_table(path), path, row_group_size=7), HARMLESS),
]  # fmt: skip

STATISTICS = [
    *spoiling.any_json(),
    Case("languages that are a list", spoiling.put("languages", ["xx", "yy"])),
    Case("languages that are a text", spoiling.put("languages", "xx")),
    Case("a language without a file", spoiling.put("languages", "zz", {})),
    Case("a language that leads out", spoiling.put("languages", "../../xx", {})),
    Case("a language with a control character", spoiling.put("languages", "x\u001bx", {})),
    Case("no source", spoiling.without("source")),
    Case("a source that is a number", spoiling.put("source", 7)),
    Case("a source that leads out", spoiling.put("source", "/etc/en")),
    Case("another source", spoiling.put("source", "de")),
    Case("an unknown key", spoiling.put("colour", "blue"), HARMLESS),
]
FILES = {"data/en-xx.parquet": PARQUET, "statistics.json": STATISTICS}


def run(world: Path, pairs: Path, output: Path) -> str:
    settings = RealignSettings(
        model=str(world / "encoder"), pairs=(str(pairs),), steps=1, batch_size=4, probe_pairs=0, projection=8,
        device="cpu", output=output,
    )  # fmt: skip
    return file_digest(realign(settings, Console()).path / "model.safetensors")


@pytest.fixture(scope="module")
def untampered(world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, str]:
    """The weights that come of the pairs, and of those of yy alone."""
    root = tmp_path_factory.mktemp("untampered")
    settings = RealignSettings(
        model=str(world / "encoder"), pairs=(str(world / "pairs"),), targets=("yy",), steps=1, batch_size=4,
        probe_pairs=0, projection=8, device="cpu", output=root / "yy",
    )  # fmt: skip
    alone = file_digest(realign(settings, Console()).path / "model.safetensors")
    return {False: run(world, world / "pairs", root / "all"), True: alone}


@pytest.mark.parametrize(("file", "case"), [(file, case) for file, cases in FILES.items() for case in cases], ids=str)
def test_tampered_pairs(world: Path, tmp_path: Path, untampered: dict[bool, str], file: str, case: Case) -> None:
    pairs = spoiling.copied(world / "pairs", tmp_path / "pairs")
    case.spoil(pairs / file)
    spoiling.reseal(pairs)
    found = spoiling.ending(lambda: run(world, pairs, tmp_path / "out"))
    spoiling.check(case, found)
    if case.code == HARMLESS:
        assert found.result == untampered[case.name == "no rows"]
    else:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs"]


WORDS = st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3)
ENDS = st.none() | st.lists(st.none() | st.integers(-2, 4), max_size=3)
ROWS = st.lists(st.tuples(WORDS, WORDS, st.none() | st.lists(ENDS, max_size=3)), max_size=4)


def is_pair(row: Any) -> bool:
    """The plain rule: no nulls, and every link leads from a word to a word."""
    source, target, links = row
    return (
        None not in (source, target, links)
        and None not in (*source, *target)
        and all(
            link is not None and len(link) == 2 and None not in link
            and 0 <= link[0] < len(source) and 0 <= link[1] < len(target)
            for link in links
        )
    )  # fmt: skip


@given(ROWS)
@testing(phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_are_pairs_or_refused(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    """Read from beginning to end, and one by one."""
    root = tmp_path_factory.mktemp("rows")
    (root / "data").mkdir()
    (root / "statistics.json").write_text(json.dumps({"source": "en", "languages": {"xx": {}}}))
    schema = pa.schema([("source", pa.list_(TEXT)), ("target", pa.list_(TEXT)), ("links", LINKS)])
    columns = {name: [row[n] for row in rows] for n, name in enumerate(schema.names)}
    pq.write_table(pa.table(columns, schema=schema), root / "data" / "en-xx.parquet")
    for indices in (None, list(range(len(rows)))):
        try:
            found = list(open_pairs(root).read("xx", indices))
        except AlignFreezeError:
            assert not all(map(is_pair, rows))
        else:
            assert found == [Pair(row[0], row[1], [tuple(link) for link in row[2]]) for row in rows]
            assert all(map(is_pair, rows))
