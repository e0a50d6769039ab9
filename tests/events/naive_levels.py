"""The readers of books by price level again, a level at a time with decimals and dictionaries."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import pairwise
from typing import Any

from tests.events.samples import Event

Level = tuple[str, int]
"""Side and price in units of 1e-9."""
Said = list[tuple[Level, int]]
"""The new quantities of levels, in units of 1e-8."""

MS = 10**6
_EXACT = Context(prec=500)


def units(number: Any, digits: int) -> int:
    """Return a decimal number in units of 10**-digits, half up."""
    return int(Decimal(str(number)).scaleb(digits, _EXACT).to_integral_value(ROUND_HALF_UP, _EXACT))


def level_id(level: Level) -> int:
    """Return the id of a level's pseudo order."""
    return (level[1] * 2 + (level[0] == "A")) % (1 << 64)


@dataclass
class PlainLevels:
    """A book of levels, and the events that it has given."""

    events: list[Event] = field(default_factory=list)
    sizes: dict[Level, int] = field(default_factory=dict)
    traded: Counter[Level] = field(default_factory=Counter)

    def changed(self, ts: int, said: Said) -> None:
        """Apply a message of changes."""
        first = len(self.events)
        for level, size in said:
            side, price = level
            before = self.sizes.pop(level, 0)
            explained = min(self.traded.pop(level, 0), max(before - size, 0))
            if size:
                self.sizes[level] = size
            if size == before:
                continue
            if explained:
                self.events.append((ts, "F", side, price, explained, level_id(level), 0))
            action = "A" if not before else "M" if size else "C"
            self.events.append((ts, action, side, price, size or before, level_id(level), 0))
        if len(self.events) > first:
            self.events[-1] = (*self.events[-1][:-1], 128)

    def restated(self, ts: int, said: Said) -> None:
        """Replace the book."""
        self.sizes = {level: size for level, size in dict(said).items() if size}
        self.traded.clear()
        self.events.append((ts, "R", "N", 0, 0, 0, 32))
        for level, size in self.sizes.items():
            self.events.append((ts, "A", *level, size, level_id(level), 32))
        self.events[-1] = (*self.events[-1][:-1], 32 | 128)

    def gap(self, ts: int) -> None:
        """Report that something is missing."""
        self.events.append((ts, "N", "N", 0, 0, 0, 4 | 128))


def said_of(bids: Any, asks: Any) -> Said:
    """Return the levels of a message in JSON."""
    return [((side, units(row[0], 9)), units(row[1], 8)) for side, rows in (("B", bids), ("A", asks)) for row in rows]


def binance_events(lines: Iterable[str], *, needs_snapshot: bool = True) -> list[Event]:
    """Return the events of a file of Binance's messages of one product, snapshots and trades among them.

    Numbers of messages that are left out are not looked at.
    """
    book, history, waiting = PlainLevels(), [], []  # type: ignore[var-annotated]
    at: int | None = None
    ts, trade_kind = 0, None
    for line in lines:
        if not line.strip():
            continue
        message = json.loads(line, parse_float=Decimal)
        message = message.get("message", message) if "received_ns" in message else message
        message = message if message.get("data") is None else message["data"]
        if message.get("lastUpdateId") is not None:
            last, said = message["lastUpdateId"], (message.get("bids", []), message.get("asks", []))
            behind = [diff for diff in history if diff[1] > last]
            if not behind:
                waiting = sorted([other for other in waiting if other[0] < last] + [(last, said)], key=lambda s: s[0])
                continue
            book.restated(ts, said_of(*said) + [row for diff in behind for row in said_of(*diff[3])])
            if not follows(behind[0], last) or not all(follows(after, before[1]) for before, after in pairwise(behind)):
                book.gap(ts)
            at = behind[-1][1]
        elif message.get("e") == "depthUpdate":
            stamp = message.get("T") if message.get("T") is not None else message.get("E", 0)
            ts = stamp * (1000 if stamp >= 10**14 else MS)
            said = message.get("b", []), message.get("a", [])
            diff = (message.get("U", 0), message.get("u", 0), message.get("pu"), said)
            if not history or diff[1] > history[-1][1]:
                history.append(diff)
            while waiting and waiting[0][0] < diff[1]:
                at, restated = waiting.pop(0)
                book.restated(ts, said_of(*restated))
            if at is None and needs_snapshot:
                continue
            if at is not None and diff[1] <= at:
                continue
            if at is not None and not follows(diff, at) and needs_snapshot:
                book.gap(ts)
            at = diff[1]
            book.changed(ts, said_of(*said))
        elif message.get("e") in {"trade", "aggTrade"} and trade_kind in {None, message["e"]}:
            trade_kind = message["e"]
            side = "B" if message["m"] else "A"
            book.traded[side, units(message["p"], 9)] += units(message["q"], 8)
    return book.events


