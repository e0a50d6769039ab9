"""Parquet files as this project writes and reads them: every page has a checksum, which is verified on reading.

A page's checksum covers the page's values alone. What covers the rest of a file, the footer and the heads of pages, is
the SHA-256 of the whole file, which whoever keeps the file keeps beside it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vpharness.storage.checksums import HashingFile


def parquet_writer(sink: HashingFile, schema: pa.Schema, **options: Any) -> pq.ParquetWriter:
    """Return a writer of a Parquet file whose pages have checksums; `options` are pyarrow's."""
    return pq.ParquetWriter(sink, schema, write_page_checksum=True, **options)


def write_parquet(table: pa.Table, path: Path, **options: Any) -> str:
    """Write a new Parquet file whose pages have checksums; return the SHA-256 of the whole file."""
    with HashingFile(path) as sink:
        pq.write_table(table, sink, write_page_checksum=True, **options)
    return sink.hexdigest()


def open_parquet(path: Path, *, memory_map: bool = False, repeated: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a Parquet file; the checksums of its pages are verified on reading, wherever they have some.

    Columns of texts that are `repeated` in many rows are read as a dictionary of them.
    Raises OSError or pyarrow.ArrowException, then or on reading, where it is damaged.
    """
    return pq.ParquetFile(
        path, memory_map=memory_map, page_checksum_verification=True, read_dictionary=list(repeated) or None
    )
