"""Recorded messages of Kraken's channel `level3` (websocket version 2): orders by their ids, to a depth of levels.

The format is documented at https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/level3: a snapshot of the
book, then updates of events add, modify and delete, with a checksum of the book after each message. There are no
sequence numbers; a checksum that differs from the book's says that something was lost, which is counted as a gap.

The channel shows the levels down to the depth subscribed to. Those that fall behind it are no longer reported: they
are dropped silently, and orders that come into view (an add older than the message before, behind all levels shown)
enter silently too: neither is flow.

The channel does not say why an order has declined. Where the channel `trade` is recorded in the same file, trades at
the order's price explain it (see `trade_fills`); where it is not, every decline counts as a pull.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import msgspec

from vpharness.events.json_lines import NO_DATA, MessageError, RecordedLine, price_of, size_of, time_ns
from vpharness.events.kraken_book import KrakenBook, checksum_text, rank_of
from vpharness.events.mbo_event import ASK, BID, FLAG_LAST, FLAG_SNAPSHOT
from vpharness.events.order_feed import LiveOrder, OrderFeed, SnapshotOrder
from vpharness.events.recorded_source import RecordedSource
from vpharness.events.trade_fills import WITHOUT_TRADES, TradeFills

_DEPTHS: Final = (10, 100, 1000)
_EVENTS: Final = frozenset({"add", "modify", "delete"})
_RESTING_SIDE: Final = {"buy": ASK, "sell": BID}
_SILENT: Final = FLAG_SNAPSHOT | FLAG_LAST


class _Order(msgspec.Struct, frozen=True):
    order_id: str
    limit_price: msgspec.Raw
    order_qty: msgspec.Raw
    timestamp: str
    event: str | None = None


class _Book(msgspec.Struct, frozen=True):
    symbol: str
    bids: list[_Order] = msgspec.field(default_factory=list)
    asks: list[_Order] = msgspec.field(default_factory=list)
    checksum: int | None = None


class _Trade(msgspec.Struct, frozen=True):
    symbol: str
    side: str
    price: msgspec.Raw
    qty: msgspec.Raw
    timestamp: str


class _Subscribed(msgspec.Struct, frozen=True):
    channel: str | None = None
    symbol: str | None = None
    depth: int | None = None


class _Message(msgspec.Struct, frozen=True):
    channel: str | None = None
    type: str | None = None
    data: msgspec.Raw = NO_DATA
    method: str | None = None
    success: bool | None = None
    error: str | None = None
    result: _Subscribed | None = None


class _Named(msgspec.Struct, frozen=True):
    symbol: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Message)
_BOOKS: Final = msgspec.json.Decoder(list[_Book])
_TRADES: Final = msgspec.json.Decoder(list[_Trade])
_NAMED: Final = msgspec.json.Decoder(list[_Named])


@dataclass(frozen=True)
class KrakenSource(RecordedSource):
    """Recorded messages of Kraken's channel `level3`, and of its channel `trade` where fills are to be known."""

    kind: ClassVar[str] = "kraken"
    version: ClassVar[int] = 1
    snapshot_message: ClassVar[str] = "the first message of the channel level3 after subscribing"

    def reader(self, feed: OrderFeed, symbol: str, digits: int) -> "KrakenReader":
        """Return a reader of one product's messages, sizes in units of 10**-digits."""
        return KrakenReader(feed, symbol, digits)

    def symbol_of(self, line: RecordedLine) -> str | None:
        """Return the product that a message is about; None where it names none."""
        message = _DECODER.decode(line.message)
        if message.channel not in {"level3", "trade"} or message.data is NO_DATA:
            return None
        named = _NAMED.decode(message.data)
        return named[0].symbol if named else None


class _Event(NamedTuple):
    """An event of an order with its numbers exact; `text` is what the checksum reads of it."""

    name: str
    key: str
    side: int
    price: int
    size: int
    ts_ns: int
    text: str


class _Update(NamedTuple):
    events: list[_Event]
    checksum: int | None
    latest_ns: int


