"""Parallel text in tables, where columns have names: Parquet, CSV, and JSON objects one a line (JSONL)."""

from __future__ import annotations

import contextlib
import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alignfreeze_cli.errors import DataError
from alignfreeze_cli.pairs.arrays import strings_from_bytes, table_to_bytes
from alignfreeze_cli.pairs.chunks import CHUNK, Chunk, ColumnPath, Reasons
from alignfreeze_cli.pairs.languages import find_code
from alignfreeze_cli.pairs.text_files import FileOfLines, OneFile, blocks

NAMES = ("source", "target", "score")
"""Of the columns of a table that is sent to another process."""


def column_numbers(columns: Sequence[str], width: int, place: str) -> list[int]:
    """Columns that are given by numbers from 1, counted from 0; none if they are given by name.

    Raises DataError if the first line of a file, of so many columns, has fewer.
    """
    if not columns or not all(column.isdecimal() for column in columns):
        return []
    numbers = [int(column) - 1 for column in columns]
    if max(numbers) >= width:
        raise DataError(f"has only {width} columns, so none {max(numbers) + 1}", place, 1)
    return numbers


def find_score(paths: Sequence[ColumnPath], score: str | None, place: str) -> list[ColumnPath]:
    """The column of scores, if one is wanted. Raises DataError if it is not among the columns."""
    if score is None:
        return []
    named = {".".join(path): path for path in paths}
    if score not in named:
        raise DataError(f"has no column of scores {score!r}; it has {', '.join(named)}", place)
    return [named[score]]


def find_columns(
    paths: Sequence[ColumnPath], source: str, target: str, columns: Sequence[str], place: str
) -> tuple[ColumnPath, ColumnPath]:
    """Which columns of text hold the two sides. Raises DataError that names what there is.

    `columns`, if given, names them, with dots inside nested ones (`translation.de`). Otherwise they are the fields of a
    column `translation` named by the languages' codes, two columns named so, or `source` and `target`.
    """
    held = ", ".join(".".join(path) for path in paths) or "no text"
    if columns:
        named = {".".join(path): path for path in paths}
        missing = next((name for name in columns if name not in named), None)
        if missing is not None:
            raise DataError(f"has no column of text {missing!r}; it has {held}", place)
        return named[columns[0]], named[columns[1]]
    fields = [path[1] for path in paths if path[0] == "translation" and len(path) == 2]
    top = [path[0] for path in paths if len(path) == 1]
    for outer, names in ((("translation",), fields), ((), top)):
        sides = [find_code(names, code, place) for code in (source, target)]
        if sides[0] is not None and sides[1] is not None and sides[0] != sides[1]:
            return (*outer, sides[0]), (*outer, sides[1])
    if "source" in top and "target" in top:
        return ("source",), ("target",)
    if fields:
        raise DataError(f"its column translation holds {', '.join(fields)}, not {source} and {target}", place)
    raise DataError(
        f"has the columns {held}; needed are `translation`, or text in `{source}` and `{target}`, or in `source` and "
        "`target`; others can be named with --columns SOURCE,TARGET",
        place,
    )


# Parquet


class ParquetFile(OneFile):
    """A Parquet file with a column `translation` (code → text), or one string column for each side."""

    def chunks(self, limit: int | None) -> Iterator[Chunk]:
        try:
            with pq.ParquetFile(self.file.path) as file:
                paths = _columns(file.schema_arrow)
                texts = [path for path, kind in paths.items() if _is_text(kind)]
                wanted = [
                    *find_columns(texts, self.source, self.target, self.columns, self.place),
                    *find_score([*paths], self.score, self.place),
                ]
                first = 1
                for batch in file.iter_batches(batch_size=CHUNK, columns=sorted({path[0] for path in wanted})):
                    table = pa.Table.from_batches([batch])
                    if limit is not None and first + table.num_rows - 1 > limit:
                        table = table.slice(0, limit - first + 1)
                    if table.num_rows:
                        yield Chunk(self.place, first, table.num_rows, "table", (_texts_of(table, wanted),))
                    first += table.num_rows
                    if limit is not None and first > limit:
                        return
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"cannot be read as Parquet: {error}", self.place) from error


def _columns(schema: pa.Schema) -> dict[ColumnPath, pa.DataType]:
    """The type of every column, and of every field of a nested column."""
    kinds: dict[ColumnPath, pa.DataType] = {}
    for column in schema:
        if pa.types.is_struct(column.type):
            kinds |= {(column.name, field.name): field.type for field in column.type}
        else:
            kinds[(column.name,)] = column.type
    return kinds


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # A shard in which a column has no value at all may say that it is of the type null.
    return any(
        fits(kind) for fits in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    )


def _texts_of(table: pa.Table, wanted: Sequence[ColumnPath]) -> bytes:
    """The texts, and the score as text, of every row as an Arrow stream, which can be sent to another process."""
    columns = []
    for column, *fields in wanted:
        values = table.column(column).combine_chunks()
        if fields:
            values = pc.struct_field(values, fields)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        columns.append(values.cast(pa.string()))
    return table_to_bytes(pa.table(columns, names=NAMES[: len(columns)]))


# CSV


