"""Tables of arrays and of rows."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import PROJECT
from vpharness.storage.arrow import arrow_array, numpy_array, table_of_columns, table_of_rows


@pytest.mark.parametrize("kind", ["int8", "int32", "int64", "uint64", "float64", "bool"])
@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_column_holds_the_values_of_an_array_in_its_type(kind: str, count: int) -> None:
    """Truth values too, and every other element of a longer array, which does not lie in one piece."""
    values = (np.arange(2 * count) % 3).astype(kind)[::2]
    column = arrow_array(values)
    assert column.type == (pa.bool_() if kind == "bool" else pa.from_numpy_dtype(values.dtype))
    assert column.to_pylist() == values.tolist()


@pytest.mark.parametrize("kind", ["int8", "int32", "int64", "uint64", "float64", "bool"])
@pytest.mark.parametrize("cuts", [[], [0], [4], [3, 3, 7]])
def test_a_column_becomes_the_array_that_it_was(kind: str, cuts: list[int]) -> None:
    """In one piece or in several, of which some are empty and most do not begin at a whole byte."""
    values = (np.arange(20) % 3).astype(kind)
    whole = arrow_array(values)
    ends = [*cuts, len(values)]
    column = pa.chunked_array([whole[a:b] for a, b in zip([0, *cuts], ends, strict=True)], whole.type)
    found = numpy_array(column)
    assert found.dtype == values.dtype
    assert found.tolist() == values.tolist()


def test_columns_that_numpy_cannot_share_are_converted() -> None:
    """Nulls, text, times, and a column without any piece."""
    assert np.isnan(numpy_array(pa.array([1.5, None]))[1])
    assert numpy_array(pa.array(["a", None])).tolist() == ["a", None]
    assert numpy_array(pa.array([7], pa.timestamp("ns"))).tolist() == [7]
    assert numpy_array(pa.chunked_array([], pa.int32())).dtype == np.int32


def test_missing_numbers_stay_nan_and_are_no_nulls() -> None:
    """A score that is not there is a NaN, in memory as in the file."""
    column = arrow_array(np.array([1.0, np.nan]))
    assert column.null_count == 0
    assert np.isnan(column.to_numpy()[1])


def test_columns_keep_their_names_and_order() -> None:
    """With a schema, or without."""
    columns = {"b": np.array([1, 2]), "a": np.array([0.5, 1.5])}
    table = table_of_columns(columns)
    assert table.column_names == ["b", "a"]
    assert table_of_columns(columns, table.schema).equals(table)


def test_rows_have_the_columns_of_all_of_them() -> None:
    """What a row lacks is null, without a schema and with one."""
    rows: list[dict[str, object]] = [{"a": 1}, {"a": 2, "b": "x"}]
    assert table_of_rows(rows).to_pylist() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]
    schema = pa.schema([("b", pa.string()), ("c", pa.int8())])
    assert table_of_rows(rows, schema).to_pylist() == [{"b": None, "c": None}, {"b": "x", "c": None}]


def test_a_table_of_arrays_does_not_bring_in_pandas() -> None:
    """It takes a second to import, and pyarrow does so by itself wherever it looks at what it is given."""
    script = (
        "import sys, numpy as np; from vpharness.storage.arrow import numpy_array, table_of_columns;"
        "table = table_of_columns({'a': np.arange(3.0), 'b': np.arange(3) > 1});"
        "[numpy_array(column) for column in table.columns];"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)  # noqa: S603  # ours
