"""Databento DBN files of the schema MBO: historical ones and live captures, plain or compressed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, Final

import numpy as np
from databento_dbn import DBNError, Metadata, Schema
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import dbn_records, input_files, many_files
from vpharness.events.dbn_events import SKIPPED, DbnEvents
from vpharness.events.dbn_instruments import InstrumentChoice
from vpharness.events.dbn_records import Records
from vpharness.events.event_source import CHUNK_EVENTS, EventStream, require_valid
from vpharness.events.many_files import PATHS_MEANING, Paths
from vpharness.parameters import parameter

READER_VERSION: Final = 1
"""Raised when the same file gives other events than before."""

BLOCK_BYTES: Final = CHUNK_EVENTS * dbn_records.MBO_BYTES // 2
"""How much of the body is looked at at once: no more records than a chunk may hold."""

SUFFIXES: Final = (".dbn", ".dbn.zst", ".dbn.gz", ".dbn.xz")
"""What the names of files end in that are taken from a folder."""

_PRELUDE_BYTES: Final = 8


@dataclass(frozen=True)
class DbnSource:
    """One instrument of a DBN file. Its events are the file's MBO records, `ts_ns` is their `ts_event`."""

    default_evict_crossed_ms: ClassVar[int] = 0

    path: Paths = parameter(meaning=f"DBN file of schema mbo, plain or zstd (.dbn, .dbn.zst), {PATHS_MEANING}")
    tick_size: float = parameter(meaning="smallest price step of the instrument", unit="price units", above=0)
    symbol: str | None = parameter(None, meaning="raw symbol of the instrument, such as ESH4")
    instrument_id: int | None = parameter(
        None, meaning="numeric id of the instrument, in place of the symbol", minimum=0, maximum=(1 << 32) - 1
    )

    def relations(self) -> Iterable[str]:
        """Yield a sentence for each relation between parameters that does not hold."""
        if self.symbol is not None and self.instrument_id is not None:
            yield f"symbol is {self.symbol} and instrument_id is {self.instrument_id}; give one of the two"

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on."""
        return {
            "kind": "dbn",
            "version": READER_VERSION,
            "tick_size": self.tick_size,
            "symbol": self.symbol,
            "instrument_id": self.instrument_id,
            "sha256": many_files.digest_of(self._paths(), self._opened),
        }

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the file, or several as one, and read up to the instrument's first events."""
        require_valid(self)
        with many_files.opened_in_order(self._paths(), self._opened) as stream:
            yield stream

    def _paths(self) -> list[str]:
        return many_files.files_of(self.path, SUFFIXES)

    @contextmanager
    def _opened(self, path: str) -> Iterator[EventStream]:
        with input_files.opened(path) as file:
            blocks = file.blocks(BLOCK_BYTES)
            version, metadata, rest = _read_metadata(file, blocks)
            choice = InstrumentChoice(file.path, metadata, self.symbol, self.instrument_id)
            stream = EventStream(choice.name, 1.0, iter(()), bytes_total=file.bytes_total)
            stream.counts.update(dict.fromkeys(SKIPPED, 0))
            events = DbnEvents(file.path, version, metadata.ts_out, choice, stream.counts)
            chunks = _chunks(file, dbn_records.records(file.path, rest, blocks), events, stream)
            first = next(chunks)
            stream.instrument = choice.name
            stream.chunks = chain([first], chunks)
            yield stream


def _read_metadata(file: input_files.InputFile, blocks: Iterator[bytes]) -> tuple[int, Metadata, bytes]:
    """Return the DBN version and the metadata, decoded, and what was read behind them."""
    data = next(blocks)
    if data[:3] != b"DBN":
        raise SourceError(f"{file.path}: is no DBN file: it begins with {data[:8]!r}; expected b'DBN'")
    end = _PRELUDE_BYTES + int.from_bytes(data[4:_PRELUDE_BYTES], "little")
    for block in blocks if end > len(data) else ():
        data += block
        if len(data) >= end:
            break
    if len(data) < max(end, _PRELUDE_BYTES):
        raise SourceError(f"{file.path}: truncated: the file ends inside of its metadata")
    try:
        metadata = Metadata.decode(data[:end])
    except DBNError as error:
        raise SourceError(f"{file.path}: its DBN metadata cannot be decoded: {error}") from error
    if metadata.schema not in {None, Schema.MBO}:
        raise SourceError(f"{file.path}: holds the schema {metadata.schema}; expected mbo")
    return data[3], metadata, data[end:]


def _chunks(
    file: input_files.InputFile, blocks: Iterator[list[Records]], events: DbnEvents, stream: EventStream
) -> Iterator[NDArray[np.void]]:
    """Yield the instrument's events, one chunk a block of records; the last error is that there were none."""
    found = False
    for block in blocks:
        parts = [part for records in block if len(part := events.of(records))]
        stream.bytes_read = file.bytes_read
        if parts:
            found = True
            joined = np.concatenate(parts)
            yield from (joined[start : start + CHUNK_EVENTS] for start in range(0, len(joined), CHUNK_EVENTS))
    if not found:
        raise events.choice.missing()
