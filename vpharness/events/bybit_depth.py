"""Bybit's order book stream (orderbook.DEPTH.SYMBOL, version 5), live or as its downloads hold it.

The messages are documented at https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook: a snapshot restates
the book, deltas change levels, and update ids u are consecutive; an id that is missing is a gap, and one of 1 restarts
with a snapshot. Trades are documented at https://bybit-exchange.github.io/docs/v5/websocket/public/trade.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import input_files, many_files
from vpharness.events.event_source import EventStream, require_valid
from vpharness.events.json_lines import SUFFIXES, UNREADABLE, MessageError, RecordedLine, line_error, recorded_lines
from vpharness.events.level_json import LevelCollector, event_ns, rows_text
from vpharness.events.level_source import (
    WITHOUT_TRADES,
    LevelBooks,
    opened_messages,
    size_unit_parameter,
    unit_problems,
)
from vpharness.events.many_files import PATHS_MEANING, Paths
from vpharness.events.size_units import size_digits
from vpharness.events.trade_files import (
    ONE_OR_SEVERAL,
    TradeColumns,
    csv_trades,
    digests_of,
    is_json,
    sorted_trades,
    trades_of,
)
from vpharness.parameters import parameter

READER_VERSION: Final = 1
"""Raised when the same files give other events than before."""

_BOOK, _TRADE = "orderbook", "publicTrade"
_RESTART: Final = 1
_NO_SNAPSHOT: Final = (
    "holds no snapshot of the book of {symbol}: expected messages of the topic orderbook.DEPTH.SYMBOL from its first "
    "one on, which is a snapshot, as the exchange's order book downloads have it"
)
_TRADES_EXPECTED: Final = (
    "messages publicTrade, one a line, or trades in CSV as downloaded: timestamp, symbol, side, size, price, …, or id, "
    "timestamp, price, volume, side"
)
_NONE: Final = msgspec.Raw(b"[]")


class _Message(msgspec.Struct, frozen=True):
    topic: str = ""
    type: str = ""
    ts: int = 0
    cts: int | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _Book(msgspec.Struct, frozen=True):
    u: int
    s: str
    b: msgspec.Raw = _NONE
    a: msgspec.Raw = _NONE


class _Trade(msgspec.Struct, frozen=True, rename={"time": "T", "side": "S"}):
    time: int
    side: str
    p: msgspec.Raw
    v: msgspec.Raw
    s: str


_MESSAGE: Final = msgspec.json.Decoder(_Message)
_BOOK_DATA: Final = msgspec.json.Decoder(_Book)
_TRADE_DATA: Final = msgspec.json.Decoder(list[_Trade])


@dataclass(frozen=True)
class BybitDepthSource:
    """Recorded or downloaded order book messages of Bybit, with trades in the same file or in one of their own."""

    default_evict_crossed_ms: ClassVar[int] = 0

    path: Paths = parameter(
        meaning=f"file of orderbook messages, one JSON object a line, plain or compressed, {PATHS_MEANING}"
    )
    tick_size: float = parameter(meaning="smallest price step", unit="price units", above=0)
    symbol: str | None = parameter(None, meaning="the product, where the file has several, such as BTCUSDT")
    trades_path: Paths | None = parameter(
        None,
        meaning=f"trades, if not among the messages: publicTrade messages, or CSV as downloaded; {ONE_OR_SEVERAL}",
    )
    size_unit: float = size_unit_parameter()

    def relations(self) -> Iterator[str]:
        """Yield an error for a unit of size that is no power of ten."""
        yield from unit_problems(self.size_unit)

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on."""
        return {
            "kind": "bybit_depth",
            "version": READER_VERSION,
            "tick_size": self.tick_size,
            "symbol": self.symbol,
            "size_unit": self.size_unit,
            "sha256": many_files.files_digest(self.files(), self._begun),
            "trades_sha256": digests_of(self.trades_path),
        }

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the file, or several as one book; trades of files of their own are read at once."""
        require_valid(self)
        digits = size_digits(self.size_unit) or 0
        paths = self.files()
        with ExitStack() as stack:
            books, reader = LevelBooks(len(paths)), _Reader(self)
            if self.trades_path is not None:
                books.trades = stack.enter_context(
                    sorted_trades(self.trades_path, lambda file: _trades_in(file, self.symbol, digits))
                )
            yield stack.enter_context(
                many_files.opened_in_order(paths, lambda path: self._opened(path, reader, books), begin_one=self._begun)
            )

    def files(self) -> list[str]:
        """Return the files that `path` names."""
        return many_files.files_of(self.path, SUFFIXES)

    def _begun(self, path: str) -> AbstractContextManager[EventStream]:
        """Open a file by itself, to see when it begins: its first message need not be a snapshot."""
        return self._opened(path, _Reader(self, last=0), LevelBooks())

    def _opened(self, path: str, reader: "_Reader", books: LevelBooks) -> AbstractContextManager[EventStream]:
        return opened_messages(path, self.size_unit, reader, books, _refused, _NO_SNAPSHOT)


def _refused(file: input_files.InputFile, line: RecordedLine, error: Exception) -> SourceError:
    return line_error(file, line.number, error)


@dataclass
class _Reader:
    """The state of the sequence. `last` is the update id that the book is at, None until there is a book."""

    source: BybitDepthSource
    collector: LevelCollector = field(init=False)
    stream: EventStream = field(init=False)
    last: int | None = None
    symbol: str | None = None
    topic: str | None = None
    has_trades: bool = False

    def take(self, line: RecordedLine) -> None:
        """Read one message. Raises MessageError, or msgspec's DecodeError, where it is not as documented."""
        message = _MESSAGE.decode(line.message)
        kind = message.topic.partition(".")[0]
        if kind == _BOOK:
            book = _BOOK_DATA.decode(message.data)
            if self._is_wanted(book.s, message.topic):
                self._levels(line.number, message, book)
        elif kind == _TRADE:
            if self.source.trades_path is not None:
                self.stream.counts["skipped_other_trade"] += 1  # the same trades again
                return
            self.has_trades = True
            wanted = self.source.symbol or self.symbol or line.symbol or message.topic.partition(".")[2]
            _add_trades(self.collector, line.number, _TRADE_DATA.decode(message.data), wanted)
        else:
            self.stream.counts["skipped_other_message"] += 1

    def finish(self) -> None:
        """Add the notes that can only be made at the end of the file."""
        if self.source.trades_path is None and not self.has_trades:
            self.stream.notes.append(WITHOUT_TRADES)

    def _is_wanted(self, symbol: str, topic: str) -> bool:
        wanted = self.source.symbol
        if wanted is None and self.symbol not in {None, symbol}:
            raise MessageError(f"is of {symbol} after messages of {self.symbol}; choose one with source.symbol")
        if wanted is not None and symbol.upper() != wanted.upper():
            self.stream.counts["skipped_other_instrument"] += 1
            return False
        if self.topic not in {None, topic}:
            self.stream.counts["skipped_other_depth"] += 1
            return False
        self.symbol, self.topic = symbol, topic
        return True

    def _levels(self, line: int, message: _Message, book: _Book) -> None:
        # The matching engine's time, which trades have as well, where it is there.
        ts_ns = event_ns(message.ts if message.cts is None else message.cts)
        bids, asks = rows_text(book.b), rows_text(book.a)
        if message.type == "snapshot" or book.u == _RESTART:
            self.collector.snapshot(ts_ns, [(line, bids, asks)])
        elif message.type != "delta":
            raise MessageError(f"has the type {message.type!r}; expected snapshot or delta")
        elif self.last is None:
            self.stream.counts["skipped_before_snapshot"] += 1
            return
        elif book.u <= self.last:
            self.stream.counts["skipped_older_than_book"] += 1
            return
        else:
            if book.u > self.last + 1:
                self.collector.gap(ts_ns)
            self.collector.changes(line, ts_ns, bids, asks)
        self.last = book.u


