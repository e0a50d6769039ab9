"""Arrow tables made of NumPy arrays or of rows, and back: what datasets, ledgers, run folders and frames hold.

`pyarrow.array`, `pyarrow.table` and `to_numpy` import pandas to look at what they are given, which takes a second; the
buffers of arrays are handed over here as they are, without that and, where that is possible, without a copy.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.errors import require_memory


def arrow_array(values: NDArray[Any]) -> pa.Array:
    """Return a column [n] of any NumPy number type, without a copy (truth values are packed into bits)."""
    if values.dtype == np.bool_:
        packed = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(packed)])
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def numpy_array(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return a column [n] as a NumPy array, which may not be written to; a null becomes what `to_numpy` makes of it."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    is_bool = pa.types.is_boolean(column.type)
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if column.null_count or not chunks or not (is_bool or is_number):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    parts = [_truth_values(chunk) if is_bool else np.from_dlpack(chunk) for chunk in chunks]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _truth_values(array: pa.Array) -> NDArray[np.bool_]:
    bits = np.unpackbits(np.frombuffer(array.buffers()[1], np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(np.bool_)


def table_of_columns(columns: Mapping[str, NDArray[Any] | pa.Array], schema: pa.Schema | None = None) -> pa.Table:
    """Return a table of columns by name, in their order.

    `schema`, where one is given, has the same names and types.
    """
    arrays = [arrow_array(each) if isinstance(each, np.ndarray) else each for each in columns.values()]
    if schema is None:
        return pa.Table.from_arrays(arrays, names=list(columns))
    return pa.Table.from_arrays(arrays, schema=schema)


def table_of_rows(rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None) -> pa.Table:
    """Return a table of rows, whose columns are those of the schema, or else all that any of the rows has.

    What a row lacks is null. Without a schema, a column whose values are of several kinds becomes text.
    """
    if schema is not None:
        return pa.Table.from_pylist(list(rows), schema=schema)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        require_memory(error)
        return pa.array([None if value is None else str(value) for value in values])
