"""Recorded messages of Bitfinex's raw books (websocket version 2, precision R0): orders by their ids.

The format is documented at https://docs.bitfinex.com/reference/ws-public-raw-books and
https://docs.bitfinex.com/docs/ws-general: a line `{"event": "subscribed", "channel": "book", "prec": "R0", …}` says
which channel is which product's; then come `[channel, [[order id, price, amount], …]]`, the snapshot, and
`[channel, [order id, price, amount]]`: an order as it is now, price 0 for one that is gone. An amount above 0 is a bid,
one below 0 an ask. `[channel, "hb"]` is a heartbeat.

Behind the content stand what flags of the message `conf` ask for: the connection's sequence number (SEQ_ALL, 65536),
by which gaps are seen, and the exchange's time in ms (TIMESTAMP, 32768). Without the latter the time of an event is
that of the line's envelope.

A book shows at most as many orders of a side as `len` says. An order that leaves because a better one came, and one
that comes into view (an id below those seen, behind all others) are no flow. An order that leaves view before the
better one is written looks like one that was cancelled. Why an order declined is not said: trades of a channel
`trades` in the same file explain it (see `trade_fills`), and every other decline counts as a pull.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from vpharness.events.json_lines import MessageError, RecordedLine, in_units, price_of
from vpharness.events.mbo_event import ASK, BID, FLAG_LAST, FLAG_SNAPSHOT
from vpharness.events.order_feed import LiveOrder, OrderFeed, SnapshotOrder
from vpharness.events.recorded_source import RecordedSource
from vpharness.events.times import LATEST_NS
from vpharness.events.trade_fills import WITHOUT_TRADES, TradeFills

_MS: Final = 1_000_000
_FIRST_TIME_MS: Final = 1_000_000_000_000
"""A number behind a message's content is a time in ms from here on (2001), and a sequence number below."""

_DECODER: Final = msgspec.json.Decoder(float_hook=str)
_SILENT: Final = FLAG_SNAPSHOT | FLAG_LAST
_WITHOUT_CONTENT: Final = frozenset({"hb", "cs"})


@dataclass(frozen=True)
class BitfinexSource(RecordedSource):
    """Recorded messages of a Bitfinex raw book, and of the channel `trades` where fills are to be known."""

    kind: ClassVar[str] = "bitfinex"
    version: ClassVar[int] = 1
    snapshot_message: ClassVar[str] = "the first message of the channel book after subscribing"

    def reader(self, feed: OrderFeed, symbol: str, digits: int) -> "BitfinexReader":
        """Return a reader of one product's messages, sizes in units of 10**-digits."""
        return BitfinexReader(feed, symbol, digits)

    def symbol_of(self, line: RecordedLine) -> str | None:
        """Return the product that a subscription to a raw book names; None for any other message."""
        message = _DECODER.decode(line.message)
        is_book = isinstance(message, dict) and message.get("event") == "subscribed" and message.get("prec") == "R0"
        found = message.get("symbol") if is_book else line.symbol
        return found if isinstance(found, str) else None

    def names_of(self, symbol: str) -> list[str]:
        """Return a product's symbol, such as tBTCUSD, and its pair, BTCUSD: either chooses it."""
        return list(dict.fromkeys((symbol, symbol.removeprefix("t"))))


class _Update(NamedTuple):
    key: int
    side: int
    price: int
    size: int
    ts_ns: int


