"""Write canonical events as a DBN file of the MBO schema, such as Databento delivers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import zstandard
from databento_dbn import Metadata, Schema, SType
from databento_dbn.metadata import MappingInterval
from numpy.typing import NDArray

from vpharness.errors import ConfigError, SourceError, VpharnessError
from vpharness.events.dbn_records import LENGTH_UNIT, MBO, MBO_RECORD_DTYPE
from vpharness.events.event_source import EventStream
from vpharness.events.mbo_event import FLAG_LAST
from vpharness.storage.durable import aside_of, unfinished_names, writing_in, written_aside

_LAST_SIZE: Final = np.iinfo(np.uint32).max
_ZST_LEVEL: Final = 3
_UNFINISHED: Final = (*unfinished_names("*.dbn"), *unfinished_names("*.dbn.zst"))
"""What a process that is killed while it writes may leave."""


# The library has these two as protocols only, and asks for settable fields.
@dataclass
class _MappingInterval:
    """An instrument id (`symbol`) and the days on which it stood for a raw symbol, the last one not included."""

    start_date: date
    end_date: date
    symbol: str


@dataclass
class _SymbolMapping:
    """On which days which instrument ids stood for a raw symbol."""

    raw_symbol: str
    intervals: Sequence[MappingInterval]


def write_dbn(
    path: Path, stream: EventStream, *, dataset: str, symbol: str, instrument_id: int, publisher_id: int = 1
) -> int:
    """Write an opened source to `path` (`.dbn`, or `.dbn.zst` for Zstandard) and return the number of records.

    Every field of an event is kept; `ts_recv` is `ts_event`, and `sequence` numbers the exchange events from 1. The
    metadata maps `symbol` to `instrument_id` on all days of the data. The file is written aside, chunk by chunk, and
    renamed into place: it is there whole or not at all. Raises ConfigError for a path that is taken or has another
    suffix, SourceError for events that DBN cannot hold (a size above 2³² - 1, or none at all).
    """
    if not path.name.endswith((".dbn", ".dbn.zst")):
        raise ConfigError(f"{path}: a DBN file's name must end in .dbn or .dbn.zst")
    if path.exists():
        raise ConfigError(f"{path}: there is a file already; remove it or choose another name")

    def metadata(first_ns: int, last_ns: int) -> bytes:
        return _encode_metadata(dataset, symbol, instrument_id, first_ns, last_ns)

    try:
        with writing_in(path.parent, *_UNFINISHED), written_aside(path) as aside:
            plain = aside if path.suffix == ".dbn" else aside_of(path)
            try:
                with plain.open("wb") as file:
                    records = _write_records(file, stream.chunks, metadata, instrument_id, publisher_id)
                if plain != aside:
                    _compress(plain, aside)
            finally:
                if plain != aside:
                    plain.unlink(missing_ok=True)
    except OSError as error:
        raise VpharnessError(f"{path}: cannot be written: {error.strerror or error}") from error
    return records


def _write_records(
    file: BinaryIO,
    chunks: Iterable[NDArray[Any]],
    metadata: Callable[[int, int], bytes],
    instrument_id: int,
    publisher_id: int,
) -> int:
    """Write metadata and records. The span is known at the end: the metadata, of fixed length, is written over then."""
    records, sequence, first_ns, last_ns = 0, 1, 0, 0
    for events in chunks:
        if not len(events):
            continue
        if not records:
            first_ns = int(events["ts_ns"][0])
            file.write(metadata(first_ns, first_ns))
        rows = _to_records(events, sequence)
        rows["instrument_id"] = instrument_id
        rows["publisher_id"] = publisher_id
        file.write(rows.tobytes())
        records += len(rows)
        sequence += int(np.count_nonzero(events["flags"] & FLAG_LAST))
        last_ns = max(last_ns, int(events["ts_ns"].max()))
    if not records:
        raise SourceError("the source holds no events, and a DBN file needs at least one")
    file.seek(0)
    file.write(metadata(first_ns, last_ns))
    return records


def _to_records(events: NDArray[Any], sequence: int) -> NDArray[Any]:
    """Lay events out as MBO records, the first of which belongs to the exchange event of number `sequence`."""
    if events["size"].min() < 0 or events["size"].max() > _LAST_SIZE:
        raise SourceError(f"sizes of {events['size'].min()} to {events['size'].max()}; DBN holds 0 to {_LAST_SIZE}")
    records = np.zeros(len(events), MBO_RECORD_DTYPE)
    records["length"] = MBO_RECORD_DTYPE.itemsize // LENGTH_UNIT
    records["rtype"] = MBO
    for field in ("order_id", "price", "size", "flags", "action", "side"):
        records[field] = events[field]
    records["ts_event"] = events["ts_ns"]
    records["ts_recv"] = events["ts_ns"]
    last_of_event = (events["flags"] & FLAG_LAST) > 0
    records["sequence"] = sequence + np.cumsum(last_of_event) - last_of_event
    return records


def _encode_metadata(dataset: str, symbol: str, instrument_id: int, first_ns: int, last_ns: int) -> bytes:
    days = [datetime.fromtimestamp(ns // 1_000_000_000, tz=UTC).date() for ns in (first_ns, last_ns)]
    interval = _MappingInterval(start_date=days[0], end_date=days[1] + timedelta(days=1), symbol=str(instrument_id))
    return Metadata(
        dataset=dataset,
        start=first_ns,
        end=last_ns + 1,
        stype_in=SType.from_str("raw_symbol"),
        stype_out=SType.from_str("instrument_id"),
        schema=Schema.from_str("mbo"),
        symbols=[symbol],
        mappings=[_SymbolMapping(raw_symbol=symbol, intervals=[interval])],
    ).encode()


def _compress(plain: Path, compressed: Path) -> None:
    with plain.open("rb") as source, compressed.open("wb") as target:
        zstandard.ZstdCompressor(level=_ZST_LEVEL).copy_stream(source, target, size=plain.stat().st_size)
