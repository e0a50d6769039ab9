"""Files of Databento's schema MBO: DBN, from history or captured live, and exports as CSV, JSON lines and Parquet."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import dbn_records, input_files, many_files
from vpharness.events.dbn_csv import begins_csv, csv_events
from vpharness.events.dbn_events import OTHER_PUBLISHER, SKIPPED, DbnEvents
from vpharness.events.dbn_instruments import InstrumentChoice
from vpharness.events.dbn_json import json_events
from vpharness.events.dbn_parquet import MAGIC, parquet_events
from vpharness.events.dbn_schemas import other_schema, schema_of_columns
from vpharness.events.dbn_symbology import read_symbology
from vpharness.events.event_source import CHUNK_EVENTS, EventStream, require_valid
from vpharness.events.many_files import PATHS_MEANING, Paths
from vpharness.events.mbo_event import FLAG_BY_PRICE, FLAG_TOP_OF_BOOK
from vpharness.parameters import parameter

READER_VERSION: Final = 1
"""Raised when the same file gives other events than before."""

BLOCK_BYTES: Final = CHUNK_EVENTS * dbn_records.MBO_BYTES // 2
"""How much of the body is looked at at once: no more records than a chunk may hold."""

SUFFIXES: Final = tuple(
    f".{encoding}{compression}"
    for encoding in ("dbn", "dbn.frag", "csv", "json", "parquet")
    for compression in ("", ".zst", ".gz", ".xz")
)
"""What the names of files end in that are taken from a folder."""

_HEAD_BYTES: Final = 1 << 13
"""How much of a file its encoding is told by."""

_IN_PLACE_OF_ORDERS: Final = FLAG_TOP_OF_BOOK | FLAG_BY_PRICE

Decoder = Callable[[input_files.InputFile, DbnEvents], Iterator[NDArray[np.void]]]
"""Reads one encoding: yields the instrument's events block by block, some of them empty."""


@dataclass(frozen=True)
class DbnSource:
    """One instrument of a Databento file. Its events are the records of the schema mbo, `ts_ns` is `ts_event`."""

    default_evict_crossed_ms: ClassVar[int] = 0

    path: Paths = parameter(
        meaning="Databento file of schema mbo: DBN, CSV, JSON lines or Parquet; plain, zstd or gzip (told by content), "
        f"{PATHS_MEANING}"
    )
    tick_size: float = parameter(meaning="smallest price step of the instrument", unit="price units", above=0)
    symbol: str | None = parameter(None, meaning="raw symbol of the instrument, such as ESH4")
    instrument_id: int | None = parameter(
        None, meaning="numeric id of the instrument, in place of the symbol", minimum=0, maximum=(1 << 32) - 1
    )
    publisher_id: int | None = parameter(
        None,
        meaning="numeric id of the only publisher (venue) to take, of a file that holds several",
        minimum=0,
        maximum=(1 << 16) - 1,
    )
    symbology_path: str | None = parameter(
        None, meaning="symbology.json of the download, for a file that does not say which ids its symbols have"
    )

    def relations(self) -> Iterable[str]:
        """Yield a sentence for each relation between parameters that does not hold."""
        if self.symbol is not None and self.instrument_id is not None:
            yield f"symbol is {self.symbol} and instrument_id is {self.instrument_id}; give one of the two"

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on."""
        found = {
            "kind": "dbn",
            "version": READER_VERSION,
            "tick_size": self.tick_size,
            "symbol": self.symbol,
            "instrument_id": self.instrument_id,
            "sha256": many_files.files_digest(self.files(), self._opened),
        }
        # What is not given is left out: datasets that are older than these parameters keep their identity.
        if self.publisher_id is not None:
            found["publisher_id"] = self.publisher_id
        if self.symbology_path is not None:
            found["symbology_sha256"] = input_files.sha256(self.symbology_path)
        return found

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the file, or several as one, and read up to the instrument's first events."""
        require_valid(self)
        with many_files.opened_in_order(self.files(), self._opened, restates=True) as stream:
            yield stream

    def files(self) -> list[str]:
        """Return the files that `path` names."""
        return many_files.files_of(self.path, SUFFIXES)

    @contextmanager
    def _opened(self, path: str) -> Iterator[EventStream]:
        decode = _decoder(path)
        with input_files.opened(path) as file:
            choice = InstrumentChoice(file.path, self.symbol, self.instrument_id)
            if self.symbology_path is not None:
                choice.take_mappings(read_symbology(self.symbology_path))
            stream = EventStream("", 1.0, iter(()), bytes_total=file.bytes_total)
            stream.counts.update(dict.fromkeys(SKIPPED, 0))
            if self.publisher_id is not None:
                stream.counts[OTHER_PUBLISHER] = 0
            events = DbnEvents(file.path, choice, stream.counts, self.publisher_id)
            chunks = _chunks(file, decode(file, events), events, stream)
            first = next(chunks)
            stream.instrument = choice.name
            stream.chunks = chain([first], chunks)
            yield stream


def _decoder(path: str) -> Decoder:
    """Return the reader of a file's encoding, which its first bytes tell."""
    with input_files.opened(path) as file:
        head = next(file.blocks(_HEAD_BYTES))
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if head.startswith(MAGIC):
            return parquet_events
        if text.startswith(b"{"):
            return json_events
        if head.startswith(dbn_records.MAGIC) or _begins_record(head):
            return dbn_events
        if begins_csv(head):
            return csv_events
        raise _unknown(file.path, head)


def _begins_record(head: bytes) -> bool:
    """Return whether a file without metadata, a fragment, begins with a record."""
    return (
        len(head) >= dbn_records.HEADER_BYTES
        and head[1] in dbn_records.KNOWN_TYPES
        and head[0] * dbn_records.LENGTH_UNIT >= dbn_records.HEADER_BYTES
    )


def _unknown(path: Path, head: bytes) -> SourceError:
    columns = head.partition(b"\n")[0].decode("ascii", "replace").strip().split(",")
    if (schema := schema_of_columns(columns)) is not None:
        return other_schema(path, schema)
    return SourceError(
        f"{path}: is no DBN file: it begins with {head[:8]!r}; expected b'DBN', or the CSV, JSON lines or Parquet of "
        "Databento's schema mbo"
    )


def dbn_events(file: input_files.InputFile, events: DbnEvents) -> Iterator[NDArray[np.void]]:
    """Yield the instrument's events block by block, of one DBN file, or of several end to end."""
    for block in dbn_records.records(file.path, b"", file.blocks(BLOCK_BYTES)):
        parts = [part for records in block if len(part := events.of(records))]
        if parts:
            yield np.concatenate(parts)


def _chunks(
    file: input_files.InputFile, decoded: Iterator[NDArray[np.void]], events: DbnEvents, stream: EventStream
) -> Iterator[NDArray[np.void]]:
    """Yield the instrument's events in chunks; the last error is that there were none."""
    found = False
    for block in decoded:
        stream.bytes_read = file.bytes_read
        stream.notes[:] = events.notes()
        stream.instruments[:] = events.instruments()
        stream.by_level |= bool((block["flags"] & _IN_PLACE_OF_ORDERS).any())
        found = found or len(block) > 0
        yield from (block[start : start + CHUNK_EVENTS] for start in range(0, len(block), CHUNK_EVENTS))
    stream.bytes_read = file.bytes_read
    if not found:
        raise events.missing()
