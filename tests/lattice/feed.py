"""A market-by-order feed in the making: its clock, its records, and a rough picture of its book."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vpharness.events.mbo_event import ADD, ASK, BID, CLEAR, FLAG_LAST, FLAG_SNAPSHOT, NO_SIDE
from vpharness.prices import PRICE_SCALE

NS_PER_MS: Final = 1_000_000
ROUND_STEP_NS: Final = 50 * NS_PER_MS
EPOCH_NS: Final = 1_700_000_000_000_000_000 + 37_123_457
TICK: Final = PRICE_SCALE // 4
HOME_TICK: Final = 16_000
OTHER: Final = {BID: ASK, ASK: BID}


@dataclass
class Feed:
    """The stream so far, and a rough picture of the book at which the next events are aimed."""

    rng: np.random.Generator
    mischief: float
    tick_int: int
    mid: int = HOME_TICK
    ts_ns: int = EPOCH_NS
    next_id: int = 1
    crossed_until: int = 0
    deserted_until: dict[int, int] = field(default_factory=lambda: {BID: 0, ASK: 0})
    orders: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """order_id: (side, price, size)"""
    last_flag: int = FLAG_LAST
    """What the last record of an event carries: some feeds never say it."""
    rows: list[tuple[int, int, int, int, int, int, int, int]] = field(default_factory=list)
    publishers: int = 1
    """They share the ids from 1 on: order n is the publisher n % publishers' order n // publishers."""

    def chance(self, probability: float) -> bool:
        """Toss a coin."""
        return bool(self.rng.random() < probability)

    def whole(self, low: int, high: int) -> int:
        """Draw an integer from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def side(self) -> int:
        """Draw a side, not one that is deserted at present."""
        side = BID if self.chance(0.5) else ASK
        return OTHER[side] if self.deserted_until[side] > self.ts_ns else side

    def size(self) -> int:
        """Draw an order's size, mostly small."""
        return self.whole(10_000, 1_000_000) if self.chance(0.01) else self.whole(1, 20)

    def new_id(self) -> int:
        """Return an id that no order has had."""
        self.next_id += 1
        return self.next_id

    def any_order(self) -> int | None:
        """Draw a live order, one of those at the touch every other time."""
        nearest = touch(self)
        pool = nearest if nearest and self.chance(0.5) else list(self.orders)
        return pool[self.whole(0, len(pool) - 1)] if pool else None

    def price(self, side: int, ticks_away: int) -> int:
        """Return the price some ticks behind the middle (negative: across it), now and then off the tick."""
        price = (self.mid + (ticks_away if side == ASK else -ticks_away)) * self.tick_int
        if self.chance(0.1 * self.mischief):
            price += self.whole(-self.tick_int // 2, self.tick_int // 2)
        return max(0, price)

    def emit(self, action: int, side: int, price: int, size: int, order_id: int, flags: int | None = None) -> None:
        """Write one record, the last of its event where no flags are given; now and then its flags are unusual."""
        if flags is None:
            flags = self.last_flag
        if self.chance(0.02 * self.mischief):
            flags = (0, FLAG_SNAPSHOT, FLAG_SNAPSHOT | FLAG_LAST)[self.whole(0, 2)]
        row = (self.ts_ns, price, size, order_id // self.publishers, action, side, flags, order_id % self.publishers)
        self.rows.append(row)


def pass_time(feed: Feed) -> None:
    """Let time stand still, creep, move on, fall silent or run backwards."""
    draw = feed.rng.random()
    if draw < 0.35:
        return
    if draw < 0.60:
        feed.ts_ns += feed.whole(1, 1_000_000)
    elif draw < 0.93 - 0.02 * feed.mischief:
        feed.ts_ns += feed.whole(0, 40) * NS_PER_MS + feed.whole(0, 999)
    elif draw < 0.96 - 0.02 * feed.mischief:
        feed.ts_ns = feed.ts_ns // ROUND_STEP_NS * ROUND_STEP_NS + ROUND_STEP_NS
    elif draw < 0.99 - 0.02 * feed.mischief:
        feed.ts_ns += feed.whole(1, 6) * ROUND_STEP_NS
    elif draw < 1.0 - 0.02 * feed.mischief:
        feed.ts_ns += feed.whole(100, 3_000) * NS_PER_MS
    else:
        feed.ts_ns -= feed.whole(1, 30 * NS_PER_MS)


def touch(feed: Feed) -> list[int]:
    """Return the live orders at the best bid and the best ask."""
    found = []
    for side, choose in ((BID, max), (ASK, min)):
        best = choose((price for its, price, _ in feed.orders.values() if its == side), default=None)
        found += [i for i, (its, price, _) in feed.orders.items() if its == side and price == best]
    return found


def set_order(feed: Feed, order_id: int, side: int, price: int, size: int) -> None:
    """Remember that an order now stands so; size 0 is gone."""
    if size:
        feed.orders[order_id] = (side, price, size)
    else:
        feed.orders.pop(order_id, None)


def rebuild(feed: Feed, flag: int) -> None:
    """Clear the book and add some levels with the flag given; now and then R itself says otherwise than they do."""
    feed.orders.clear()
    opening = flag ^ FLAG_SNAPSHOT if feed.chance(0.1 * feed.mischief) else flag
    for publisher in range(feed.publishers):
        if not publisher or not feed.chance(0.2 * feed.mischief):
            feed.emit(CLEAR, NO_SIDE, 0, 0, publisher, flags=opening | (FLAG_LAST if feed.chance(0.2) else 0))
    n_levels = feed.whole(2, 12)
    for level in range(1, n_levels + 1):
        if feed.chance(0.03 * feed.mischief):
            feed.ts_ns += feed.whole(1, 6) * ROUND_STEP_NS
        for side in (BID, ASK):
            away = -level if feed.chance(0.02 * feed.mischief) else level
            price, size, order_id = feed.price(side, away), feed.size(), feed.new_id()
            last = side == ASK and level == n_levels and feed.chance(0.6)
            feed.emit(ADD, side, price, size, order_id, flags=flag | (feed.last_flag if last else 0))
            set_order(feed, order_id, side, price, size)
