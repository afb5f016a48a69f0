"""The pairs folder: `data/<source>-<target>.parquet` and `statistics.json` (docs/artifacts.md).

Each Parquet file has the columns `source` and `target` (the words of both sentences) and `links` (pairs [i, j]: word i
of the source is linked to word j of the target, counted from 0). Every row has at least one link. Where the aligner
scores its links, the column `scores` has a number from 0 to 1 for each; steps that read the folder leave it alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alignfreeze_cli.artifacts.files import read_json, write_json
from alignfreeze_cli.errors import ArtifactError
from alignfreeze_cli.phrases import is_name

SCHEMA = pa.schema(
    [
        pa.field("source", pa.list_(pa.string())),
        pa.field("target", pa.list_(pa.string())),
        pa.field("links", pa.list_(pa.list_(pa.int32()))),
    ]
)
SCORED_SCHEMA = SCHEMA.append(pa.field("scores", pa.list_(pa.float32())))
"""The columns where links have scores."""

ROW_GROUP = 10_000
"""Rows per row group: fixed, so that the bytes do not depend on how the rows arrived."""

STATISTICS = "statistics.json"


class Pair(NamedTuple):
    """One sentence pair: its words on both sides and the links between them, as 0-based word positions."""

    source: list[str]
    target: list[str]
    links: list[tuple[int, int]]


class PairsFile(NamedTuple):
    """One file of the folder; `rows` is its number of sentence pairs."""

    source: str
    target: str
    path: Path
    rows: int


class PairsWriter:
    """Writes one language pair's Parquet file as a stream; the same rows give the same bytes, in whatever portions.

    A context manager. What is written must fit `SCHEMA`, or `SCORED_SCHEMA` if links are `scored`; rows wait in memory
    until a row group is full.
    """

    def __init__(self, path: Path, scored: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = 0
        self._waiting: list[pa.Table] = []
        # No column statistics: nobody searches by the least and greatest word, and they take a fifth of the writing.
        schema = SCORED_SCHEMA if scored else SCHEMA
        self._writer = pq.ParquetWriter(
            path, schema, version="2.6", compression="zstd", compression_level=1, write_statistics=False
        )

    def __enter__(self) -> PairsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, table: pa.Table) -> None:
        """Add the rows of a table with the columns of the file."""
        self.rows += table.num_rows
        self._waiting.append(table)
        if sum(waiting.num_rows for waiting in self._waiting) >= ROW_GROUP:
            self._flush(everything=False)

    def write_pairs(self, pairs: Sequence[Pair]) -> None:
        """Add a list of pairs; convenient for small data."""
        columns = {
            "source": [pair.source for pair in pairs],
            "target": [pair.target for pair in pairs],
            "links": [[list(link) for link in pair.links] for pair in pairs],
        }
        self.write(pa.table(columns, schema=SCHEMA))

    def close(self) -> None:
        self._flush(everything=True)
        self._writer.close()

    def _flush(self, everything: bool) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        # Combined and cut at fixed places: chunk borders would otherwise show in the pages.
        whole = table.num_rows if everything else table.num_rows - table.num_rows % ROW_GROUP
        for start in range(0, whole, ROW_GROUP):
            rows = min(ROW_GROUP, whole - start)
            self._writer.write_table(table.slice(start, rows).combine_chunks(), row_group_size=ROW_GROUP)
        self._waiting = [table.slice(whole)] if whole < table.num_rows else []


def data_file(folder: Path, source: str, target: str) -> Path:
    """The path of a language pair's file in a pairs folder."""
    return folder / "data" / f"{source}-{target}.parquet"


def write_statistics(folder: Path, statistics: Mapping[str, Any]) -> None:
    """Write `statistics.json`; docs/artifacts.md says what is in it."""
    write_json(folder / STATISTICS, statistics)


class PairsFolder:
    """A pairs folder, open for reading. Nothing is held in memory but one row group at a time."""

    def __init__(self, folder: Path, files: Sequence[PairsFile], statistics: Mapping[str, Any]) -> None:
        self.folder = folder
        self.files = list(files)
        self.statistics = statistics
        self._by_target = {file.target: file for file in files}

    def read(self, target: str, indices: Sequence[int] | None = None) -> Iterator[Pair]:
        """The pairs of a language in the order of the file, or those of the given rows in the given order.

        Rows are cheapest to read in ascending order: a row group is read once for each run of rows inside it.
        Raises ArtifactError if there is no such language or the file holds no pairs (a null, a link to no word),
        IndexError if there is no such row.
        """
        with self._open(target) as file:
            if indices is None:
                first = 0
                for batch in file.iter_batches(batch_size=2_000, columns=SCHEMA.names):
                    yield from _pairs(_checked(pa.table(batch), first))
                    first += batch.num_rows
                return
            starts = [0]
            for number in range(file.num_row_groups):
                starts.append(starts[-1] + file.metadata.row_group(number).num_rows)
            loaded, group = pa.table({}), -1
            for index in indices:
                if not 0 <= index < starts[-1]:
                    raise IndexError(f"{self._by_target[target].path} has {starts[-1]} rows, so none {index}")
                if group < 0 or not starts[group] <= index < starts[group + 1]:
                    group = next(g for g in range(len(starts) - 1) if index < starts[g + 1])
                    loaded = _checked(file.read_row_group(group, columns=SCHEMA.names), starts[group])
                yield from _pairs(loaded.slice(index - starts[group], 1))

    def table(self, target: str) -> pa.Table:
        """All pairs of a language as an Arrow table with the columns of `SCHEMA`."""
        with self._open(target) as file:
            return _checked(file.read(columns=SCHEMA.names), 0)

    @contextmanager
    def _open(self, target: str) -> Iterator[pq.ParquetFile]:
        if target not in self._by_target:
            known = ", ".join(self._by_target)
            raise ArtifactError(f"has no pairs for {target}; it has {known}", self.folder)
        path = self._by_target[target].path
        try:
            with pq.ParquetFile(path) as file:
                yield file
        except (OSError, pa.ArrowException, UnicodeDecodeError, _PairsError) as error:
            raise ArtifactError(f"holds no pairs that can be read ({error}); align them again", path) from error


