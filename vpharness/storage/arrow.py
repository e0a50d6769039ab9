"""Arrow tables made of NumPy arrays or of rows, and back: what datasets, ledgers, run folders and frames hold.

`pyarrow.array`, `pyarrow.table` and `to_numpy` import pandas to look at what they are given, which takes a second; the
buffers of arrays are handed over here as they are, without that and, where that is possible, without a copy.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
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


def texts(column: pa.ChunkedArray) -> list[str]:
    """Return a column of texts, none of them null, several times as fast as `to_pylist` does.

    Of a column that was read as a dictionary, equal texts are one object.
    """
    found: list[str] = []
    for chunk in column.chunks:
        if isinstance(chunk, pa.DictionaryArray):
            known = np.array([*chunk.dictionary.to_pylist(), None], dtype=object)  # so that it is one of objects
            found += known[numpy_array(chunk.indices)].tolist() if not chunk.null_count else chunk.to_pylist()
            continue
        _, offsets, content = chunk.buffers()
        ends = (
            np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1].tolist()
            if len(chunk)
            else [0]
        )
        raw = b"" if content is None else content.to_pybytes()[ends[0] : ends[-1]]
        whole = raw.decode()
        if chunk.null_count or chunk.type != pa.string() or len(whole) != len(raw):
            found += chunk.to_pylist()  # places among bytes are not those among characters
        else:
            first = ends[0]
            found += [whole[start - first : stop - first] for start, stop in pairwise(ends)]
    return found


def text_numbers(column: pa.ChunkedArray, known: dict[str, int]) -> NDArray[np.int32]:
    """Return [n] a number for each text of a column, none of them null: the same for equal ones.

    New texts are added to those that are known, with the next numbers. Of a column that was read as a dictionary no
    text is made for each row.
    """
    found = [np.zeros(0, np.int32)]
    for chunk in column.chunks:
        is_dictionary = isinstance(chunk, pa.DictionaryArray) and not chunk.null_count
        words = chunk.dictionary.to_pylist() if is_dictionary else chunk.to_pylist()
        numbers = np.array([known.setdefault(word, len(known)) for word in words], np.int32)
        found.append(numbers[numpy_array(chunk.indices)] if is_dictionary else numbers)
    return np.concatenate(found)


def list_columns(table: pa.Table, names: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return lists of numbers, one after the other, and where each begins, the end of the last behind them.

    Of K columns whose lists are of the same lengths in each row these are [n, K], and [rows + 1]; a null is an empty
    list. Raises ValueError where a list holds a null.
    """
    columns = [_lists(table[name]) for name in names]
    values = [_values(each) for each in columns]
    offsets = columns[0].offsets
    ends = np.frombuffer(offsets.buffers()[1], np.int32)[offsets.offset : offsets.offset + len(offsets)]
    if not len(columns[0]):
        ends = np.zeros(1, np.int32)
    return (values[0][:, None] if len(values) == 1 else np.column_stack(values)), ends


def _lists(column: pa.ChunkedArray) -> pa.ListArray:
    found = column.combine_chunks()
    # Newer versions of Arrow leave a column of several chunks what it is.
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _values(lists: pa.ListArray) -> NDArray[Any]:
    values = lists.values
    if values.null_count:
        raise ValueError("a list of numbers holds a null")
    dtype = np.dtype(values.type.to_pandas_dtype())
    if not len(values):
        return np.zeros(0, dtype)
    return np.frombuffer(values.buffers()[1], dtype)[values.offset : values.offset + len(values)]
