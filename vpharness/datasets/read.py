"""Reading a dataset: its bins, and the columns asked for as arrays of bins by cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from vpharness.compiled import Array
from vpharness.datasets.find import Dataset
from vpharness.datasets.grid_columns import computed_columns, to_compute
from vpharness.datasets.manifest import BINS_FILE, GRID_FILE, check_all, check_file
from vpharness.errors import DatasetError, require_memory
from vpharness.storage.arrow import numpy_array
from vpharness.storage.parquet import open_parquet
from vpharness.wording import did_you_mean


@dataclass(frozen=True)
class Loaded:
    """The columns read of a dataset: n bins, K cells from k = -radius to radius."""

    bins: Mapping[str, Array]  # columns [n] of bins.parquet, in the order of bin_seq
    grid: Mapping[str, Array]  # columns [n, K] of the grid, stored or computed; they may not be written to


def read_table(path: Path, columns: Sequence[str] | None, dataset_id: str) -> pa.Table:
    """Read columns of a Parquet file; a DatasetError names the dataset, the file, and what is absent or damaged."""
    try:
        with open_parquet(path, memory_map=True) as file:
            absent = [name for name in columns or [] if name not in file.schema_arrow.names]
            if absent:
                known = file.schema_arrow.names
                raise DatasetError(
                    f"dataset {dataset_id}: {path.name} has no column {', '.join(absent)}; "
                    f"{did_you_mean(absent[0], known)}it has {', '.join(known)}"
                )
            return file.read(columns=None if columns is None else list(columns), use_threads=True)
    except (OSError, pa.ArrowException) as error:
        require_memory(error)
        raise DatasetError(f"dataset {dataset_id}: {path} cannot be read as Parquet: {error}") from error


def as_arrays(table: pa.Table) -> dict[str, Array]:
    """Return a table's columns as NumPy arrays."""
    return {name: numpy_array(table[name]) for name in table.column_names}


def load(dataset: Dataset, columns: Sequence[str] = ()) -> Loaded:
    """Read all columns of the bins, and those of the grid that are named.

    Columns of the grid that the dataset does not store are computed from its events, all in one pass: whoever needs
    several asks for them together. Where the bins lack `book_valid`, a bin is valid if its mid price is above 0.

    Raises DatasetError for a table that does not have its checksum, for columns that are not there, and for tables
    that do not fit the manifest.
    """
    manifest = dataset.manifest
    check_file(dataset.path, BINS_FILE)
    bins = as_arrays(read_table(dataset.bins_path, None, manifest.dataset_id))
    expect_rows(dataset, "bins.parquet", len(bins["bin_seq"]), manifest.bins)
    if not manifest.rows_ordered:
        order = np.argsort(bins["bin_seq"], kind="stable")
        bins = {name: values[order] for name, values in bins.items()}
    if "book_valid" not in bins:
        bins["book_valid"] = bins["mid_price"] > 0
    return Loaded(bins, _load_grid(dataset, columns, bins) if columns else {})


def _load_grid(dataset: Dataset, columns: Sequence[str], bins: Mapping[str, Array]) -> dict[str, Array]:
    computed = to_compute(dataset, columns)
    stored, known = [name for name in columns if name not in computed], dataset.manifest.columns
    absent = [name for name in stored if name not in known] if dataset.keeps_events else []
    if absent:
        raise DatasetError(
            f"dataset {dataset.manifest.dataset_id}: {GRID_FILE} has no column {', '.join(absent)}; "
            f"{did_you_mean(absent[0], known)}it has bin_seq, k, {', '.join(known)}"
        )
    grid = _stored_grid(dataset, stored, bins["bin_seq"]) if stored else {}
    grid |= computed_columns(dataset, bins, computed) if computed else {}
    return {name: grid[name] for name in columns}


def _stored_grid(dataset: Dataset, columns: Sequence[str], bin_seq: Array) -> dict[str, Array]:
    manifest = dataset.manifest
    keys = [] if manifest.rows_ordered else ["bin_seq", "k"]
    check_file(dataset.path, GRID_FILE)
    table = as_arrays(read_table(dataset.grid_path, [*keys, *columns], manifest.dataset_id))
    shape = (manifest.bins, manifest.cells)
    expect_rows(dataset, "grid_clean.parquet", len(table[columns[0]]), manifest.bins * manifest.cells)
    if manifest.rows_ordered:
        return {name: table[name].reshape(shape) for name in columns}
    place = np.searchsorted(bin_seq, table["bin_seq"]) * manifest.cells + table["k"] + manifest.radius
    grid = {}
    for name in columns:
        grid[name] = np.empty(len(place), table[name].dtype)
        grid[name][place] = table[name]
    return {name: values.reshape(shape) for name, values in grid.items()}


def expect_rows(dataset: Dataset, file: str, found: int, expected: int) -> None:
    """Raise DatasetError where a table has another number of rows than the manifest says."""
    if found != expected:
        raise DatasetError(
            f"dataset {dataset.manifest.dataset_id}: {file} has {found} rows, its manifest says {expected}; verify it"
        )


def verify(dataset: Dataset) -> dict[str, str]:
    """Check a dataset's files against its checksums and its tables against its manifest; return the checksums by file.

    Raises DatasetError naming every file that differs.
    """
    sums = check_all(dataset.path)
    bins = load(dataset).bins
    expect_rows(dataset, "bins.parquet", int(np.count_nonzero(bins["book_valid"])), dataset.manifest.valid_bins)
    return sums
