"""The Parquet of Databento's schema mbo, as `DBNStore.to_parquet` and data frames write it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vpharness.errors import SourceError, require_memory
from vpharness.events.dbn_columns import READ, MboColumns
from vpharness.events.dbn_events import DbnEvents
from vpharness.events.event_source import CHUNK_EVENTS
from vpharness.events.input_files import LARGEST_PART_BYTES, InputFile

MAGIC: Final = b"PAR1"
_BUFFER_BYTES: Final = 1 << 20


def parquet_events(file: InputFile, events: DbnEvents) -> Iterator[NDArray[np.void]]:
    """Yield the instrument's events batch by batch. Raises SourceError with the row of what is wrong."""
    columns = MboColumns(file.path)
    with _seekable(file) as handle:
        try:
            table = pq.ParquetFile(handle, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
            names = table.schema_arrow.names
            columns.require(names)
            wanted = [name for name in READ if name in names]
            yield from _batches(table, wanted, columns, events, file)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            require_memory(error)
            raise SourceError(f"{file.path}: its Parquet is damaged: {' '.join(str(error).split())}") from error


def _batches(
    table: Any, wanted: list[str], columns: MboColumns, events: DbnEvents, file: InputFile
) -> Iterator[NDArray[np.void]]:
    first = 1
    for batch in table.iter_batches(CHUNK_EVENTS, columns=wanted, use_threads=False):
        found = {name: batch.column(name) for name in wanted}
        place = _name(first)
        if batch.num_rows:
            yield events.of_mbo(*columns.mbo(found, place), place)
        first += batch.num_rows
        file.bytes_read = file.bytes_total * first // max(1, table.metadata.num_rows)


def _name(first: int) -> Any:
    return lambda row: f"row {first + row}"


@contextmanager
def _seekable(file: InputFile) -> Iterator[BinaryIO]:
    """Open the content for reading anywhere; a compressed one is written to a temporary file."""
    head = file.handle.read(len(MAGIC))
    file.handle.seek(0)
    if head == MAGIC:
        yield file.handle
        return
    with tempfile.TemporaryFile() as plain:
        for block in file.blocks(LARGEST_PART_BYTES):
            try:
                plain.write(block)
            except OSError as error:
                require_memory(error)
                reason = f"cannot be decompressed into a temporary file: {error.strerror}"
                raise SourceError(f"{file.path}: {reason}; decompress it yourself") from error
        plain.seek(0)
        yield plain
