"""Writing a dataset's two Parquet files block by block, in a thread of their own, while the lattice goes on."""

import contextlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from vpharness.datasets.manifest import BINS_FILE, GRID_FILE
from vpharness.lattice.columns import BIN_DTYPE, EVENT_COLUMN, FLOAT_COLUMNS, GRID_COLUMNS, LABEL_COLUMNS, MOVE_COLUMNS
from vpharness.lattice.lattice_engine import FinishedBins
from vpharness.storage.arrow import table_of_columns
from vpharness.storage.checksums import HashingFile
from vpharness.storage.parquet import parquet_writer

_WAITING_BLOCKS: Final = 2
"""Blocks that may wait for the disk: more would let memory grow when the disk is slow."""

_BINS_SCHEMA: Final = pa.schema([(name, pa.from_numpy_dtype(BIN_DTYPE[name])) for name in BIN_DTYPE.names or ()])
_GRID_SCHEMA: Final = pa.schema(
    [
        ("bin_seq", pa.int64()),
        ("k", pa.int32()),
        *((name, pa.from_numpy_dtype(dtype)) for name, dtype in GRID_COLUMNS.items()),
    ]
)


class TableWriter:
    """Two growing Parquet files. `write` returns at once; an error in the thread is raised by a later call."""

    def __init__(self, folder: Path) -> None:
        self._files = {name: HashingFile(folder / name) for name in (BINS_FILE, GRID_FILE)}
        # Floats hardly repeat: a dictionary would be built in vain. Split into byte planes they compress a little.
        self._bins = parquet_writer(self._files[BINS_FILE], _BINS_SCHEMA, compression="zstd", compression_level=1)
        self._grid = parquet_writer(
            self._files[GRID_FILE],
            _GRID_SCHEMA,
            compression="zstd",
            compression_level=1,
            use_dictionary=["bin_seq", "k", *LABEL_COLUMNS, *MOVE_COLUMNS, EVENT_COLUMN],
            use_byte_stream_split=list(FLOAT_COLUMNS),
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tables")
        self._waiting: deque[Future[None]] = deque()

    def write(self, block: FinishedBins) -> None:
        """Append finished bins."""
        if not len(block.bins):
            return
        if len(self._waiting) == _WAITING_BLOCKS:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._append, block))

    def _append(self, block: FinishedBins) -> None:
        columns = {name: block.bins[name] for name in _BINS_SCHEMA.names}
        self._bins.write_table(table_of_columns(columns, _BINS_SCHEMA))
        self._grid.write_table(_grid_table(block))

    def finish(self) -> dict[str, str]:
        """Write the files' ends and return the SHA-256 of each."""
        while self._waiting:
            self._waiting.popleft().result()
        self._bins.close()
        self._grid.close()
        for file in self._files.values():
            file.close()
        return {name: file.hexdigest() for name, file in self._files.items()}

    def abandon(self) -> None:
        """Stop the thread and close the files, finished or not."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        for writer in (self._bins, self._grid):
            # What is left unfinished is thrown away by the caller: that its end cannot be written does not matter.
            with contextlib.suppress(OSError, ValueError):
                writer.close()
        for file in self._files.values():
            file.close()


@contextlib.contextmanager
def open_tables(folder: Path) -> Iterator[TableWriter]:
    """Open the tables of a new dataset in an empty folder."""
    writer = TableWriter(folder)
    try:
        yield writer
    finally:
        writer.abandon()


def _grid_table(block: FinishedBins) -> pa.Table:
    count, cells = block.last_event_ids.shape
    radius = (cells - 1) // 2
    columns = {
        "bin_seq": np.repeat(block.bins["bin_seq"], cells),
        "k": np.tile(np.arange(-radius, radius + 1, dtype=np.int32), count),
        **{name: block.column(name).reshape(-1) for name in GRID_COLUMNS},
    }
    return table_of_columns(columns, _GRID_SCHEMA)
