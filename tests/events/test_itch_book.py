"""The ITCH reader beside the package itch-book, an independent reader that builds the books of all stocks."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.events.itch_writer import AAPL, AAPLW, APPLE, HOUR, Stock, before_system_hours, framed, system_event
from tests.events.samples import Event, events, write
from vpharness.events.itch import ItchSource

itch_book: Any = pytest.importorskip("itch_book", reason="the package itch-book is not installed")

FILE = "01302019.NASDAQ_ITCH50"
PRICE_UNIT = 10**5
"""The unit of prices in ITCH, 1e-4 dollars, in that of events."""

Best = tuple[int, int, int, int]
"""Bid price, bid size, ask price, ask size; 0 where there is none."""


def price_of(side: str, step: int) -> int:
    """Return a price at some distance from a hundred dollars."""
    return 1_000_000 - 100 * step if side == "B" else 1_000_100 + 100 * step


def random_day(seed: int, count: int) -> list[bytes]:
    """Return messages of two stocks: orders come, shrink, are executed, replaced and deleted; some were never added."""
    random = np.random.default_rng(seed)
    messages = before_system_hours([AAPL, AAPLW])
    live: dict[int, tuple[Stock, str, int]] = {}
    for number in range(1, count + 1):
        ts, kind = 4 * HOUR + number, random.random()
        shares, step = int(random.integers(1, 500)), int(random.integers(0, 40))
        if len(live) < 20 or (kind < 0.5 and len(live) < 40):
            stock, side = (AAPL, AAPLW)[int(random.random() < 0.3)], "BS"[int(random.integers(2))]
            owner = "GSCO" if random.random() < 0.1 else None
            messages.append(stock.add(ts, number, side, shares, price_of(side, step), owner))
            live[number] = (stock, side, shares)
            continue
        order = list(live)[int(random.integers(len(live)))]
        stock, side, left = live.pop(order)
        taken = left if random.random() < 0.4 else min(left, shares)
        if kind < 0.6:
            messages.append(stock.executed(ts, order, taken))
        elif kind < 0.65:
            messages.append(stock.executed_at(ts, order, taken, 990_000, "YN"[int(random.integers(2))]))
        elif kind < 0.72:
            messages.append(stock.cancel(ts, order, taken))
        elif kind < 0.82:
            messages.append(stock.replace(ts, order, number, shares, price_of(side, step)))
            live[number], taken = (stock, side, shares), left
        elif kind < 0.96:
            messages.append(stock.delete(ts, order))
            taken = left
        else:
            messages.append(AAPL.delete(ts, 10**9 + number))  # was never added
            taken = 0
        if taken < left:
            live[order] = (stock, side, left - taken)
    return [*messages, system_event(20 * HOUR, "C")]


def best(orders: dict[int, tuple[str, int, int]]) -> Best:
    """Return the best prices of live orders with the sizes there."""
    depth = {"B": Counter[int](), "A": Counter[int]()}
    for side, price, size in orders.values():
        depth[side][price] += size
    bid, ask = max(depth["B"], default=0), min(depth["A"], default=0)
    return bid, depth["B"][bid], ask, depth["A"][ask]


def bests_of_events(found: list[Event]) -> list[tuple[int, Best]]:
    """Return each change of the best prices or their sizes, with its time, message by message."""
    orders: dict[int, tuple[str, int, int]] = {}
    changes: list[tuple[int, Best]] = []
    last: Best = (0, 0, 0, 0)
    for ts, action, side, price, size, order, flags in found:
        if action == "A":
            orders[order] = (side, price, size)
        elif action == "C" and order in orders:
            known = orders.pop(order)
            if size < known[2]:
                orders[order] = (*known[:2], known[2] - size)
        if flags & 128 and (now := best(orders)) != last:
            changes.append((ts, now))
            last = now
    return changes


def bests_of_itch_book(path: str) -> list[tuple[int, Best]]:
    """Return the same as itch-book has it: a change of the number of orders is one to it too, and is left out."""
    names = ("bid_px", "bid_sz", "ask_px", "ask_sz")
    changes: list[tuple[int, Best]] = []
    last: Best = (0, 0, 0, 0)
    with itch_book.open(path, date=date(2019, 1, 30), price_type="fixed") as feed:
        for batch in feed.batches(tables=("bbo",), symbols=("AAPL",)):
            columns = [batch.bbo[name].tolist() for name in ("locate", "ts_event", *names)]
            for locate, ts, bid, bid_size, ask, ask_size in zip(*columns, strict=True):
                assert locate == APPLE
                now = (bid * PRICE_UNIT, bid_size, ask * PRICE_UNIT, ask_size)
                if now != last:
                    changes.append((ts, now))
                last = now
    return changes


@pytest.mark.parametrize("seed", range(5))
def test_the_best_prices_are_those_of_itch_book_after_every_message(tmp_path: Path, seed: int) -> None:
    """Prices, sizes and times of every change, through thousands of messages of every kind that changes a book."""
    path = write(tmp_path, FILE, framed(random_day(seed, 4_000)))
    found = bests_of_events(events(ItchSource(path, "AAPL")))
    assert len(found) > 200
    assert found == bests_of_itch_book(path)


def test_executions_are_those_of_itch_book(tmp_path: Path) -> None:
    """Printed or not: time, side and size of each, and its order."""
    path = write(tmp_path, FILE, framed(random_day(7, 4_000)))
    fills = [
        (ts, side, size, order)
        for ts, action, side, _, size, order, _ in events(ItchSource(path, "AAPL"))
        if action == "F"
    ]
    expected = []
    with itch_book.open(path, date=date(2019, 1, 30), price_type="fixed") as feed:
        for batch in feed.batches(tables=("messages",), symbols=("AAPL",)):
            names = ("ts_event", "action", "side", "size", "order_id")
            for ts, action, side, size, order in zip(*(batch.messages[name].tolist() for name in names), strict=True):
                if action == b"F":
                    expected.append((ts, {b"B": "B", b"S": "A"}[side], size, order))
    assert len(fills) > 100
    assert fills == expected
