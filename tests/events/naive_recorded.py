"""The readers of recorded messages again, a message at a time with decimals and dictionaries."""

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.events.samples import Event


def units(number: Any, digits: int) -> int:
    """Return a decimal number in units of 10**-digits; it must be a whole number of them."""
    scaled = Decimal(str(number)).scaleb(digits)
    assert scaled == int(scaled)
    return int(scaled)


def price_units(number: Any) -> int:
    """Return a price in 1e-9 units; one beyond the range of orders is just beyond it."""
    return max(-(10**18) - 1, min(10**18 + 1, units(number, 9)))


def nanoseconds(text: str) -> int:
    """Return an RFC 3339 time in ns since the epoch."""
    text = text.upper().replace("Z", "+00:00").replace(" ", "T")
    head, zone = text[:19], text[-6:]
    fraction = text[19:-6].removeprefix(".").ljust(9, "0")[:9]
    since = datetime.fromisoformat(head + zone) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(seconds=1) * 10**9 + int(fraction)


def messages(data: bytes) -> Iterator[tuple[Any, int | None, str | None]]:
    """Yield each message, when it was received, and the product that its envelope names."""
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        if not line.strip():
            continue
        text = line.strip().decode("utf-8", "surrogateescape")
        value = json.loads(text, parse_float=str, strict=False)
        if '"received_ns"' in text:
            yield value["message"], value["received_ns"], value.get("symbol")
        else:
            yield value, None, None


class NaiveFeed:
    """Events so far; the orders alive as [number, side, price, size]; whether the book is known."""

    def __init__(self) -> None:
        """Start before the first message."""
        self.events: list[Event] = []
        self.orders: dict[Any, list[Any]] = {}
        self.known = False
        self.latest = 0
        self.number = 1

    def emit(self, ts: int, action: str, order: list[Any], size: int, flags: int) -> None:
        """Write an event of an order."""
        number, side, price, _ = order
        self.events.append((ts, action, side, price, size, number, flags))

    def mark(self, ts: int) -> None:
        """Write that messages are missing."""
        self.events.append((ts, "N", "N", 0, 0, 0, 4 | 128))
        self.orders, self.known = {}, False

    def begin(self, ts: int) -> None:
        """Begin with the first message of all, before any snapshot."""
        if not self.latest:
            self.mark(ts)
            self.latest = ts

    def restate(self, ts: int, orders: list[tuple[Any, str, int, int]]) -> None:
        """Write a snapshot."""
        self.orders = {}
        self.events.append((ts, "R", "N", 0, 0, 0, 32))
        for key, side, price, size in orders:
            if key not in self.orders:
                self.add(key, side, price, size, ts, 32)
        self.events[-1] = (*self.events[-1][:-1], 32 | 128)
        self.known = True

    def add(self, key: Any, side: str, price: int, size: int, ts: int, flags: int = 128) -> None:
        """Let an order rest, if it can; one that rests is changed."""
        if key in self.orders and self.orders[key][1] == side:
            self.modify(key, price, size, ts)
            return
        if key in self.orders:
            self.take(key, self.orders[key][3], ts, filled=False)
        if size <= 0 or abs(price) > 10**18:
            return
        self.orders[key] = [self.number, side, price, size]
        self.number += 1
        self.emit(ts, "A", self.orders[key], size, flags)

    def take(self, key: Any, size: int, ts: int, *, filled: bool, flags: int = 128) -> None:
        """Take a quantity out of an order; a fill of nothing is none."""
        if filled and size <= 0:
            return
        order = self.orders[key]
        if filled:
            self.emit(ts, "F", order, size, 0)
        self.emit(ts, "C", order, size, flags)
        order[3] -= size
        if order[3] <= 0:
            del self.orders[key]

    def modify(self, key: Any, price: int, size: int, ts: int) -> None:
        """Give an order another price and size."""
        order = self.orders[key]
        if size <= 0 or abs(price) > 10**18:
            self.take(key, order[3], ts, filled=False)
        else:
            order[2:] = [price, size]
            self.emit(ts, "M", order, size, 128)


