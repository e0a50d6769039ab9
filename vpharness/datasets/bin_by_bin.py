"""A dataset read bin by bin, in order, without the whole grid in memory: how a live session replays it."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vpharness.compiled import Array
from vpharness.datasets.find import Dataset
from vpharness.datasets.grid_columns import to_compute
from vpharness.datasets.manifest import GRID_FILE, check_file
from vpharness.datasets.read import expect_rows, load
from vpharness.errors import DatasetError, require_memory
from vpharness.lattice.columns import BIN_DTYPE, GRID_COLUMNS
from vpharness.prices import tick_size_to_price
from vpharness.storage.parquet import open_parquet

BLOCK_BINS: Final = 256
"""Bins that are in memory with all their cells: 8 MB at the default radius."""

_NANOSECONDS_PER_MS: Final = 1_000_000
_LATTICE_DTYPES: Final[dict[str, Any]] = GRID_COLUMNS

Grid = Mapping[str, Array]


def read_rows(dataset: Dataset) -> Array:
    """Return the bins, BIN_DTYPE [n], in the order of bin_seq.

    What a dataset that was made elsewhere does not have is derived where it can be, the times and the spot, and 0
    where not: best prices, counts of events. Raises DatasetError for tables that do not fit the manifest.
    """
    columns, manifest = load(dataset).bins, dataset.manifest
    rows = np.zeros(manifest.bins, BIN_DTYPE)
    rows["bin_end_ns"] = columns["ts_ns"]
    rows["bin_start_ns"] = columns["ts_ns"] - manifest.cell_width_ms * _NANOSECONDS_PER_MS
    ticks = np.floor(columns["mid_price"] / manifest.tick_size + 0.5).astype(np.int64)
    rows["spot_ref_price_int"] = np.where(columns["book_valid"], ticks * tick_size_to_price(manifest.tick_size), 0)
    for name in columns.keys() & set(BIN_DTYPE.names or ()):
        rows[name] = columns[name]
    return rows


def require_grid(dataset: Dataset) -> None:
    """Raise DatasetError where the cells of a dataset can neither be read nor computed."""
    if not to_compute(dataset, dataset.manifest.columns):
        with opened_grid(dataset):
            return
    from vpharness.datasets.replay import require_same_lattice  # noqa: PLC0415  # compilers are slow to import

    require_same_lattice(dataset)


@contextmanager
def opened_grid(dataset: Dataset) -> Iterator[pq.ParquetFile]:
    """Open the grid; a DatasetError says where it cannot be read, now or later, or does not fit the manifest."""
    manifest = dataset.manifest
    check_file(dataset.path, GRID_FILE)
    try:
        with open_parquet(dataset.grid_path, memory_map=True) as file:
            expect_rows(dataset, GRID_FILE, file.metadata.num_rows, manifest.bins * manifest.cells)
            yield file
    except (OSError, pa.ArrowException) as error:
        require_memory(error)
        raise DatasetError(
            f"dataset {manifest.dataset_id}: {dataset.grid_path} cannot be read as Parquet: {error}"
        ) from error


def grid_blocks(dataset: Dataset, first: int, stop: int) -> Iterator[Grid]:
    """Yield the cells of the bins from place `first` up to `stop`, columns [n, K] with n at most BLOCK_BINS, in order.

    Columns are all those of the manifest, those that the lattice knows in its own types. Where the rows stand in
    another order, they are sorted into a temporary file first; where not all columns are stored, all are computed from
    the events on the way. Raises DatasetError as `opened_grid` does, and as `replay.replayed`.
    """
    if to_compute(dataset, dataset.manifest.columns):
        yield from _computed(dataset, first, stop)
        return
    with opened_grid(dataset) as file:
        if dataset.manifest.rows_ordered:
            yield from _in_order(file, dataset, dataset.manifest.columns, first, stop)
            return
        with _sorted(file, dataset) as cells:
            for start in range(first, stop, BLOCK_BINS):
                block = cells[start : min(start + BLOCK_BINS, stop)]
                yield {name: block[name] for name in dataset.manifest.columns}


def _computed(dataset: Dataset, first: int, stop: int) -> Iterator[Grid]:
    """Compute the cells from the events, block by block; nothing is kept."""
    from vpharness.datasets.replay import checked, replayed  # noqa: PLC0415  # compilers are slow to import

    columns, at = dataset.manifest.columns, 0
    for block in checked(dataset, load(dataset).bins, replayed(dataset, columns, first)):
        begin, end = max(first - at, 0), min(stop - at, len(block.bins))
        for start in range(begin, end, BLOCK_BINS):
            part = slice(start, min(start + BLOCK_BINS, end))
            yield {name: block.column(name)[part] for name in columns}
        at += len(block.bins)
        if at >= stop:
            return


def stored_blocks(dataset: Dataset, columns: Sequence[str], first: int, stop: int) -> Iterator[Grid]:
    """Yield columns that a built dataset stores, as `grid_blocks` does."""
    with opened_grid(dataset) as file:
        yield from _in_order(file, dataset, columns, first, stop)


def _in_order(file: pq.ParquetFile, dataset: Dataset, columns: Sequence[str], first: int, stop: int) -> Iterator[Grid]:
    """Read from the row group on that holds bin `first`."""
    cells = dataset.manifest.cells
    group, before = 0, 0
    while before + (rows := file.metadata.row_group(group).num_rows) <= first * cells:
        group, before = group + 1, before + rows
    skipped, left = first * cells - before, (stop - first) * cells
    groups = range(group, file.num_row_groups)
    held: dict[str, Array] = {}
    for batch in file.iter_batches(BLOCK_BINS * cells, row_groups=groups, columns=list(columns), use_threads=False):
        part, skipped = batch.slice(skipped), max(0, skipped - batch.num_rows)
        found = {name: _column(name, values) for name, values in zip(columns, part.columns, strict=True)}
        held = {name: np.concatenate((held[name], found[name])) for name in columns} if held else found
        count = min(len(held[columns[0]]), left) // cells * cells
        if count:
            yield {name: values[:count].reshape(-1, cells) for name, values in held.items()}
        held, left = {name: values[count:] for name, values in held.items()}, left - count
        if not left:
            return


@contextmanager
def _sorted(file: pq.ParquetFile, dataset: Dataset) -> Iterator[Array]:
    """Sort a grid's rows into a temporary file that is mapped into memory: a structured array [bins, K]."""
    manifest = dataset.manifest
    names, first_seq = ["bin_seq", "k", *manifest.columns], int(load(dataset).bins["bin_seq"][0])
    schema = file.schema_arrow
    dtypes = [
        (name, _LATTICE_DTYPES.get(name) or schema.field(name).type.to_pandas_dtype()) for name in manifest.columns
    ]
    with tempfile.TemporaryFile(prefix="vpharness-replay-") as spool:
        cells = np.memmap(spool, np.dtype(dtypes), "w+", shape=(manifest.bins * manifest.cells,))
        for batch in file.iter_batches(BLOCK_BINS * manifest.cells, columns=names, use_threads=False):
            part = {name: _column(name, batch.column(name)) for name in names}
            place = (part["bin_seq"] - first_seq) * manifest.cells + part["k"] + manifest.radius
            for name in manifest.columns:
                cells[name][place] = part[name]
        yield cells.reshape(manifest.bins, manifest.cells)


def _column(name: str, values: pa.Array) -> Array:
    array: Array = values.to_numpy(zero_copy_only=False)
    return array.astype(_LATTICE_DTYPES.get(name, array.dtype), copy=False)
