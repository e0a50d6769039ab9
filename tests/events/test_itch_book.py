"""The ITCH reader beside the package itch-book, an independent reader that builds the books of all stocks."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.events.itch_days import random_day
from tests.events.itch_writer import APPLE, framed
from tests.events.samples import Event, events, write
from vpharness.events.itch import ItchSource

itch_book: Any = pytest.importorskip("itch_book", reason="the package itch-book is not installed")

FILE = "01302019.NASDAQ_ITCH50"
PRICE_UNIT = 10**5
"""The unit of prices in ITCH, 1e-4 dollars, in that of events."""

Best = tuple[int, int, int, int]
"""Bid price, bid size, ask price, ask size; 0 where there is none."""


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
    path = write(tmp_path, FILE, framed(random_day(seed, 4_000).messages))
    found = bests_of_events(events(ItchSource(path, "AAPL")))
    assert len(found) > 200
    assert found == bests_of_itch_book(path)


def test_executions_are_those_of_itch_book(tmp_path: Path) -> None:
    """Printed or not: time, side and size of each, and its order."""
    path = write(tmp_path, FILE, framed(random_day(7, 4_000).messages))
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
