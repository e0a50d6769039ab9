"""Random days of two stocks in ITCH, together with the best prices that they lead to."""

from dataclasses import dataclass, field

import numpy as np

from tests.events.itch_writer import AAPL, AAPLW, HOUR, Stock, before_system_hours, system_event

FEWEST, MOST = 20, 40
"""Live orders."""
BEGINS = 4 * HOUR

Order = tuple[Stock, str, int, int]
"""Stock, side, price, shares that are left."""


@dataclass
class Day:
    """Messages, and after each of them its time in ns since midnight, the best bid and the best ask of AAPL.

    Prices are in units of 1e-4 dollars; 0 where there is none.
    """

    messages: list[bytes] = field(default_factory=list)
    bests: list[tuple[int, int, int]] = field(default_factory=list)


def price_of(side: str, step: int) -> int:
    """Return a price at some distance from a hundred dollars."""
    return 1_000_000 - 100 * step if side == "B" else 1_000_100 + 100 * step


def best_prices(live: dict[int, Order]) -> tuple[int, int]:
    """Return the best bid and the best ask of AAPL among live orders."""
    own = [(side, price) for stock, side, price, _ in live.values() if stock == AAPL]
    bids, asks = ([price for side, price in own if side == wanted] for wanted in "BS")
    return max(bids, default=0), min(asks, default=0)


def random_day(seed: int, count: int, every_ns: int = 1) -> Day:
    """Return a day on which orders come, shrink, are executed, replaced and deleted; some were never added.

    Args:
        seed: the same seed gives the same day.
        count: how many messages follow those before system hours.
        every_ns: the time from one of them to the next.
    """
    random = np.random.default_rng(seed)
    day = Day(before_system_hours([AAPL, AAPLW]))
    live: dict[int, Order] = {}
    for number in range(1, count + 1):
        ts = BEGINS + number * every_ns
        if len(live) < FEWEST or (random.random() < 0.5 and len(live) < MOST):
            day.messages.append(_added(random, ts, number, live))
        else:
            order = list(live)[int(random.integers(len(live)))]
            day.messages.append(_changed(random, ts, number, order, live))
        day.bests.append((ts, *best_prices(live)))
    day.messages.append(system_event(20 * HOUR, "C"))
    return day


def _added(random: np.random.Generator, ts: int, number: int, live: dict[int, Order]) -> bytes:
    stock, side = (AAPL, AAPLW)[int(random.random() < 0.3)], "BS"[int(random.integers(2))]
    price, shares = price_of(side, int(random.integers(0, 40))), int(random.integers(1, 500))
    live[number] = (stock, side, price, shares)
    return stock.add(ts, number, side, shares, price, "GSCO" if random.random() < 0.1 else None)


def _changed(random: np.random.Generator, ts: int, number: int, order: int, live: dict[int, Order]) -> bytes:
    kind = random.random()
    if kind < 0.05:
        return AAPL.delete(ts, 10**9 + number)  # was never added
    stock, side, price, left = live.pop(order)
    if kind < 0.3:
        return stock.delete(ts, order)
    shares = int(random.integers(1, 500))
    if kind < 0.5:
        price = price_of(side, int(random.integers(0, 40)))
        live[number] = (stock, side, price, shares)
        return stock.replace(ts, order, number, shares, price)
    taken = left if random.random() < 0.4 else min(left, shares)
    if taken < left:
        live[order] = (stock, side, price, left - taken)
    if kind < 0.75:
        return stock.executed(ts, order, taken)
    if kind < 0.85:
        return stock.executed_at(ts, order, taken, 990_000, "YN"[int(random.integers(2))])
    return stock.cancel(ts, order, taken)
