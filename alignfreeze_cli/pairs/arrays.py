"""Conversions between Arrow and NumPy without copies, and Arrow tables as bytes.

Arrow's own `to_numpy` and `pa.array` import pandas at their first call, which takes longer than aligning thousands of
lines, in every worker process; the functions here use the arrays' buffers directly instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]


def int32_values(array: pa.Int32Array) -> Ints:
    """The values of an int32 array without nulls."""
    if len(array) == 0:
        return np.zeros(0, np.int32)
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array)]


def int32_array(values: npt.NDArray[np.integer[Any]]) -> pa.Int32Array:
    """An Arrow array of whole numbers."""
    narrow = np.ascontiguousarray(values, np.int32)
    return pa.Int32Array.from_buffers(pa.int32(), len(narrow), [None, pa.py_buffer(narrow)])


def string_parts(array: pa.StringArray) -> tuple[Bytes, Ints]:
    """The UTF-8 bytes of all strings of an array without nulls, and where each begins: (bytes,), (strings + 1,)."""
    if len(array) == 0:
        return np.zeros(0, np.uint8), np.zeros(1, np.int32)
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[array.offset : array.offset + len(array) + 1]
    if offsets[0] == offsets[-1]:
        return np.zeros(0, np.uint8), np.zeros(len(offsets), np.int32)
    data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return data, offsets - offsets[0]


def string_array(data: Bytes, offsets: npt.NDArray[np.integer[Any]]) -> pa.StringArray:
    """Strings from their UTF-8 bytes and where each begins; the opposite of `string_parts`."""
    bounds = np.ascontiguousarray(offsets, np.int32)
    return pa.StringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(data))


def strings_from_bytes(texts: Sequence[bytes]) -> pa.StringArray:
    """One string array of texts whose bytes need not be UTF-8."""
    return pa.array(texts, pa.binary()).view(pa.string())


def as_strings(texts: Sequence[str] | pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """A list of strings, or a column of any string type, as one string array."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if isinstance(texts, pa.Array):
        return texts if pa.types.is_string(texts.type) else texts.cast(pa.string())
    return pa.array(texts, pa.string())


def table_to_bytes(table: pa.Table) -> bytes:
    """A table as an Arrow stream, to be sent to another process."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def table_from_bytes(content: bytes) -> pa.Table:
    """The opposite of `table_to_bytes`."""
    return pa.ipc.open_stream(content).read_all()
