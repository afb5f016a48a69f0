"""Parquet files as the Hub's data sets have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alignfreeze_cli.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def read_columns(path: Path, columns: Sequence[str], what: str) -> pa.Table:
    """Some columns of a file whose rows are each a `what`. Raises DataError if one is missing or there is no row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Columns that are missing are left out in silence, so they are looked for first.
        held = pq.read_schema(path).names
        lacking = [column for column in columns if column not in held]
        if lacking:
            raise DataError(
                f"is no Parquet file with the columns {_listed(columns)}: {lacking[0]} is not among its columns, which "
                f"are {_listed(held)}",
                path,
            )
        table = pq.read_table(path, columns=list(columns))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"is no Parquet file with the columns {_listed(columns)} ({error})", path) from error
    if not table.num_rows:
        raise DataError(f"holds no {what}", path)
    return table


def label_names(table: pa.Table, column: str, default: Sequence[str]) -> Sequence[str]:
    """The names behind the label ids of a column, which `datasets` keeps in the metadata; else `default`.

    The column may hold one label per row or a list of them.
    """
    try:
        feature = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"][column]
    except (KeyError, ValueError):
        return default
    inner = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
    names: Sequence[str] = inner.get("names", default)
    return names


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(columns)