def open_pairs(folder: Path) -> PairsFolder:
    """Open a pairs folder; languages come in the order in which `align-pairs` was given them.

    Raises ArtifactError if files are missing or do not hold pairs. Digests are checked by `resolve_artifact`.
    """
    statistics = read_json(folder / STATISTICS, "align the pairs again")
    languages, source = statistics.get("languages"), str(statistics.get("source", ""))
    if not isinstance(languages, dict) or not all(is_name(name) and "/" not in name for name in (source, *languages)):
        raise ArtifactError(
            "must name the `source` language and the `languages` of the pairs; align them again", folder / STATISTICS
        )
    files = []
    for target in languages:
        path = data_file(folder, source, target)
        try:
            if not path.is_file():
                raise OSError("no such file")
            metadata, schema = pq.read_metadata(path), pq.read_schema(path)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise ArtifactError(f"cannot be read as Parquet: {error}", path) from error
        if any(schema.names.count(name) != 1 for name in SCHEMA.names):
            raise ArtifactError(f"has the columns {', '.join(schema.names)} instead of source, target, links", path)
        for name, kind in (("source", "words"), ("target", "words"), ("links", "pairs of word numbers")):
            if not _fits(name, schema.field(name).type):
                raise ArtifactError(f"has {schema.field(name).type} in {name}, where lists of {kind} belong", path)
        files.append(PairsFile(source, target, path, metadata.num_rows))
    return PairsFolder(folder, files, statistics)


class _PairsError(ValueError):
    """A row of a file that is no pair."""


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _fits(column: str, kind: pa.DataType) -> bool:
    """Whether a column is of the type that `SCHEMA` says, or of a wider one of the same kind."""
    if not _is_list(kind):
        return False
    inner = kind.value_type
    if column == "links":
        return _is_list(inner) and bool(pa.types.is_integer(inner.value_type))
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def _checked(rows: pa.Table, first: int) -> pa.Table:
    """The rows, if every one is a pair. Raises _PairsError that names the row, counted from 1; `first` from 0."""
    columns = {name: rows.column(name).combine_chunks() for name in SCHEMA.names}
    lengths = {}
    for name, column in columns.items():
        if column.null_count:
            raise _PairsError(f"row {first + int(np.argmax(column.is_null().to_numpy(False))) + 1} has no {name}")
        lengths[name] = pc.list_value_length(column).to_numpy(False).astype(np.int64)
    for name in ("source", "target"):
        _demand_all(
            ~pc.is_null(pc.list_flatten(columns[name])).to_numpy(False), lengths[name], first, "a word is missing"
        )
    links = pc.list_flatten(columns["links"])
    _demand_all(
        pc.fill_null(pc.equal(pc.list_value_length(links), 2), False), lengths["links"], first, "a link is no pair"
    )
    ends = pc.list_flatten(links)
    numbers = pc.fill_null(ends, 0).to_numpy(False).reshape(-1, 2)
    there = ~pc.is_null(ends).to_numpy(False).reshape(-1, 2)
    row = np.repeat(np.arange(len(rows)), lengths["links"])
    inside = there & (numbers >= 0) & (numbers < np.stack([lengths["source"][row], lengths["target"][row]], axis=1))
    _demand_all(inside.all(axis=1), lengths["links"], first, "a link leads to no word")
    return rows


def _demand_all(good: Any, counts: np.ndarray, first: int, complaint: str) -> None:
    """Raise _PairsError for the first item that is not good; `counts` says how many items each row has."""
    wrong = np.flatnonzero(~np.asarray(good, dtype=bool))
    if len(wrong):
        row = int(np.searchsorted(np.cumsum(counts), wrong[0], side="right"))
        raise _PairsError(f"row {first + row + 1}: {complaint}")


def _pairs(rows: pa.Table) -> Iterator[Pair]:
    columns = (rows.column(name).to_pylist() for name in ("source", "target", "links"))
    for source, target, links in zip(*columns, strict=True):
        yield Pair(source, target, [(i, j) for i, j in links])
