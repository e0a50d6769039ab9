"""Recorded messages of Bitstamp's channel `live_orders`: orders by their ids, as they are created, changed and deleted.

The format is documented at https://www.bitstamp.net/websocket/v2/: messages {"event", "channel", "data"}, where data
holds an order's id, its side (order_type 0 is a bid, 1 an ask), its price, what is left of it (amount), and the time
in microseconds (microtimestamp).

    order_created    A
    order_changed    F then C of the difference where less is left at the same price; else M
    order_deleted    with nothing left: F then C of what was left before; else C: it was cancelled

A snapshot is a message of the channel `detail_order_book`, which shows the best hundred of each side, or the answer of
https://www.bitstamp.net/api/v2/order_book/PAIR/?group=2, which shows all, as a line of the file: bids and asks of
[price, amount, order id]. Messages carry no sequence numbers: those up to the snapshot's time are in it, and a gap is
seen only where the recorder subscribed anew. Some deletions are never sent; `lattice.evict_crossed_ms` removes orders
that cross the book for good.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import msgspec

from vpharness.events.json_lines import NO_DATA, MessageError, RecordedLine, price_of, size_of
from vpharness.events.mbo_event import ASK, BID
from vpharness.events.order_feed import OrderFeed, SnapshotOrder
from vpharness.events.recorded_source import RecordedSource
from vpharness.events.times import LATEST_NS

_US: Final = 1000
_SIDES: Final = (BID, ASK)
_LONGEST_TIME: Final = 17
HELD_MESSAGES: Final = 100_000
"""How many messages wait for a snapshot at most; the oldest are dropped."""

_ORDERS: Final = "live_orders_"
_SNAPSHOTS: Final = "detail_order_book_"
_EVENTS: Final = frozenset({"order_created", "order_changed", "order_deleted"})

_Entry = list[msgspec.Raw]


class _Message(msgspec.Struct, frozen=True):
    event: str | None = None
    channel: str | None = None
    data: msgspec.Raw = NO_DATA
    microtimestamp: str | None = None
    bids: list[_Entry] | None = None
    asks: list[_Entry] | None = None


class _Order(msgspec.Struct, frozen=True):
    id: int
    order_type: int
    microtimestamp: str
    price: msgspec.Raw
    amount: msgspec.Raw
    price_str: str | None = None
    amount_str: str | None = None


class _Snapshot(msgspec.Struct, frozen=True):
    microtimestamp: str
    bids: list[_Entry]
    asks: list[_Entry]


_DECODER: Final = msgspec.json.Decoder(_Message)
_ORDER_DECODER: Final = msgspec.json.Decoder(_Order)
_SNAPSHOT_DECODER: Final = msgspec.json.Decoder(_Snapshot)


@dataclass(frozen=True)
class BitstampLiveSource(RecordedSource):
    """Recorded messages of Bitstamp's channel `live_orders`, with order books by order among them."""

    default_evict_crossed_ms: ClassVar[int] = 1000
    kind: ClassVar[str] = "bitstamp_live"
    version: ClassVar[int] = 1
    snapshot_message: ClassVar[str] = "a message of the channel detail_order_book, or the order book with group=2"

    def reader(self, feed: OrderFeed, symbol: str, digits: int) -> "BitstampLiveReader":
        """Return a reader of one product's messages, sizes in units of 10**-digits."""
        return BitstampLiveReader(feed, symbol, digits)

    def symbol_of(self, line: RecordedLine) -> str | None:
        """Return the product that a message is about; None where it names none."""
        return line.symbol or _symbol_in(_DECODER.decode(line.message).channel)


class _Update(NamedTuple):
    event: str
    key: int
    side: int
    price: int
    size: int
    ts_ns: int


