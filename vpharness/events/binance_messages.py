"""Binance's messages, as its streams and its REST endpoint give them, and its files of trades."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import input_files
from vpharness.events.json_lines import UNREADABLE, MessageError, RecordedLine, line_error, recorded_lines
from vpharness.events.level_json import LevelCollector, event_ns, rows_text
from vpharness.events.trade_files import TradeColumns, csv_trades, is_json, trades_of

TRADES: Final = frozenset({"aggTrade", "trade"})
_TRADES_EXPECTED: Final = (
    "messages aggTrade or trade, one a line, or aggTrades or trades in CSV as downloaded (unpacked): id, price, "
    "quantity, …, time, is_buyer_maker"
)

_Raw = msgspec.Raw
_NONE: Final = msgspec.Raw(b"[]")
_ABSENT: Final = msgspec.Raw(b"null")


class BinanceMessage(msgspec.Struct, frozen=True, rename={"event_time": "E", "trade_time": "T", "first": "U"}):
    """Any of the messages: those that are absent keep their defaults."""

    e: str = ""
    event_time: int = 0
    trade_time: int | None = None
    s: str | None = None
    first: int = 0
    u: int = 0
    pu: int | None = None
    b: _Raw = _NONE
    a: _Raw = _NONE
    p: _Raw = _NONE
    q: _Raw = _NONE
    m: bool | None = None
    lastUpdateId: int | None = None  # noqa: N815  # as the exchange calls it
    bids: _Raw = _NONE
    asks: _Raw = _NONE
    stream: str | None = None
    data: _Raw = _ABSENT


_DECODER: Final = msgspec.json.Decoder(BinanceMessage)


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of the REST endpoint: the book after the update `last`, as lines of levels."""

    line: int
    last: int
    bids: bytes
    asks: bytes


def snapshot_of(line: int, message: BinanceMessage) -> Snapshot:
    """Return the snapshot that a message is; a MessageError where it is none."""
    if message.lastUpdateId is None:
        raise MessageError("has no lastUpdateId; expected a snapshot of the REST endpoint /depth")
    return Snapshot(line, message.lastUpdateId, rows_text(message.bids), rows_text(message.asks))


def snapshots_of(paths: Sequence[str], symbol: str | None, digits: int) -> list[Snapshot]:
    """Return the snapshots of files by their ids; those that name another product are left out."""
    found = [snapshot for path in paths for snapshot in _snapshots_of_one(path, symbol, digits)]
    return sorted(found, key=lambda snapshot: snapshot.last)


def _snapshots_of_one(path: str, symbol: str | None, digits: int) -> list[Snapshot]:
    found = []
    with input_files.opened(path) as file:
        numbers = LevelCollector(file.path, digits)
        for line in recorded_lines(file):
            try:
                message, named = decoded(line)
                if symbol is not None and named is not None and not is_same(named, symbol):
                    continue
                snapshot = snapshot_of(line.number, message)
            except UNREADABLE as error:
                raise line_error(file, line.number, error) from error
            numbers.snapshot(1, [(line.number, snapshot.bids, snapshot.asks)])
            numbers.take()  # refuses what are no numbers in the name of this file
            found.append(snapshot)
    return found


def trades_in(file: input_files.InputFile, symbol: str | None, digits: int) -> Iterator[NDArray[np.void]]:
    """Return the trades of a file, blocks of TRADE_DTYPE, by what the file begins with."""
    if is_json(file.path):
        return _json_trades(file, symbol, digits)
    return csv_trades(file, _trade_columns, _TRADES_EXPECTED, None, digits)


def _trade_columns(fields: list[str]) -> TradeColumns | None:
    """Return the columns of aggTrades and trades as downloaded: price and size after the id, maker after time."""
    lowered = [name.lower() for name in fields]
    makers = [
        place for place, name in enumerate(lowered) if name in {"is_buyer_maker", "isbuyermaker", "true", "false"}
    ]
    if not makers or makers[0] < 4:
        return None
    words, on_ask = (b"true", b"True", b"TRUE", b"false", b"False", b"FALSE"), (False,) * 3 + (True,) * 3
    return TradeColumns(
        price=1, size=2, time=makers[0] - 1, side=makers[0], time_digits=None, words=words, on_ask=on_ask
    )


def _json_trades(file: input_files.InputFile, symbol: str | None, digits: int) -> Iterator[NDArray[np.void]]:
    """Yield the trades of a file of messages; where it has aggTrade and trade, those that come first."""
    collector, kind = LevelCollector(file.path, digits), ""
    for line in recorded_lines(file):
        try:
            message, named = decoded(line)
            if message.e in TRADES and kind in {"", message.e} and (symbol is None or is_same(named, symbol)):
                kind = message.e
                add_trade(collector, line.number, message)
        except UNREADABLE as error:
            raise line_error(file, line.number, error) from error
        if collector.is_full:
            yield trades_of(collector.take())
    if not kind:
        raise SourceError(f"{file.path}: holds no message aggTrade or trade; expected {_TRADES_EXPECTED}")
    yield trades_of(collector.take())


def decoded(line: RecordedLine) -> tuple[BinanceMessage, str | None]:
    """Return a message, out of the envelope of a combined stream, and the product's symbol, where it is known."""
    message, stream = _DECODER.decode(line.message), None
    if bytes(message.data) != bytes(_ABSENT):
        stream = message.stream
        message = _DECODER.decode(message.data)
    if message.s is not None or line.symbol is not None or stream is None:
        return message, message.s if message.s is not None else line.symbol
    return message, stream.partition("@")[0].upper()


def is_same(symbol: str | None, wanted: str) -> bool:
    """Return whether a symbol is the wanted one, in capitals or not."""
    return symbol is not None and symbol.upper() == wanted.upper()


def add_trade(collector: LevelCollector, line: int, message: BinanceMessage) -> None:
    """Add the trade of a message aggTrade or trade: with resting bids where the buyer is the maker (m)."""
    if message.m is None or message.trade_time is None:
        raise MessageError(f"is a message {message.e} without m and T; expected both")
    ts_ns = event_ns(message.trade_time)
    collector.trade(line, ts_ns, bytes(message.p), bytes(message.q), is_ask=not message.m)
