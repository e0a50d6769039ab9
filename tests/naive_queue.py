"""The plain twin of virtual orders: each is followed by itself through a book of dictionaries (SPEC section 5)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.naive_book import Book, Record, apply_record, best, crossed, key_of, nearest_tick, uncross
from vpharness.events.mbo_event import ADD, ASK, BID, CLEAR, FILL, FLAG_LAST, FLAG_SNAPSHOT, MODIFY, RESTATE

NS_PER_MS: Final = 1_000_000


@dataclass
class Virtual:
    """An order that nobody placed: what is ahead of it are keys of the book's orders."""

    side: int
    tick: int
    arrival_ns: int
    withdrawal_ns: int
    reason: str = "open"
    fill_ns: int = 0
    ahead_at_arrival: int = 0
    executed: int = 0
    arrived: bool = False
    ahead: set[Any] = field(default_factory=set)
    waits: bool = False
    hit: bool = False


@dataclass
class Market:
    """The book, what is left of each of its orders, and the executions of the present event."""

    book: Book
    now: int
    left: dict[Any, int] = field(default_factory=dict)
    executed: list[tuple[int, int]] = field(default_factory=list)  # side and tick
    snapshot: bool = False
    crossed_since: int | None = None
    out_of_turn: int = 0


def naive_queue(
    events: NDArray[np.void], orders: Sequence[Virtual], *, tick_int: int, evict_crossed_ms: int, complete_to_ns: int
) -> int:
    """Follow orders through events (an array of EVENT_DTYPE), in place; return how many executions were out of turn."""
    records = [Record(*event) for event in events.tolist()]
    market = Market(Book(tick_int), records[0].ts_ns)
    waiting = sorted(orders, key=lambda order: order.arrival_ns)
    _settle(market, waiting, market.now)
    for record in records:
        if record.ts_ns > market.now:
            _move_time(market, waiting, record.ts_ns, evict_crossed_ms)
        _act(market, waiting, record)
        if record.flags & FLAG_LAST:
            _end_event(market, waiting)
    _move_time(market, waiting, max(market.now, complete_to_ns), evict_crossed_ms)
    return market.out_of_turn


def _move_time(market: Market, orders: Iterable[Virtual], ts_ns: int, evict_crossed_ms: int) -> None:
    _end_event(market, orders)
    if not crossed(market.book):
        market.crossed_since = None
    elif market.crossed_since is None:
        market.crossed_since = market.now
    if evict_crossed_ms and market.crossed_since is not None:
        stale_ns = market.crossed_since + evict_crossed_ms * NS_PER_MS
        if stale_ns <= ts_ns:
            _settle(market, orders, stale_ns - 1)
            uncross(market.book)
            market.crossed_since = None
            _forget_gone(market, orders)
    _settle(market, orders, ts_ns)
    market.now = ts_ns


def _forget_gone(market: Market, orders: Iterable[Virtual]) -> None:
    for key in [key for key in market.left if key not in market.book.orders]:
        del market.left[key]
        for order in orders:
            order.ahead.discard(key)


def _settle(market: Market, orders: Iterable[Virtual], until_ns: int) -> None:
    """Withdraw and let arrive, in the order of time; at one time withdrawals come first."""
    times = [(order.withdrawal_ns, 0, order) for order in orders] + [(order.arrival_ns, 1, order) for order in orders]
    for time_ns, is_arrival, order in sorted(times, key=lambda each: each[:2]):
        if time_ns > until_ns:
            break
        if is_arrival and order.reason == "open" and not order.waits:
            _arrive(market, order)
        elif not is_arrival and order.waits:
            order.waits, order.reason = False, "withdrawn"


def _arrive(market: Market, order: Virtual) -> None:
    bid, ask = best(market.book)
    crosses = (ask is not None and ask <= order.tick) if order.side == BID else (bid is not None and bid >= order.tick)
    if market.snapshot or crosses:
        order.reason = "rejected"
        return
    order.waits = order.arrived = True
    order.ahead = {
        key for key, each in market.book.orders.items() if (each.side, each.tick) == (order.side, order.tick)
    }
    order.ahead_at_arrival = sum(market.left[key] for key in order.ahead)


