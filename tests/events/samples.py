"""Small input files made by tests, and the events of a source as plain tuples."""

import datetime
import gzip
import lzma
import struct
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import databento_dbn as dbn
import zstandard

from vpharness.events.event_source import EventStream, Source

Event = tuple[int, str, str, int, int, int, int]
"""ts_ns, action, side, price, size, order_id, flags."""

ENUMS: Any = dbn
"""The stubs of databento_dbn take the members of its enumerations for strings."""

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "xz": partial(lzma.compress, preset=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}

DAY = 86_400 * 10**9
START = 19_716 * DAY
"""2023-12-25, in ns since the epoch."""
UNDEFINED_TIME = (1 << 64) - 1
NO_CHANNEL = 255


def mbo(  # noqa: PLR0917  # the fields of the record, in its own order
    instrument_id: int = 7,
    ts_event: int = START + 1,
    order_id: int = 1,
    price: int = 10**9,
    size: int = 1,
    action: bytes = b"A",
    side: bytes = b"B",
    flags: int = 128,
    ts_recv: int | None = None,
    ts_out: int | None = None,
    publisher: int = 1,
) -> bytes:
    """Return an MBO record byte by byte, so that it can say what no exchange would."""
    tail = b"" if ts_out is None else struct.pack("<Q", ts_out)
    received = ts_event if ts_recv is None else ts_recv
    words = (56 + len(tail)) // 4
    head = struct.pack("<BBHIQ", words, 160, publisher, instrument_id, ts_event)
    body = struct.pack("<QqIBBccQiI", order_id, price, size, flags, NO_CHANNEL, action, side, received, 0, 0)
    return head + body + tail


def symbol_mapping(instrument_id: int, symbol: str, version: int = 3) -> bytes:
    """Return the record with which a live capture names an instrument."""
    common: dict[str, Any] = {
        "publisher_id": 1,
        "instrument_id": instrument_id,
        "ts_event": START,
        "stype_in_symbol": "ES.FUT",
        "stype_out_symbol": symbol,
        "start_ts": 0,
        "end_ts": 0,
    }
    if version == 1:
        return bytes(dbn.SymbolMappingMsgV1(**common))
    return bytes(dbn.SymbolMappingMsg(stype_in=ENUMS.SType.PARENT, stype_out=ENUMS.SType.RAW_SYMBOL, **common))


def metadata(
    mappings: dict[str, list[tuple[str, str, int]]] | None = None,
    schema: dbn.Schema | None = ENUMS.Schema.MBO,
    symbols: Sequence[str] = (),
    version: int = 3,
    ts_out: bool = False,
) -> bytes:
    """Return DBN metadata; `mappings` gives each raw symbol its (start date, end date, id)."""
    listed: list[Any] = [
        SimpleNamespace(
            raw_symbol=symbol,
            intervals=[
                SimpleNamespace(
                    start_date=datetime.date.fromisoformat(start),
                    end_date=datetime.date.fromisoformat(end),
                    symbol=str(number),
                )
                for start, end, number in intervals
            ],
        )
        for symbol, intervals in (mappings or {}).items()
    ]
    made = dbn.Metadata(
        dataset="GLBX.MDP3",
        start=START,
        stype_in=ENUMS.SType.RAW_SYMBOL,
        stype_out=ENUMS.SType.INSTRUMENT_ID,
        schema=schema,
        symbols=list(symbols),
        mappings=listed,
        ts_out=ts_out,
        version=version,
    )
    return made.encode()


def write(folder: Path, name: str, data: bytes | str) -> str:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def read(source: Source) -> tuple[list[Event], EventStream]:
    """Read a source to its end."""
    with source.open() as stream:
        chunks = list(stream.chunks)
    names = ("ts_ns", "action", "side", "price", "size", "order_id", "flags")
    columns = [[value for chunk in chunks for value in chunk[name].tolist()] for name in names]
    columns[1:3] = [list(map(chr, column)) for column in columns[1:3]]
    return list(zip(*columns, strict=True)), stream


def events(source: Source) -> list[Event]:
    """Return all events of a source."""
    return read(source)[0]
