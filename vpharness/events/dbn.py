"""Databento DBN files of the schema MBO: historical ones and live captures, plain or compressed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, Final

import numpy as np
from databento_dbn import DBNDecoder, DBNError, Metadata, Schema
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import dbn_records, files
from vpharness.events.dbn_instruments import InstrumentChoice
from vpharness.events.dbn_records import Records
from vpharness.events.schema import ACTIONS, EVENT_DTYPE, SIDES
from vpharness.events.source import CHUNK_EVENTS, EventStream, require_valid
from vpharness.parameters import parameter

READER_VERSION: Final = 1
"""Raised when the same file gives other events than before."""

BLOCK_BYTES: Final = CHUNK_EVENTS * dbn_records.MBO_BYTES // 2
"""How much of the body is looked at at once: no more records than a chunk may hold."""

_OTHER_RECORD, _OTHER_INSTRUMENT, _SPREAD = _SKIPPED = (
    "skipped_other_record",
    "skipped_other_instrument",
    "skipped_spread",
)
_PRELUDE_BYTES: Final = 8
_UNDEFINED_TIME: Final = np.uint64((1 << 64) - 1)
_LATEST_TIME: Final = np.uint64(np.iinfo(np.int64).max)
_KNOWN_ACTION: Final = np.isin(np.arange(256), ACTIONS)
_KNOWN_SIDE: Final = np.isin(np.arange(256), SIDES)


@dataclass(frozen=True)
class DbnSource:
    """One instrument of a DBN file. Its events are the file's MBO records, `ts_ns` is their `ts_event`."""

    default_evict_crossed_ms: ClassVar[int] = 0

    path: str = parameter(meaning="DBN file of schema mbo, plain or zstd (.dbn, .dbn.zst)")
    tick_size: float = parameter(meaning="smallest price step of the instrument", unit="price units", above=0)
    symbol: str | None = parameter(None, meaning="raw symbol of the instrument, such as ESH4")
    instrument_id: int | None = parameter(
        None, meaning="numeric id of the instrument, in place of the symbol", minimum=0, maximum=(1 << 32) - 1
    )

    def relations(self) -> Iterable[str]:
        """Say what is wrong between the parameters."""
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
            "sha256": files.sha256(self.path),
        }

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the file and read up to the instrument's first events."""
        require_valid(self)
        with files.opened(self.path) as file:
            blocks = file.blocks(BLOCK_BYTES)
            version, metadata, rest = _read_metadata(file, blocks)
            choice = InstrumentChoice(file.path, metadata, self.symbol, self.instrument_id)
            stream = EventStream(choice.name, 1.0, iter(()), bytes_total=file.bytes_total)
            stream.counts.update(dict.fromkeys(_SKIPPED, 0))
            body = _Body(file, version, metadata.ts_out, choice, stream)
            chunks = body.chunks(dbn_records.records(file.path, rest, blocks))
            first = next(chunks)
            stream.instrument = choice.name
            stream.chunks = chain([first], chunks)
            yield stream


def _read_metadata(file: files.InputFile, blocks: Iterator[bytes]) -> tuple[int, Metadata, bytes]:
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


@dataclass(frozen=True)
class _Body:
    """What turning the records of one open file into events needs to know."""

    file: files.InputFile
    version: int
    ts_out: bool
    choice: InstrumentChoice
    stream: EventStream

    def chunks(self, blocks: Iterator[list[Records]]) -> Iterator[NDArray[np.void]]:
        """Yield the instrument's events, one chunk a block of records; the last error is that there were none."""
        found = False
        for block in blocks:
            parts = [part for records in block if len(part := self._events(records))]
            self.stream.bytes_read = self.file.bytes_read
            if parts:
                found = True
                joined = np.concatenate(parts)
                yield from (joined[start : start + CHUNK_EVENTS] for start in range(0, len(joined), CHUNK_EVENTS))
        if not found:
            raise self.choice.missing()

    def _events(self, records: Records) -> NDArray[np.void]:
        if records.kind == dbn_records.MBO:
            return self._mbo_events(records)
        if records.kind == dbn_records.SYMBOL_MAPPING:
            self._learn(records)
        self.stream.counts[_OTHER_RECORD] += len(records.data)
        return np.empty(0, EVENT_DTYPE)

    def _mbo_events(self, records: Records) -> NDArray[np.void]:
        length = records.data.shape[1]
        expected = dbn_records.MBO_BYTES + (dbn_records.TS_OUT_BYTES if self.ts_out else 0)
        if length != expected:
            raise self._error(records.first, f"is an MBO record of {length} bytes; expected {expected}")
        mbo = records.data.view(dbn_records.mbo_dtype(length)).reshape(-1)
        received = mbo["ts_recv"]
        # The symbol of an id changes by the day of arrival: a snapshot's orders may be older than their mapping.
        times = np.where(received == _UNDEFINED_TIME, mbo["ts_event"], received)
        wanted = self.choice.wanted(mbo["instrument_id"], times)
        if not wanted.all():
            others = mbo["instrument_id"][~wanted]
            spreads = self.choice.count_spreads(others)
            self.stream.counts[_SPREAD] += spreads
            self.stream.counts[_OTHER_INSTRUMENT] += len(others) - spreads
            mbo = mbo[wanted]
        self._check(mbo, records.first + np.flatnonzero(wanted))
        return _to_events(mbo)

    def _check(self, mbo: NDArray[np.void], numbers: NDArray[np.int64]) -> None:
        wrong_time = mbo["ts_event"] > _LATEST_TIME
        for wrong, name, expected in (
            (wrong_time, "ts_event", "a time in ns since 1970"),
            (~_KNOWN_ACTION[mbo["action"]], "action", "the code of one of A C M R T F N"),
            (~_KNOWN_SIDE[mbo["side"]], "side", "the code of one of B A N"),
        ):
            if wrong.any():
                row = int(np.argmax(wrong))
                raise self._error(int(numbers[row]), f"has the {name} {mbo[name][row]}; expected {expected}")

    def _learn(self, records: Records) -> None:
        decoder = DBNDecoder(has_metadata=False, ts_out=self.ts_out, input_version=self.version)
        try:
            mappings: list[Any] = decoder.write_and_decode(records.data.tobytes())
        except DBNError as error:
            raise self._error(records.first, f"is no symbol mapping: {error}") from error
        for mapping in mappings:
            try:
                symbol = mapping.stype_out_symbol or mapping.stype_in_symbol
            except (DBNError, ValueError) as error:
                raise self._error(records.first, f"is no symbol mapping: {error}") from error
            self.choice.learn(mapping.instrument_id, symbol)

    def _error(self, number: int, reason: str) -> SourceError:
        return SourceError(f"{self.file.path}: record {number} {reason}")


def _to_events(mbo: NDArray[np.void]) -> NDArray[np.void]:
    events = np.zeros(len(mbo), EVENT_DTYPE)
    events["ts_ns"] = mbo["ts_event"]
    for name in ("price", "size", "order_id", "action", "side", "flags"):
        events[name] = mbo[name]
    return events
