"""The table of a dataset's events, `events.parquet`: every field of EVENT_DTYPE, in the order of the feed.

A real hour takes 6 bytes an event, of 48 in memory: times are stored as differences from one to the next, prices, sizes
and codes as places in a dictionary, ids byte plane by byte plane, and all of it is compressed. A row group is read and
written at a time, so memory does not grow with the number of events.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vpharness.compiled import Array
from vpharness.datasets.find import Dataset
from vpharness.datasets.manifest import EVENTS_FILE, check_file
from vpharness.errors import DatasetError, require_memory
from vpharness.events.event_source import CHUNK_EVENTS, EventStream
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.lattice.lattice_parameters import LATTICE_VERSION
from vpharness.storage.arrow import numpy_array, table_of_columns
from vpharness.storage.checksums import HashingFile
from vpharness.storage.parquet import open_parquet, parquet_writer

_GROUP_EVENTS: Final = 4 * CHUNK_EVENTS
_LATTICE_VERSION: Final = b"lattice_version"
_NAMES: Final = EVENT_DTYPE.names or ()
_TIMES, _IDS = "ts_ns", "order_id"
_SCHEMA: Final = pa.schema([(name, pa.from_numpy_dtype(EVENT_DTYPE[name])) for name in _NAMES])


class EventTableWriter:
    """A growing table of events, which says which version of the lattice makes the dataset's bins of them."""

    def __init__(self, sink: HashingFile) -> None:
        self._writer = parquet_writer(
            sink,
            _SCHEMA.with_metadata({_LATTICE_VERSION: str(LATTICE_VERSION)}),
            compression="zstd",
            compression_level=3,
            use_dictionary=[name for name in _NAMES if name not in {_TIMES, _IDS}],
            column_encoding={_TIMES: "DELTA_BINARY_PACKED", _IDS: "BYTE_STREAM_SPLIT"},
        )
        self._waiting: list[Array] = []
        self._count = 0

    def write(self, events: Array) -> None:
        """Append events; the array is kept until its group is written."""
        start = 0
        while start < len(events):
            part = events[start : start + _GROUP_EVENTS - self._count]
            self._waiting.append(part)
            self._count += len(part)
            start += len(part)
            if self._count == _GROUP_EVENTS:
                self._write_group()

    def close(self) -> None:
        """Write what is left, and the table's end."""
        self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        if self._count:
            events = np.concatenate(self._waiting)
            self._waiting, self._count = [], 0
            columns = {name: np.ascontiguousarray(events[name]) for name in _NAMES}
            self._writer.write_table(table_of_columns(columns, _SCHEMA), row_group_size=_GROUP_EVENTS)


@dataclass(frozen=True)
class DatasetEvents:
    """The events that a dataset keeps, as a source: those that it was built from, up to the end of its span."""

    dataset: Dataset

    default_evict_crossed_ms: ClassVar[int] = 0
    """The parameters of a dataset's lattice leave nothing to its source."""

    @property
    def tick_size(self) -> float:
        """The smallest price step, in price units."""
        return self.dataset.manifest.tick_size

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on: what the dataset was built from."""
        return self.dataset.manifest.source

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the table. Raises DatasetError where it is not as it was written, now or while it is read."""
        manifest = self.dataset.manifest
        size_unit = 1.0 if manifest.size_unit is None else manifest.size_unit
        with opened_events(self.dataset) as file:
            stream = EventStream(manifest.instrument, size_unit, iter(()), by_level=manifest.by_level)
            stream.bytes_total, stream.chunks = file.metadata.num_rows, _chunks(file, stream)
            yield stream


@contextmanager
def opened_events(dataset: Dataset) -> Iterator[pq.ParquetFile]:
    """Open the table of events; a DatasetError says where it cannot be read, now or later, or lacks a field."""
    dataset_id = dataset.path.name
    check_file(dataset.path, EVENTS_FILE)
    try:
        with open_parquet(dataset.events_path, memory_map=True) as file:
            if (found := file.schema_arrow.names) != list(_NAMES):
                raise DatasetError(
                    f"dataset {dataset_id}: {EVENTS_FILE} has the columns {', '.join(found)}; "
                    f"expected {', '.join(_NAMES)}: it was written by another version of vpharness"
                )
            yield file
    except (OSError, pa.ArrowException) as error:
        require_memory(error)
        raise DatasetError(f"dataset {dataset_id}: {dataset.events_path} cannot be read as Parquet: {error}") from error


def _chunks(file: pq.ParquetFile, stream: EventStream) -> Iterator[Array]:
    for batch in file.iter_batches(CHUNK_EVENTS, use_threads=False):
        events = np.empty(batch.num_rows, EVENT_DTYPE)
        for name in _NAMES:
            events[name] = numpy_array(batch.column(name))
        stream.bytes_read += len(events)
        yield events


def lattice_version_of(dataset: Dataset) -> int | None:
    """Return the version of the lattice that makes a dataset's bins and columns of its events."""
    with opened_events(dataset) as file:
        text = (file.schema_arrow.metadata or {}).get(_LATTICE_VERSION, b"")
    return int(text) if text.isdigit() else None
