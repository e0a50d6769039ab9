"""Recorded messages of Coinbase Exchange's channel `full`: every order of a product, by its id.

The format is documented at https://docs.cdp.coinbase.com/exchange/websocket-feed/channels (channel `full`), and the
snapshot at https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductbook (`level=3`).

    received    an order was accepted; it does not rest yet                       no event
    open        the rest of it stands in the book                                 A
    match       a resting order (the maker) was executed, at its own price        F, then C of the same quantity
    change      a resting order was made smaller, or moved (`modify_order`)       M
    done        an order is over; if it still rests, it was cancelled             C of what is left, or no event
    activate    a stop order waits, outside the book                              no event

A snapshot is the answer of the level 3 endpoint as a line of the file: bids and asks of [price, size, order id], with
the sequence number of the last message that is in it. Messages carry sequence numbers too, one after another for each
product, so that every gap is seen. While the book is not known, messages are held back, and those after the snapshot's
number are read once it is there; what they say before it is counted, and is no flow.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import msgspec

from vpharness.events.json_lines import MessageError, RecordedLine, price_of, size_of, time_ns
from vpharness.events.mbo_event import ASK, BID
from vpharness.events.order_feed import OrderFeed, SnapshotOrder
from vpharness.events.recorded_source import RecordedSource, require_text

_SIDES: Final = {"buy": BID, "sell": ASK}
HELD_MESSAGES: Final = 100_000
"""How many messages wait for a snapshot at most: the oldest are dropped, and a snapshot older than that has a gap."""

_WITHOUT_EVENT: Final = frozenset({"received", "activate"})
_READ: Final = frozenset({"open", "match", "change", "done"}) | _WITHOUT_EVENT
UNCHANGED: Final = -(1 << 63)
"""Stands for the price or the size that a change leaves as it is."""


class _Message(msgspec.Struct, frozen=True):
    """Every field that is read of any message; those that a message lacks are None."""

    type: str | None = None
    product_id: str | None = None
    sequence: int | None = None
    time: str | None = None
    order_id: str | None = None
    maker_order_id: str | None = None
    side: str | None = None
    price: str | None = None
    size: str | None = None
    remaining_size: str | None = None
    new_size: str | None = None
    new_price: str | None = None
    message: str | None = None
    reason: str | None = None
    bids: list[tuple[str, str, str]] | None = None
    asks: list[tuple[str, str, str]] | None = None


_DECODER: Final = msgspec.json.Decoder(_Message)


@dataclass(frozen=True)
class CoinbaseSource(RecordedSource):
    """Recorded messages of Coinbase Exchange's channel `full`, with level 3 snapshots among them."""

    kind: ClassVar[str] = "coinbase"
    version: ClassVar[int] = 1
    snapshot_message: ClassVar[str] = "the answer of GET /products/ID/book?level=3 as a line"

    def reader(self, feed: OrderFeed, symbol: str, digits: int) -> "CoinbaseReader":
        """Return a reader of one product's messages, sizes in units of 10**-digits."""
        return CoinbaseReader(feed, symbol, digits)

    def symbol_of(self, line: RecordedLine) -> str | None:
        """Return the product that a message is about; None where it names none."""
        return line.symbol or _DECODER.decode(line.message).product_id


class _Update(NamedTuple):
    """A message with its numbers exact: size is what is left (open), executed (match), or the new size (change)."""

    type: str
    sequence: int
    ts_ns: int
    key: str
    side: int
    price: int = UNCHANGED
    size: int = UNCHANGED