def coinbase_events(data: bytes, digits: int = 8) -> list[Event]:
    """Return the events of a recording of Coinbase's channel full, of the one product in it."""
    feed, held, last = NaiveFeed(), [], None
    sides = {"buy": "B", "sell": "A"}

    def apply(message: dict[str, Any]) -> None:
        nonlocal last
        ts, kind = nanoseconds(message["time"]), message["type"]
        feed.begin(ts)
        if not feed.known:
            held.append(message)
            return
        if last is not None and message["sequence"] <= last:
            return
        gap = last is not None and message["sequence"] != last + 1
        last, before, feed.latest = message["sequence"], feed.latest, ts
        if gap:
            feed.mark(before)
            held.append(message)
            return
        key = message.get("maker_order_id" if kind == "match" else "order_id")
        if kind == "open":
            price, size = price_units(message["price"]), units(message["remaining_size"], digits)
            feed.add(key, sides[message["side"]], price, size, ts)
        elif key not in feed.orders or kind in {"received", "activate"}:
            pass
        elif kind == "match":
            feed.take(key, units(message["size"], digits), ts, filled=True)
        elif kind == "done":
            feed.take(key, feed.orders[key][3], ts, filled=False)
        else:
            order = feed.orders[key]
            new_price, new_size = message.get("new_price") or message.get("price"), message.get("new_size")
            price = order[2] if new_price is None else price_units(new_price)
            feed.modify(key, price, order[3] if new_size is None else units(new_size, digits), ts)

    for message, received, _ in messages(data):
        if message.get("bids") is not None and message.get("asks") is not None:
            if feed.known:
                continue
            ts = nanoseconds(message["time"]) if message.get("time") is not None else int(str(received))
            ts = min([ts, *[nanoseconds(old["time"]) for old in held if old["sequence"] > message["sequence"]][:1]])
            feed.latest = max(feed.latest, ts)
            listed = [
                (key, side, price, size)
                for side, name in (("B", "bids"), ("A", "asks"))
                for price, size, key in message[name]
            ]
            feed.restate(
                ts, [(key, side, price_units(price), units(size, digits)) for key, side, price, size in listed]
            )
            last, waiting, held = message["sequence"], held, []
            for old in waiting:
                apply(old)
        elif message.get("type") in {"received", "open", "match", "change", "done", "activate"}:
            apply(message)
    return feed.events


def kraken_checksum(book: dict[str, list[tuple[int, Any, str]]]) -> int:
    """Return the checksum of a book: for each side the orders as (price, key, text), in the order of their arrival."""
    text = ""
    for side, sign in (("A", 1), ("B", -1)):
        best = sorted({sign * price for price, _, _ in book[side]})[:10]
        text += "".join(order[2] for rank in best for order in book[side] if sign * order[0] == rank)
    return zlib.crc32(text.encode())