def _act(market: Market, orders: Sequence[Virtual], record: Record) -> None:
    book, key = market.book, key_of(record)
    before = book.orders.get(key)
    place = None if before is None else (before.side, before.tick)
    if record.action == RESTATE:
        _set_right(market, orders, record)
        return
    if record.flags & FLAG_SNAPSHOT or record.action == CLEAR:
        _clear(order for order in orders if order.waits)
    if record.action == CLEAR:
        market.snapshot = bool(record.flags & FLAG_SNAPSHOT)
    if not record.flags & FLAG_SNAPSHOT or record.flags & FLAG_LAST:
        market.snapshot = False
    is_fill = record.action == FILL and before is not None and record.size > 0
    if is_fill and place is not None and nearest_tick(book, record.price) == place[1]:
        _execute(market, orders, key, record.size)
        for order in orders:
            in_time = order.arrived and market.now < order.withdrawal_ns
            order.executed += record.size if in_time and (order.side, order.tick) == place else 0
    apply_record(book, record)
    after = book.orders.get(key)
    _forget_gone(market, orders)
    if after is None or record.action == FILL:
        return
    if record.action in (ADD, MODIFY):
        grows = before is None or after.size > market.left[key] or record.action == ADD
        if grows or place != (after.side, after.tick):
            for order in orders:
                order.ahead.discard(key)
    market.left[key] = after.size


def _clear(orders: Iterable[Virtual]) -> None:
    for order in orders:
        order.waits, order.reason = False, "cleared"


def _set_right(market: Market, orders: Sequence[Virtual], record: Record) -> None:
    """Let a source correct a level: whoever waits there, or where its order stood before, is cleared."""
    key = key_of(record)
    before = market.book.orders.get(key)
    places = {(before.side, before.tick)} if before is not None else set[tuple[int, int]]()
    apply_record(market.book, record)
    after = market.book.orders.get(key)
    _forget_gone(market, orders)
    if after is not None:
        places.add((after.side, after.tick))
        market.left[key] = after.size
    _clear(order for order in orders if order.waits and (order.side, order.tick) in places)


def _execute(market: Market, orders: Iterable[Virtual], key: Any, size: int) -> None:
    executed = market.book.orders[key]
    market.executed.append((executed.side, executed.tick))
    for order in orders:
        at_level = order.waits and (order.side, order.tick) == (executed.side, executed.tick)
        if at_level and (key not in order.ahead or size > market.left[key]):
            order.hit = True
    market.left[key] -= min(size, market.left[key])


def _end_event(market: Market, orders: Iterable[Virtual]) -> None:
    for order in orders:
        if not order.waits:
            continue
        reason = _filled_by(market, order)
        if reason is not None:
            order.waits, order.reason, order.fill_ns = False, reason, market.now
        elif order.hit:
            market.out_of_turn += 1
        order.hit = False
    market.executed.clear()


def _filled_by(market: Market, order: Virtual) -> str | None:
    is_bid, opposite = order.side == BID, ASK if order.side == BID else BID
    worse = [tick < order.tick if is_bid else tick > order.tick for side, tick in market.executed if side == order.side]
    if any(worse):
        return "through"
    left_ahead = sum(market.left[key] for key in order.ahead)
    if order.hit and left_ahead == 0:
        return "behind"
    ticks = [each.tick for each in market.book.orders.values() if each.side == opposite]
    reached = any(tick <= order.tick if is_bid else tick >= order.tick for tick in ticks)
    better = sum(
        market.left[key]
        for key, each in market.book.orders.items()
        if each.side == order.side and (each.tick > order.tick if is_bid else each.tick < order.tick)
    )
    return "crossed" if reached and better == 0 and left_ahead == 0 else None