class BitfinexReader:
    """The reader of one product's messages: which channels are its own, and the connection's last sequence number."""

    def __init__(self, feed: OrderFeed, symbol: str, digits: int) -> None:
        """Start before the first message."""
        self.feed, self.symbol, self.digits = feed, symbol, digits
        self.channels: dict[int, str] = {}
        self.has_subscriptions = False
        self.sequence: int | None = None
        self.depth = 0
        self.highest_key = 0
        self.shown = {BID: 0, ASK: 0}
        self.fills: TradeFills[_Update] = TradeFills()

    def take(self, line: RecordedLine) -> None:
        """Read one message."""
        message = _DECODER.decode(line.message)
        if isinstance(message, dict):
            self._take_event(message)
        elif isinstance(message, list) and len(message) >= 2 and _is_whole(message[0]):
            self._take_data(message, line)
        else:
            raise MessageError("is neither an event nor an array that begins with a channel's id")

    def finish(self) -> None:
        """Read the messages that waited for trades."""
        self._read_due(everything=True)
        if not self.fills.seen:
            self.feed.notes.append(WITHOUT_TRADES.format(channel="trades"))

    def _take_event(self, message: dict[str, Any]) -> None:
        """Read what is said about the connection: a new one has other channels, and counts from the beginning."""
        kind, channel = message.get("event"), message.get("chanId")
        if kind == "error":
            raise MessageError(f"is an error of the exchange: {str(message.get('msg'))[:200]!r}")
        self.feed.counts["skipped_other_message"] += 1
        if kind == "info" and "version" in message:
            self._reconnected()
            self.channels, self.sequence = {}, None
        elif kind == "subscribed" and isinstance(channel, int):
            self.has_subscriptions = True
            is_ours = self.symbol in {message.get("symbol"), message.get("pair")}
            name = str(message.get("channel"))
            if name == "book" and message.get("prec") != "R0":
                name = "book by price"
            self.channels[channel] = name if is_ours else "another product's"
            if is_ours and name == "book":
                self._reconnected()
                length = str(message.get("len") or "")
                self.depth = int(length) if length.isdecimal() and len(length) < 6 else 0
            self.fills.seen |= is_ours and name == "trades"

    def _reconnected(self) -> None:
        self._read_due(everything=True)
        if self.feed.known and self.feed.latest_ns:
            self.feed.gap(self.feed.latest_ns, "gap_in_connection")
            self.shown = {BID: 0, ASK: 0}

    def _take_data(self, message: list[Any], line: RecordedLine) -> None:
        channel, content, behind = message[0], message[1], message[2:]
        if isinstance(content, str) and content != "hb":
            behind = message[3:]
        sequence, ts_ns = self._behind(behind, line)
        if sequence is not None:
            is_gap = self.sequence is not None and sequence != self.sequence + 1
            self.sequence = sequence
            if is_gap:
                self._read_due(everything=True)
                self.feed.gap(self.feed.latest_ns, "gap_in_sequence")
                self.shown = {BID: 0, ASK: 0}
        if not self.has_subscriptions and not self.channels and isinstance(content, list):
            self.channels[channel] = "book"
        name = self.channels.get(channel, "unknown")
        if isinstance(content, str) and content in _WITHOUT_CONTENT:
            self.feed.counts["skipped_other_message"] += 1
        elif name == "trades" and content == "te":
            self._take_trade(message[2] if len(message) > 2 else None)
        elif name == "book" and not isinstance(content, list | str):
            raise MessageError(f"holds {str(content)[:80]}; expected an order, a list of orders, or a word such as hb")
        elif name == "book" and isinstance(content, list):
            if ts_ns is None:
                raise MessageError(
                    "has no time; expected lines in an envelope with received_ns, or a recording with flag 32768"
                )
            if not content or isinstance(content[0], list):
                self._take_snapshot(content, ts_ns)
            else:
                self._take_update(self._update(content, ts_ns))
        else:
            self.feed.counts["skipped_other_product" if name == "another product's" else "skipped_other_message"] += 1

    def _behind(self, behind: list[Any], line: RecordedLine) -> tuple[int | None, int | None]:
        """Return the sequence number and the time, in ns, that stand behind a message's content."""
        sequence, ts_ns = None, line.received_ns
        for number in behind[:2]:
            if not _is_whole(number):
                break
            if number < _FIRST_TIME_MS:
                sequence = number
            elif number * _MS <= LATEST_NS:
                ts_ns = number * _MS
        return sequence, ts_ns

    def _take_trade(self, trade: Any) -> None:
        if not isinstance(trade, list) or len(trade) < 4 or not _is_whole(trade[1]):
            raise MessageError("is no trade; expected [id, time in ms, amount, price]")
        amount = in_units(_number(trade[2], "amount"), self.digits, "amount")
        price = price_of(_number(trade[3], "price"), "price")
        self.fills.trade(ASK if amount > 0 else BID, price, abs(amount), trade[1] * _MS)
        self._read_due()
        self.fills.forget_old()

    def _update(self, order: Any, ts_ns: int) -> _Update:
        if not isinstance(order, list) or len(order) != 3 or not _is_whole(order[0]):
            raise MessageError(f"holds the order {str(order)[:80]}; expected [order id, price, amount]")
        price = price_of(_number(order[1], "price"), "price")
        amount = in_units(_number(order[2], "amount"), self.digits, "amount")
        return _Update(order[0], BID if amount > 0 else ASK, price, abs(amount), ts_ns)

    def _take_snapshot(self, content: list[Any], ts_ns: int) -> None:
        orders = [self._update(order, ts_ns) for order in content]
        self._reconnected()
        feed = self.feed
        feed.latest_ns = max(feed.latest_ns, ts_ns)
        feed.restate(ts_ns, [SnapshotOrder(order.key, order.side, order.price, order.size) for order in orders])
        self.highest_key = max([self.highest_key, *(order.key for order in orders)])
        self.shown = {side: sum(order.side == side for order in feed.orders.values()) for side in (BID, ASK)}

    def _take_update(self, update: _Update) -> None:
        if not self.feed.latest_ns:
            self.feed.begin(update.ts_ns)
        self.fills.wait(update.ts_ns, update)
        self._read_due()

    def _read_due(self, *, everything: bool = False) -> None:
        for update in self.fills.due(everything=everything):
            self._apply(update)

    def _apply(self, update: _Update) -> None:
        feed = self.feed
        if not feed.known:
            feed.counts["skipped_without_snapshot"] += 1
            return
        feed.latest_ns = max(feed.latest_ns, update.ts_ns)
        order = feed.orders.get(update.key)
        if order is None:
            if update.price == 0:
                feed.counts["skipped_delete_of_unknown_order"] += 1
            else:
                self._add(update)
        elif update.price == 0:
            is_cut = 0 < self.depth < self.shown[order.side] and self._is_behind(order.side, order.price)
            self.shown[order.side] -= 1
            if is_cut:
                feed.counts["orders_out_of_view"] += 1
                feed.cancel(update.key, order, update.ts_ns, _SILENT)
            else:
                self._decline(update.key, order, order.size, update.ts_ns)
        elif update.side != order.side:
            feed.counts["orders_of_another_side"] += 1
            self.shown[order.side] -= 1
            feed.cancel(update.key, order, update.ts_ns)
            self._add(update)
        elif update.price == order.price and update.size < order.size:
            self._decline(update.key, order, order.size - update.size, update.ts_ns)
            self.shown[order.side] -= update.key not in feed.orders
        elif update.price != order.price or update.size != order.size:
            feed.modify(update.key, order, update.price, update.size, update.ts_ns)
            self.shown[order.side] -= update.key not in feed.orders

    def _add(self, update: _Update) -> None:
        feed = self.feed
        is_old = self.depth > 0 and update.key < self.highest_key
        comes_into_view = is_old and self._is_behind(update.side, update.price)
        feed.counts["orders_come_into_view"] += comes_into_view
        flags = _SILENT if comes_into_view else FLAG_LAST
        feed.add(update.key, update.side, update.price, update.size, update.ts_ns, flags)
        self.shown[update.side] += update.key in feed.orders
        self.highest_key = max(self.highest_key, update.key)

    def _is_behind(self, side: int, price: int) -> bool:
        """Return whether no order of a side has a worse price."""
        others = (order.price for order in self.feed.orders.values() if order.side == side)
        return all(price <= other for other in others) if side == BID else all(price >= other for other in others)

    def _decline(self, key: int, order: LiveOrder, size: int, ts_ns: int) -> None:
        """Take a quantity out of an order: executed as far as trades explain it, and pulled for the rest."""
        executed = self.fills.executed(order.side, order.price, size, ts_ns)
        if executed:
            self.feed.execute(key, order, executed, ts_ns)
        if size > executed:
            self.feed.reduce(key, order, size - executed, ts_ns)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _number(value: Any, name: str) -> str | int:
    """Return a number as JSON gave it: whole ones are integers, others are text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise MessageError(f"{name} is {str(value)[:60]!r}; expected a number")
    return value