def kraken_events(data: bytes, digits: int = 8) -> list[Event]:  # noqa: PLR0912, PLR0915  # as plain as it can be
    """Return the events of a recording of Kraken's channel level3, of the one product in it, without trades."""
    feed = NaiveFeed()
    book: dict[str, list[tuple[int, Any, str]]] = {"B": [], "A": []}
    depth, subscribed, verifies = 0, 0, False

    def put(key: Any, text: str) -> None:
        _, side, price, _ = feed.orders[key]
        same = [place for place, order in enumerate(book[side]) if order[:2] == (price, key)]
        if same:
            book[side][same[0]] = (price, key, text)
        else:
            drop(key)
            book[side].append((price, key, text))

    def drop(key: Any) -> None:
        for side in book.values():
            side[:] = [order for order in side if order[1] != key]

    def read(order: dict[str, Any], side: str) -> tuple[Any, ...]:
        price, size = str(order["limit_price"]), str(order["order_qty"])
        text = price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")
        ts = nanoseconds(order["timestamp"])
        return order.get("event"), order["order_id"], side, price_units(price), units(size, digits), ts, text

    for message, received, _ in messages(data):
        if message.get("method") is not None:
            result = message.get("result") or {}
            if result.get("channel") == "level3":
                subscribed = result.get("depth") or 0
            continue
        if message.get("channel") != "level3" or message.get("data") is None:
            continue
        for part in message["data"]:
            rows = [read(order, side) for side, name in (("B", "bids"), ("A", "asks")) for order in part.get(name, [])]
            if message["type"] == "snapshot":
                if feed.known:
                    feed.mark(feed.latest)
                feed.latest = max([feed.latest, *(row[5] for row in rows)] if rows else [feed.latest, received or 0])
                feed.restate(feed.latest, [row[1:5] for row in rows])
                book = {"B": [], "A": []}
                for row in rows:
                    if row[1] in feed.orders and feed.orders[row[1]][1:3] == [row[2], row[3]]:
                        drop(row[1])
                        book[row[2]].append((row[3], row[1], row[6]))
                levels = max(len({price for price, _, _ in side}) for side in book.values())
                depth = subscribed or min((known for known in (10, 100, 1000) if levels <= known), default=levels)
                verifies = part.get("checksum") == kraken_checksum(book)
                continue
            if not rows:
                continue
            feed.begin(max(row[5] for row in rows))
            if not feed.known:
                continue
            before = feed.latest
            for event, key, side, price, size, own, text in sorted(rows, key=lambda row: max(row[5], before)):
                ts = max(own, before)
                if key not in feed.orders:
                    if event != "add":
                        continue
                    sign = 1 if side == "A" else -1
                    worst = max((sign * order[0] for order in book[side]), default=sign * price)
                    silent = own < before and depth > 0 and sign * price >= worst
                    feed.add(key, side, price, size, ts, 160 if silent else 128)
                elif event == "delete":
                    feed.take(key, feed.orders[key][3], ts, filled=False)
                elif side != feed.orders[key][1]:
                    drop(key)
                    feed.take(key, feed.orders[key][3], ts, filled=False)
                    feed.add(key, side, price, size, ts)
                elif price == feed.orders[key][2] and size < feed.orders[key][3]:
                    feed.take(key, feed.orders[key][3] - size, ts, filled=False)
                elif [price, size] != feed.orders[key][2:]:
                    feed.modify(key, price, size, ts)
                if key in feed.orders:
                    put(key, text)
                else:
                    drop(key)
            feed.latest = max(before, *(row[5] for row in rows))
            for side, sign in (("B", -1), ("A", 1)):
                ranks = sorted({sign * order[0] for order in book[side]})
                for rank in ranks[depth:] if depth else []:
                    for key in [order[1] for order in book[side] if sign * order[0] == rank]:
                        feed.take(key, feed.orders[key][3], feed.latest, filled=False, flags=160)
                        drop(key)
            if verifies and part.get("checksum") is not None and part["checksum"] != kraken_checksum(book):
                feed.mark(feed.latest)
                book, verifies, depth = {"B": [], "A": []}, False, 0
    return feed.events