class CsvFile(FileOfLines):
    """A CSV file whose first line names the columns, or any CSV file whose columns are given by number.

    Separated by comma, semicolon or tab; texts in double quotes may hold separators and line ends. A "line" is a row
    here.
    """

    def chunks_of(self, head: Sequence[bytes], lines: Iterator[bytes], limit: int | None) -> Iterator[Chunk]:
        delimiter, columns, width, named = self._layout(head)
        first, left = 2 if named else 1, limit
        rows = self._rows(islice(lines, first - 1, None), delimiter, width, first)
        while left is None or left > 0:
            found = list(islice(rows, CHUNK if left is None else min(CHUNK, left)))
            if not found:
                return
            yield self._chunk(first, found, columns)
            first += len(found)
            left = None if left is None else left - len(found)

    def _layout(self, head: Sequence[bytes]) -> tuple[str, list[int], int, bool]:
        """What separates columns, which are the sides and the score, how many there are, whether the first line names
        them.
        """
        delimiter = max(",;\t", key=lambda each: _fit(head, each))
        names = next(iter(_lenient_rows(head, delimiter)), None)
        if not names:
            raise DataError("is no CSV: its first line can't be cut into columns", self.place, 1)
        given = self.columns if self.score is None else (*self.columns, self.score)
        if self.columns and (numbers := column_numbers(given, len(names), self.place)):
            return delimiter, numbers, len(names), False
        paths: list[ColumnPath] = [(name.strip(),) for name in names]
        sides = find_columns(paths, self.source, self.target, self.columns, self.place)
        wanted = [*sides, *find_score(paths, self.score, self.place)]
        return delimiter, [paths.index(path) for path in wanted], len(names), True

    def _rows(
        self, lines: Iterator[bytes], delimiter: str, width: int, first: int
    ) -> Iterator[tuple[list[str], str | None]]:
        """Every row, and what is wrong with it. Raises DataError for a quote that does not end."""
        reader = csv.reader(
            (line.decode("utf-8", "surrogateescape") for line in lines), delimiter=delimiter, strict=True
        )
        while True:
            before = reader.line_num
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if reader.line_num - before > 1 or "unexpected end" in str(error):
                    raise DataError(
                        f"a text in quotes begins here that does not end well ({error})", self.place, before + first
                    ) from None
                yield [], f"no CSV ({error})"
                continue
            yield row, None if len(row) in (0, width) else f"{len(row)} columns instead of {width}"

    def _chunk(self, first: int, rows: Sequence[tuple[list[str], str | None]], wanted: Sequence[int]) -> Chunk:
        reasons: Reasons = {number: reason for number, (_, reason) in enumerate(rows) if reason is not None}
        columns = []
        for number in wanted:
            texts = [row[number].encode("utf-8", "surrogateescape") if row and not bad else b"" for row, bad in rows]
            columns.append(strings_from_bytes(texts))
        content = table_to_bytes(pa.table(columns, NAMES[: len(columns)]))
        return Chunk(self.place, first, len(rows), "table", (content,), malformed=reasons)


def _fit(head: Sequence[bytes], delimiter: str) -> tuple[bool, int, int]:
    """How well a separator fits: does it make columns, how many rows have the same number of them, what number."""
    widths = Counter(len(row) for row in _lenient_rows(head, delimiter) if row)
    width, rows = widths.most_common(1)[0] if widths else (0, 0)
    return width > 1, rows, width


def _lenient_rows(head: Sequence[bytes], delimiter: str) -> list[list[str]]:
    """The rows of the first lines, as far as they can be cut by this separator."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        rows.extend(csv.reader((line.decode("utf-8", "replace") for line in head), delimiter=delimiter))
    return rows


# JSONL


class JsonlFile(FileOfLines):
    """A file with a JSON object on each line: both texts under their names, or inside `translation`."""

    def chunks_of(self, head: Sequence[bytes], lines: Iterator[bytes], limit: int | None) -> Iterator[Chunk]:
        paths = self._paths(head)
        texts = [path for path, is_text in paths.items() if is_text]
        sides = find_columns(texts, self.source, self.target, self.columns, self.place)
        columns = (*sides, *find_score([*paths], self.score, self.place))
        for first, (block,) in blocks([lines], [self.file], limit):
            yield Chunk(self.place, first, len(block), "jsonl", (b"".join(block),), columns=columns)

    def _paths(self, head: Sequence[bytes]) -> dict[ColumnPath, bool]:
        """The names in the first lines, and whether they hold text. Raises DataError if none of them does."""
        paths: dict[ColumnPath, bool] = {}
        for line in head:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue  # it will be counted as malformed
            for name, value in row.items() if isinstance(row, dict) else ():
                inner = value.items() if isinstance(value, dict) else ()
                for path, found in [((name,), value), *(((name, field), text) for field, text in inner)]:
                    paths[path] = paths.get(path, False) or isinstance(found, str)
        if not any(paths.values()):
            one_list = head[0].lstrip().startswith(b"[")
            raise DataError(
                "is one JSON list; needed is an object on each line (JSONL)"
                if one_list
                else "is no JSONL: none of its first lines is a JSON object with text",
                self.place,
            )
        return paths