class KrakenReader:
    """The reader of one product's messages, which keeps the book as Kraken's clients do."""

    def __init__(self, feed: OrderFeed, symbol: str, digits: int) -> None:
        """Start before the first message."""
        self.feed, self.symbol, self.digits = feed, symbol, digits
        self.book = KrakenBook()
        self.depth = 0
        self.verifies = False
        self.fills: TradeFills[_Update] = TradeFills()

    def take(self, line: RecordedLine) -> None:
        """Read one message."""
        message = _DECODER.decode(line.message)
        counts = self.feed.counts
        if message.method is not None:
            self._take_answer(message)
        elif message.channel == "level3" and message.data is not NO_DATA:
            for book in _BOOKS.decode(message.data):
                if book.symbol != self.symbol:
                    counts["skipped_other_product"] += 1
                elif message.type == "snapshot":
                    self._take_snapshot(book, line)
                elif message.type == "update":
                    self._take_update(book)
                else:
                    raise MessageError(f"type is {message.type!r}; expected snapshot or update")
        elif message.channel == "trade" and message.data is not NO_DATA:
            self._take_trades(_TRADES.decode(message.data), is_update=message.type == "update")
        elif message.channel is None:
            raise MessageError("has neither channel nor method; expected a message of websocket version 2")
        else:
            counts["skipped_other_message"] += 1

    def finish(self) -> None:
        """Read the messages that waited for trades."""
        self._read_due(everything=True)
        if not self.fills.seen:
            self.feed.notes.append(WITHOUT_TRADES.format(channel="trade"))

    def _take_answer(self, message: _Message) -> None:
        if message.success is False:
            raise MessageError(f"is an error of the exchange: {str(message.error)[:200]!r}")
        result = message.result
        if result is not None and result.channel == "level3" and result.symbol in {None, self.symbol}:
            self.depth = result.depth or 0
        self.feed.counts["skipped_other_message"] += 1

    def _take_trades(self, trades: list[_Trade], *, is_update: bool) -> None:
        """Take in trades; those of the snapshot that the channel begins with lie before the recording."""
        for trade in trades:
            if trade.symbol != self.symbol:
                self.feed.counts["skipped_other_product"] += 1
                continue
            if trade.side not in _RESTING_SIDE:
                raise MessageError(f"side is {trade.side!r}; expected buy or sell")
            price = price_of(_number(trade.price), "price")
            size = size_of(_number(trade.qty), self.digits, "size (qty)")
            ts_ns = time_ns(trade.timestamp, "timestamp")
            self.fills.seen = True
            if is_update:
                self.fills.trade(_RESTING_SIDE[trade.side], price, size, ts_ns)
        self._read_due()
        self.fills.forget_old()

    def _events(self, book: _Book, *, are_new: bool) -> Iterator[_Event]:
        for side, orders in ((BID, book.bids), (ASK, book.asks)):
            for order in orders:
                name = order.event if are_new else "add"
                if name not in _EVENTS:
                    raise MessageError(f"event is {name!r}; expected add, modify or delete")
                price, size = _number(order.limit_price), _number(order.order_qty)
                yield _Event(
                    str(name),
                    order.order_id,
                    side,
                    price_of(price, "limit_price"),
                    size_of(size, self.digits, "size (order_qty)"),
                    time_ns(order.timestamp, "timestamp"),
                    checksum_text(price, size),
                )

    def _take_snapshot(self, book: _Book, line: RecordedLine) -> None:
        events = list(self._events(book, are_new=False))
        latest = max((event.ts_ns for event in events), default=line.received_ns)
        if latest is None:
            raise MessageError("is a snapshot without orders or time; expected an envelope with received_ns")
        feed = self.feed
        self._read_due(everything=True)
        if feed.known and feed.latest_ns:
            feed.gap(feed.latest_ns, "gap_in_connection")
        feed.latest_ns = max(feed.latest_ns, latest)
        feed.restate(feed.latest_ns, [SnapshotOrder(e.key, e.side, e.price, e.size) for e in events])
        self.book = KrakenBook()
        for event in events:
            order = feed.orders.get(event.key)
            if order is not None and (order.side, order.price) == (event.side, event.price):
                self.book.sides[event.side].put(rank_of(event.side, event.price), event.key, event.text)
        levels = max(len(side.ranks) for side in self.book.sides.values())
        self.book.depth = self.depth or next((depth for depth in _DEPTHS if levels <= depth), levels)
        self.verifies = book.checksum == self.book.checksum()
        if not self.verifies:
            feed.counts["snapshots_without_right_checksum"] += 1

    def _take_update(self, book: _Book) -> None:
        events = list(self._events(book, are_new=True))
        if not events:
            return
        latest = max(event.ts_ns for event in events)
        feed = self.feed
        if not feed.latest_ns:
            feed.begin(latest)
        self.fills.wait(latest, _Update(events, book.checksum, latest))
        self._read_due()

    def _read_due(self, *, everything: bool = False) -> None:
        for update in self.fills.due(everything=everything):
            self._apply(update)

    def _apply(self, update: _Update) -> None:
        feed = self.feed
        if not feed.known:
            feed.counts["skipped_without_snapshot"] += len(update.events)
            return
        before_ns = feed.latest_ns
        # Bids and asks come in lists of their own; their events are read in the order of time.
        for event in sorted(update.events, key=lambda event: max(event.ts_ns, before_ns)):
            self._apply_event(event, max(event.ts_ns, before_ns), is_old=event.ts_ns < before_ns)
        feed.latest_ns = max(before_ns, update.latest_ns)
        self._cut()
        if self.verifies and update.checksum is not None and update.checksum != self.book.checksum():
            feed.gap(feed.latest_ns, "gap_by_checksum")
            self.book, self.verifies = KrakenBook(), False

    def _apply_event(self, event: _Event, ts_ns: int, *, is_old: bool) -> None:
        feed, side = self.feed, self.book.sides[event.side]
        rank = rank_of(event.side, event.price)
        order = feed.orders.get(event.key)
        if order is None and event.name != "add":
            feed.counts[f"skipped_{event.name}_of_unknown_order"] += 1
            return
        if order is None:
            comes_into_view = is_old and self.book.depth > 0 and (not side.ranks or rank >= side.ranks[-1])
            feed.counts["orders_come_into_view"] += comes_into_view
            feed.add(event.key, event.side, event.price, event.size, ts_ns, _SILENT if comes_into_view else FLAG_LAST)
        elif event.name == "delete":
            self._take_from_side(event.key, order)
            self._decline(event.key, order, order.size, ts_ns)
            return
        elif event.side != order.side:
            feed.counts["orders_of_another_side"] += 1
            self._take_from_side(event.key, order)
            feed.cancel(event.key, order, ts_ns)
            feed.add(event.key, event.side, event.price, event.size, ts_ns)
        elif event.price == order.price and event.size < order.size:
            self._decline(event.key, order, order.size - event.size, ts_ns)
        elif event.price != order.price or event.size != order.size:
            if event.price != order.price:
                self._take_from_side(event.key, order)
            feed.modify(event.key, order, event.price, event.size, ts_ns)
        if event.key in feed.orders:
            side.put(rank, event.key, event.text)
        elif order is not None:
            self._take_from_side(event.key, order)

    def _take_from_side(self, key: str, order: LiveOrder) -> None:
        side, rank = self.book.sides[order.side], rank_of(order.side, order.price)
        if rank in side.levels and key in side.levels[rank].orders:
            side.take(rank, key)

    def _decline(self, key: str, order: LiveOrder, size: int, ts_ns: int) -> None:
        """Take a quantity out of an order: executed as far as trades explain it, and pulled for the rest."""
        executed = self.fills.executed(order.side, order.price, size, ts_ns)
        if executed:
            self.feed.execute(key, order, executed, ts_ns)
        if size > executed:
            self.feed.reduce(key, order, size - executed, ts_ns)

    def _cut(self) -> None:
        """Drop what lies behind the depth that is shown: nothing will be said of it any more."""
        if not self.book.depth:
            return
        feed = self.feed
        for side in self.book.sides.values():
            if len(side.ranks) <= self.book.depth:
                continue
            for key in side.beyond(self.book.depth):
                order = feed.orders[key]
                self._take_from_side(key, order)
                feed.counts["orders_out_of_view"] += 1
                feed.cancel(key, order, feed.latest_ns, _SILENT)


def _number(raw: msgspec.Raw) -> str:
    """Return a JSON number as its text, whether in quotes or not."""
    return bytes(raw).decode("ascii", "replace").strip('"')