class BitstampLiveReader:
    """The reader of one product's messages; `snapshot_ns` is the time up to which the snapshot holds them."""

    def __init__(self, feed: OrderFeed, symbol: str, digits: int) -> None:
        """Start before the first message."""
        self.feed, self.symbol, self.digits = feed, symbol, digits
        self.snapshot_ns = 0
        self.held: deque[_Update] = deque(maxlen=HELD_MESSAGES)

    def take(self, line: RecordedLine) -> None:
        """Read one message."""
        message = _DECODER.decode(line.message)
        channel = message.channel or ""
        if message.event == "bts:error":
            said = bytes(message.data).decode("utf-8", "replace")
            raise MessageError(f"is an error of the exchange: {said[:200]}")
        if (line.symbol or _symbol_in(channel) or self.symbol) != self.symbol:
            self.feed.counts["skipped_other_product"] += 1
        elif message.bids is not None and message.asks is not None and message.microtimestamp is not None:
            self._take_snapshot(_Snapshot(message.microtimestamp, message.bids, message.asks))
        elif message.event in _EVENTS and channel.startswith(_ORDERS):
            self._take_update(self._update(str(message.event), _ORDER_DECODER.decode(message.data)))
        elif message.event == "data" and channel.startswith(_SNAPSHOTS):
            self._take_snapshot(_SNAPSHOT_DECODER.decode(message.data))
        elif message.event is None:
            raise MessageError("has no event, and is no order book; expected a message of the channel live_orders")
        else:
            if message.event == "bts:subscription_succeeded" and channel.startswith(_ORDERS):
                self._subscribed()
            self.feed.counts["skipped_other_message"] += 1

    def finish(self) -> None:
        """Count the messages that no snapshot came for."""
        self.feed.counts["skipped_without_snapshot"] += len(self.held)
        self.held.clear()

    def _subscribed(self) -> None:
        """Mark the time since the last message as a gap, where there was one."""
        if self.feed.latest_ns:
            self.feed.gap(self.feed.latest_ns, "gap_in_connection")

    def _update(self, event: str, order: _Order) -> _Update:
        if order.order_type not in {0, 1}:
            raise MessageError(f"order_type is {order.order_type}; expected 0 or 1")
        return _Update(
            event,
            order.id,
            _SIDES[order.order_type],
            price_of(order.price_str or _number(order.price), "price"),
            size_of(order.amount_str or _number(order.amount), self.digits, "amount"),
            _time_ns(order.microtimestamp),
        )

    def _take_update(self, update: _Update) -> None:
        feed = self.feed
        if not feed.latest_ns:
            feed.begin(update.ts_ns)
        if not feed.known:
            if len(self.held) == HELD_MESSAGES:
                feed.counts["skipped_without_snapshot"] += 1
            self.held.append(update)
        elif update.ts_ns <= self.snapshot_ns:
            feed.counts["skipped_before_snapshot"] += 1
        else:
            feed.latest_ns = max(feed.latest_ns, update.ts_ns)
            self._apply(update)

    def _take_snapshot(self, snapshot: _Snapshot) -> None:
        feed, ts_ns = self.feed, _time_ns(snapshot.microtimestamp)
        orders = list(self._snapshot_orders(snapshot))
        if feed.known:
            feed.counts["skipped_snapshot_of_known_book"] += 1
            return
        feed.latest_ns = max(feed.latest_ns, ts_ns)
        feed.restate(ts_ns, orders)
        self.snapshot_ns = ts_ns
        held = list(self.held)
        self.held.clear()
        for update in held:
            self._take_update(update)

    def _snapshot_orders(self, snapshot: _Snapshot) -> Iterator[SnapshotOrder]:
        for side, entries in ((BID, snapshot.bids), (ASK, snapshot.asks)):
            for entry in entries:
                if len(entry) != 3:
                    raise MessageError(
                        f"is an order book with {len(entry)} values an entry; expected [price, amount, order id], "
                        "which the channel detail_order_book and group=2 give"
                    )
                price, amount, key = map(_number, entry)
                if not key.isdecimal() or not key.isascii() or len(key) > 20:
                    raise MessageError(f"order id is {key[:40]!r}; expected a whole number")
                yield SnapshotOrder(int(key), side, price_of(price, "price"), size_of(amount, self.digits, "amount"))

    def _apply(self, update: _Update) -> None:
        """Make events of a message."""
        feed, key, ts_ns = self.feed, update.key, update.ts_ns
        order = feed.orders.get(key)
        if order is None:
            if update.event == "order_created":
                feed.add(key, update.side, update.price, update.size, ts_ns)
            else:
                feed.counts[f"skipped_{update.event}_of_unknown_order"] += 1
        elif update.event == "order_deleted":
            if update.size == 0:
                feed.execute(key, order, order.size, ts_ns)
            else:
                feed.cancel(key, order, ts_ns)
        elif update.price == order.price and update.size < order.size:
            feed.execute(key, order, order.size - update.size, ts_ns)
        else:
            feed.modify(key, order, update.price, update.size, ts_ns)


def _symbol_in(channel: str | None) -> str | None:
    """Return the product in the name of a channel of orders, order books or trades."""
    for begin in (_ORDERS, _SNAPSHOTS, "diff_order_book_", "order_book_", "live_trades_"):
        if channel is not None and channel.startswith(begin):
            return channel.removeprefix(begin)
    return None


def _number(raw: msgspec.Raw) -> str:
    """Return a JSON number as its text, whether in quotes or not."""
    return bytes(raw).decode("ascii", "replace").strip('"')


def _time_ns(text: str) -> int:
    if text.isdecimal() and text.isascii() and len(text) <= _LONGEST_TIME and int(text) * _US <= LATEST_NS:
        return int(text) * _US
    raise MessageError(f"microtimestamp is {text[:40]!r}; expected microseconds since 1970")