def _add_trades(collector: LevelCollector, line: int, trades: list[_Trade], symbol: str | None) -> None:
    for trade in trades:
        if symbol is not None and trade.s.upper() != symbol.upper():
            continue
        if trade.side not in {"Buy", "Sell"}:
            raise MessageError(f"has a trade of the side {trade.side!r}; expected Buy or Sell")
        # The side is the taker's: a buyer takes from resting asks.
        collector.trade(line, event_ns(trade.time), bytes(trade.p), bytes(trade.v), is_ask=trade.side == "Buy")


def _trades_in(file: input_files.InputFile, symbol: str | None, digits: int) -> Iterator[NDArray[np.void]]:
    """Return the trades of a file, blocks of TRADE_DTYPE, by what the file begins with."""
    if is_json(file.path):
        return _json_trades(file, symbol, digits)
    return csv_trades(file, _trade_columns, _TRADES_EXPECTED, symbol, digits)


def _json_trades(file: input_files.InputFile, symbol: str | None, digits: int) -> Iterator[NDArray[np.void]]:
    collector, found = LevelCollector(file.path, digits), False
    for line in recorded_lines(file):
        try:
            message = _MESSAGE.decode(line.message)
            if message.topic.partition(".")[0] == _TRADE:
                found = True
                _add_trades(collector, line.number, _TRADE_DATA.decode(message.data), symbol)
        except UNREADABLE as error:
            raise line_error(file, line.number, error) from error
        if collector.is_full:
            yield trades_of(collector.take())
    if not found:
        raise SourceError(f"{file.path}: holds no message publicTrade; expected {_TRADES_EXPECTED}")
    yield trades_of(collector.take())


def _trade_columns(fields: list[str]) -> TradeColumns | None:
    """Return the columns of trades as downloaded: derivatives have times in seconds, and spot in ms."""
    place = {name: fields.index(name) for name in fields}
    size = "size" if "symbol" in place else "volume"
    if not {"timestamp", "side", "price", size} <= set(place):
        return None
    return TradeColumns(
        price=place["price"],
        size=place[size],
        time=place["timestamp"],
        side=place["side"],
        time_digits=9 if "symbol" in place else None,
        words=(b"Buy", b"buy", b"Sell", b"sell"),
        on_ask=(True, True, False, False),
        symbol=place.get("symbol"),
    )