def bitfinex_events(data: bytes, digits: int = 8) -> list[Event]:  # noqa: PLR0912, PLR0915  # as plain as it can be
    """Return the events of a recording of a Bitfinex raw book, of the one product in it, without trades."""
    feed, last, length, highest = NaiveFeed(), None, 0, 0
    ours: set[int] = set()
    named = False

    def behind(side: str, price: int) -> bool:
        prices = [order[2] for order in feed.orders.values() if order[1] == side]
        return all(price <= other for other in prices) if side == "B" else all(price >= other for other in prices)

    def renew() -> None:
        if feed.known:
            feed.mark(feed.latest)

    for message, received, _ in messages(data):
        if isinstance(message, dict):
            if message.get("event") == "info" and "version" in message:
                renew()
                ours, last = set(), None
            elif message.get("event") == "subscribed" and isinstance(message.get("chanId"), int):
                named = True
                ours.discard(message["chanId"])
                if message.get("channel") == "book" and message.get("prec") == "R0":
                    ours.add(message["chanId"])
                    renew()
                    text = str(message.get("len") or "")
                    length = int(text) if text.isdecimal() and len(text) < 6 else 0
            continue
        channel, content = message[:2]
        ts, sequence = received, None
        for extra in message[3 if isinstance(content, str) and content != "hb" else 2 :][:2]:
            if isinstance(extra, bool) or not isinstance(extra, int) or not 0 <= extra < 2**63:
                break
            if extra < 10**12:
                sequence = extra
            elif extra * 10**6 <= 7_258_118_400 * 10**9:
                ts = extra * 10**6
        if sequence is not None:
            if last is not None and sequence != last + 1:
                renew()
            last = sequence
        if isinstance(content, list) and not named and not ours:
            ours.add(channel)
        if channel not in ours or isinstance(content, str):
            continue
        assert ts is not None
        is_snapshot = not content or isinstance(content[0], list)
        rows = [
            (key, "B" if units(amount, digits) > 0 else "A", price_units(price), abs(units(amount, digits)))
            for key, price, amount in (content if is_snapshot else [content])
        ]
        if is_snapshot:
            renew()
            feed.latest = max(feed.latest, ts)
            feed.restate(ts, rows)
            highest = max([highest, *(row[0] for row in rows)])
            continue
        feed.begin(ts)
        if not feed.known:
            continue
        feed.latest = max(feed.latest, ts)
        ((key, side, price, size),) = rows
        known = feed.orders.get(key)
        if known is None and price == 0:
            continue
        if known is not None and price == 0:
            count = sum(order[1] == known[1] for order in feed.orders.values())
            silent = 0 < length < count and behind(known[1], known[2])
            feed.take(key, known[3], ts, filled=False, flags=160 if silent else 128)
            continue
        if known is not None and side == known[1]:
            if price == known[2] and size < known[3]:
                feed.take(key, known[3] - size, ts, filled=False)
            elif [price, size] != known[2:]:
                feed.modify(key, price, size, ts)
            continue
        if known is not None:
            feed.take(key, known[3], ts, filled=False)
        silent = length > 0 and key < highest and behind(side, price)
        feed.add(key, side, price, size, ts, 160 if silent else 128)
        highest = max(highest, key)
    return feed.events


def bitstamp_live_events(data: bytes, digits: int = 8) -> list[Event]:
    """Return the events of a recording of Bitstamp's channel live_orders, of the one product in it."""
    feed, held, until = NaiveFeed(), [], 0

    def apply(event: str, order: dict[str, Any]) -> None:
        ts = int(order["microtimestamp"]) * 1000
        feed.begin(ts)
        if not feed.known:
            held.append((event, order))
            return
        if ts <= until:
            return
        feed.latest = max(feed.latest, ts)
        key, side = order["id"], "BA"[order["order_type"]]
        price = price_units(order.get("price_str") or order["price"])
        size = units(order.get("amount_str") or order["amount"], digits)
        known = feed.orders.get(key)
        if known is None:
            if event == "order_created":
                feed.add(key, side, price, size, ts)
        elif event == "order_deleted":
            feed.take(key, known[3], ts, filled=size == 0)
        elif price == known[2] and size < known[3]:
            feed.take(key, known[3] - size, ts, filled=True)
        else:
            feed.modify(key, price, size, ts)

    for message, _, _ in messages(data):
        event, channel, body = message.get("event"), message.get("channel") or "", message.get("data")
        book = None
        if None not in {
            str(message.get(name)) if message.get(name) is not None else None
            for name in ("bids", "asks", "microtimestamp")
        }:
            book = message
        elif event in {"order_created", "order_changed", "order_deleted"} and channel.startswith("live_orders_"):
            apply(event, body)
        elif event == "data" and channel.startswith("detail_order_book_"):
            book = body
        elif event == "bts:subscription_succeeded" and channel.startswith("live_orders_") and feed.known:
            feed.mark(feed.latest)
        if book is None or feed.known:
            continue
        until = int(book["microtimestamp"]) * 1000
        feed.latest = max(feed.latest, until)
        listed = [
            (int(key), side, price_units(price), units(size, digits))
            for side, name in (("B", "bids"), ("A", "asks"))
            for price, size, key in book[name]
        ]
        feed.restate(until, listed)
        waiting, held = held, []
        for old in waiting:
            apply(*old)
    return feed.events