def follows(diff: tuple[int, int, int | None, Any], last: int) -> bool:
    """Whether no update is missing between an id and a message."""
    first, _, before, _ = diff
    return first <= last + 1 if before is None else before <= last


def bybit_events(lines: Iterable[str]) -> list[Event]:
    """Return the events of a file of Bybit's messages of one product, trades among them."""
    book, at, topic, symbol = PlainLevels(), None, None, None
    for line in lines:
        if not line.strip():
            continue
        message = json.loads(line, parse_float=Decimal)
        message = message.get("message", message) if "received_ns" in message else message
        kind = message.get("topic", "").split(".")[0]
        data = message.get("data")
        if kind == "orderbook":
            if topic not in {None, message["topic"]}:
                continue
            topic, symbol = message["topic"], data["s"]
            stamp = message["cts"] if message.get("cts") is not None else message.get("ts", 0)
            ts = stamp * (1000 if stamp >= 10**14 else MS)
            said = data.get("b", []), data.get("a", [])
            if message.get("type") == "snapshot" or data["u"] == 1:
                book.restated(ts, said_of(*said))
            elif at is None or data["u"] <= at:
                continue
            else:
                if data["u"] != at + 1:
                    book.gap(ts)
                book.changed(ts, said_of(*said))
            at = data["u"]
        elif kind == "publicTrade":
            wanted = symbol or message["topic"].partition(".")[2]
            for trade in data:
                if trade["s"].upper() == wanted.upper():
                    level = ("A" if trade["S"] == "Buy" else "B", units(trade["p"], 9))
                    book.traded[level] += units(trade["v"], 8)
    return book.events


def rows_of(lines: Iterable[str]) -> list[dict[str, str]]:
    """Return the rows of CSV lines by the names in the first, every field out of its quotes."""
    cells = [[unquoted(field) for field in line.removesuffix("\r").split(",")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]


def unquoted(field: str) -> str:
    """Return a field without the quotes around it."""
    return field[1:-1] if len(field) >= 2 and field[0] == field[-1] == '"' else field


def tardis_events(lines: Iterable[str], trades: Iterable[str] = ()) -> list[Event]:
    """Return the events of a file incremental_book_L2 and of its file of trades."""
    book, messages = PlainLevels(), []  # type: ignore[var-annotated]
    for row in rows_of(lines):
        times = tuple(units(row[name], 3) for name in ("timestamp", "local_timestamp"))
        key = (row["is_snapshot"], None if row["is_snapshot"] == "true" else times)
        if not messages or messages[-1][0] != key:
            messages.append((key, []))
        messages[-1][1].append(row)
    sold = sorted(rows_of(trades), key=lambda row: units(row["timestamp"], 3))
    has_book, latest = False, 0
    for (is_snapshot, _), rows in messages:
        ts = units(rows[-1]["timestamp"], 3)
        has_book = has_book or is_snapshot == "true"
        if not has_book:
            continue
        latest = max(latest, ts)
        while sold and units(sold[0]["timestamp"], 3) <= latest:
            trade = sold.pop(0)
            side = {"buy": "A", "sell": "B"}.get(trade["side"])
            if side:
                book.traded[side, units(trade["price"], 9)] += units(trade["amount"], 8)
        said = [
            (({"bid": "B", "ask": "A"}[row["side"]], units(row["price"], 9)), units(row["amount"], 8)) for row in rows
        ]
        (book.restated if is_snapshot == "true" else book.changed)(ts, said)
    return book.events