class CoinbaseReader:
    """The reader of one product's messages; `sequence` is the number of the last one that counts."""

    def __init__(self, feed: OrderFeed, symbol: str, digits: int) -> None:
        """Start before the first message."""
        self.feed, self.symbol, self.digits = feed, symbol, digits
        self.sequence: int | None = None
        self.held: deque[_Update] = deque(maxlen=HELD_MESSAGES)

    def take(self, line: RecordedLine) -> None:
        """Read one message of the channel, or a snapshot."""
        message = _DECODER.decode(line.message)
        if (line.symbol or message.product_id or self.symbol) != self.symbol:
            self.feed.counts["skipped_other_product"] += 1
        elif message.bids is not None and message.asks is not None:
            self._take_snapshot(message, line)
        elif message.type in _READ:
            self._take_update(self._update(message))
        elif message.type == "error":
            said = message.message or message.reason or "nothing more"
            raise MessageError(f"is an error of the exchange: {said[:200]!r}; the messages asked for do not follow it")
        elif message.type is None:
            raise MessageError("has no type, and no bids and asks; expected a message of the channel full")
        else:
            self.feed.counts["skipped_other_message"] += 1

    def finish(self) -> None:
        """Count the messages that no snapshot came for."""
        self._skip_held()

    def _update(self, message: _Message) -> _Update:
        kind = str(message.type)
        if message.sequence is None:
            raise MessageError(f"has no sequence; expected one in a message of type {kind}")
        ts_ns = time_ns(require_text(message.time, "time"), "time")
        if kind in _WITHOUT_EVENT:
            return _Update(kind, message.sequence, ts_ns, "", 0)
        if message.side not in _SIDES:
            raise MessageError(f"side is {message.side!r}; expected buy or sell")
        side = _SIDES[message.side]
        if kind == "match":
            key, size = require_text(message.maker_order_id, "maker_order_id"), require_text(message.size, "size")
            return _Update(kind, message.sequence, ts_ns, key, side, size=size_of(size, self.digits, "size"))
        key = require_text(message.order_id, "order_id")
        if kind == "done":
            return _Update(kind, message.sequence, ts_ns, key, side)
        new_size, new_price = message.new_size, message.new_price or message.price
        if kind == "open":
            new_size, new_price = (
                require_text(message.remaining_size, "remaining_size"),
                require_text(message.price, "price"),
            )
        return _Update(
            kind,
            message.sequence,
            ts_ns,
            key,
            side,
            UNCHANGED if new_price is None else price_of(new_price, "price"),
            UNCHANGED if new_size is None else size_of(new_size, self.digits, "size"),
        )

    def _take_update(self, update: _Update) -> None:
        feed = self.feed
        if not feed.latest_ns:
            feed.begin(update.ts_ns)
        if not feed.known:
            if len(self.held) == HELD_MESSAGES:
                feed.counts["skipped_without_snapshot"] += 1
            self.held.append(update)
            return
        if self.sequence is not None and update.sequence <= self.sequence:
            feed.counts["skipped_old_sequence"] += 1
            return
        is_gap = self.sequence is not None and update.sequence != self.sequence + 1
        self.sequence = update.sequence
        if is_gap:
            feed.gap(feed.latest_ns, "gap_in_sequence")  # from the last message that can be trusted on
        feed.latest_ns = update.ts_ns
        if not feed.known:
            self.held.append(update)
            return
        self._apply(update)

    def _take_snapshot(self, message: _Message, line: RecordedLine) -> None:
        feed = self.feed
        if message.sequence is None:
            raise MessageError("is a snapshot without sequence; expected the whole answer of the level 3 endpoint")
        orders = list(self._snapshot_orders(message))
        ts_ns = line.received_ns if message.time is None else time_ns(message.time, "time")
        if ts_ns is None:
            raise MessageError("is a snapshot without time; expected its field time, or an envelope with received_ns")
        if feed.known and self.sequence is not None:
            feed.counts["skipped_snapshot_of_known_book"] += 1
            return
        # It was received after messages that come after it at the exchange.
        behind = (update.ts_ns for update in self.held if update.sequence > message.sequence)
        ts_ns = min(ts_ns, next(behind, ts_ns))
        feed.latest_ns = max(feed.latest_ns, ts_ns)
        feed.restate(ts_ns, orders)
        self.sequence = message.sequence
        held = list(self.held)
        self.held.clear()
        for update in held:
            self._take_update(update)

    def _snapshot_orders(self, message: _Message) -> Iterator[SnapshotOrder]:
        for side, orders in ((BID, message.bids or ()), (ASK, message.asks or ())):
            for price, size, key in orders:
                yield SnapshotOrder(key, side, price_of(price, "price"), size_of(size, self.digits, "size"))

    def _apply(self, update: _Update) -> None:
        """Make events of a message whose turn it is."""
        feed, kind, key, ts_ns = self.feed, update.type, update.key, update.ts_ns
        if kind == "open":
            feed.add(key, update.side, update.price, update.size, ts_ns)
            return
        if kind in _WITHOUT_EVENT:
            feed.counts[f"skipped_{kind}"] += 1
            return
        order = feed.orders.get(key)
        if order is None:
            # Orders that never rested are done too, and may change before they rest.
            feed.counts[f"skipped_{kind}_of_order_not_in_book"] += 1
        elif kind == "done":
            feed.cancel(key, order, ts_ns)
        elif kind == "change":
            price = order.price if update.price == UNCHANGED else update.price
            feed.modify(key, order, price, order.size if update.size == UNCHANGED else update.size, ts_ns)
        else:
            feed.execute(key, order, update.size, ts_ns)

    def _skip_held(self) -> None:
        self.feed.counts["skipped_without_snapshot"] += len(self.held)
        self.held.clear()
