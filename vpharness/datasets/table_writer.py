"""Writing a dataset's Parquet files block by block, in a thread of their own, while the lattice goes on."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vpharness.compiled import Array
from vpharness.datasets.event_table import EventTableWriter
from vpharness.datasets.manifest import BINS_FILE, EVENTS_FILE, GRID_FILE
from vpharness.lattice.columns import BIN_DTYPE, EVENT_COLUMN, FLOAT_COLUMNS, GRID_COLUMNS, LABEL_COLUMNS, MOVE_COLUMNS
from vpharness.lattice.lattice_engine import FinishedBins
from vpharness.storage.arrow import table_of_columns
from vpharness.storage.checksums import HashingFile
from vpharness.storage.parquet import parquet_writer

_WAITING_BLOCKS: Final = 2
"""Blocks that may wait for the disk: more would let memory grow when the disk is slow."""

_BINS_SCHEMA: Final = pa.schema([(name, pa.from_numpy_dtype(BIN_DTYPE[name])) for name in BIN_DTYPE.names or ()])
_WITH_DICTIONARY: Final = ("bin_seq", "k", *LABEL_COLUMNS, *MOVE_COLUMNS, EVENT_COLUMN)


class TableWriter:
    """Growing Parquet files: bins, events, and the grid where any of its columns are to be stored.

    `write` returns at once; an error in the thread is raised by a later call.
    """

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        """Begin the files in an empty folder; the grid gets `columns`, and no file without any."""
        names = (BINS_FILE, EVENTS_FILE, *((GRID_FILE,) if columns else ()))
        self._files = {name: HashingFile(folder / name) for name in names}
        # Floats hardly repeat: a dictionary would be built in vain. Split into byte planes they compress a little.
        self._bins = parquet_writer(self._files[BINS_FILE], _BINS_SCHEMA, compression="zstd", compression_level=1)
        self._events = EventTableWriter(self._files[EVENTS_FILE])
        self._schema = _grid_schema(columns)
        self._grid = None
        if columns:
            self._grid = parquet_writer(
                self._files[GRID_FILE],
                self._schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=[name for name in _WITH_DICTIONARY if name in self._schema.names],
                use_byte_stream_split=[name for name in columns if name in FLOAT_COLUMNS],
            )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tables")
        self._waiting: deque[Future[None]] = deque()

    def write(self, block: FinishedBins) -> None:
        """Append finished bins."""
        if len(block.bins):
            self._submit(self._append, block)

    def write_events(self, events: Array) -> None:
        """Append events, in the order of the feed."""
        if len(events):
            self._submit(self._events.write, events.copy())  # the source may use its array again

    def _submit(self, write: Callable[[Any], None], what: Any) -> None:
        if len(self._waiting) == _WAITING_BLOCKS:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(write, what))

    def _append(self, block: FinishedBins) -> None:
        columns = {name: block.bins[name] for name in _BINS_SCHEMA.names}
        self._bins.write_table(table_of_columns(columns, _BINS_SCHEMA))
        if self._grid is not None:
            self._grid.write_table(_grid_table(block, self._schema))

    def finish(self) -> dict[str, str]:
        """Write the files' ends and return the SHA-256 of each."""
        while self._waiting:
            self._waiting.popleft().result()
        for writer in self._writers:
            writer.close()
        for file in self._files.values():
            file.close()
        return {name: file.hexdigest() for name, file in self._files.items()}

    @property
    def _writers(self) -> list[pq.ParquetWriter | EventTableWriter]:
        return [self._bins, self._events, *([] if self._grid is None else [self._grid])]

    def abandon(self) -> None:
        """Stop the thread and close the files, finished or not."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        for writer in self._writers:
            # What is left unfinished is thrown away by the caller: that its end cannot be written does not matter.
            with contextlib.suppress(OSError, ValueError):
                writer.close()
        for file in self._files.values():
            file.close()


@contextlib.contextmanager
def open_tables(folder: Path, columns: Sequence[str]) -> Iterator[TableWriter]:
    """Open the tables of a new dataset in an empty folder, with some columns of its grid."""
    writer = TableWriter(folder, columns)
    try:
        yield writer
    finally:
        writer.abandon()


def _grid_schema(columns: Sequence[str]) -> pa.Schema:
    return pa.schema(
        [
            ("bin_seq", pa.int64()),
            ("k", pa.int32()),
            *((name, pa.from_numpy_dtype(GRID_COLUMNS[name])) for name in columns),
        ]
    )


def _grid_table(block: FinishedBins, schema: pa.Schema) -> pa.Table:
    count, cells = block.last_event_ids.shape
    radius = (cells - 1) // 2
    columns = {
        "bin_seq": np.repeat(block.bins["bin_seq"], cells),
        "k": np.tile(np.arange(-radius, radius + 1, dtype=np.int32), count),
        **{name: block.column(name).reshape(-1) for name in schema.names[2:]},
    }
    return table_of_columns(columns, schema)
