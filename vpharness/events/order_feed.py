"""The orders alive in an exchange's feed, and the events that its messages make of them.

Exchanges of coins name orders by UUIDs or other text, and say what an order is now, not what has changed. Here each
order gets a number when it is first seen, which no other order of the run has, and its state is kept while it lives;
from both follow the events of `mbo_event`. Memory is bounded by the orders that are alive.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.events.event_source import CHUNK_EVENTS
from vpharness.events.mbo_event import (
    ADD,
    CANCEL,
    CLEAR,
    EVENT_DTYPE,
    FILL,
    FLAG_FEED_GAP,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MAX_PRICE,
    MODIFY,
    NO_SIDE,
    NONE,
)

_ROWS_AT_ONCE: Final = CHUNK_EVENTS // 2

Row = tuple[int, int, int, int, int, int, int, int]
"""ts_ns, price, size, order_id, action, side, flags, publisher: the fields of EVENT_DTYPE."""


@dataclass(slots=True)
class LiveOrder:
    """An order in the book: its number in this run, its side, its price and the quantity left of it."""

    order_id: int
    side: int
    price: int
    size: int


@dataclass(slots=True)
class SnapshotOrder:
    """An order as a snapshot lists it, under the exchange's own id."""

    key: Hashable
    side: int
    price: int
    size: int


@dataclass
class OrderFeed:
    """A feed read so far.

    Attributes:
        counts: what was skipped or found odd, by reason.
        starts_empty: whether the book counts as known without a snapshot: empty at first, and after each gap again.
        known: whether the book is known: a snapshot has come, and no gap since.
        orders: the orders alive, by the exchange's ids.
        rows: events not handed out yet.
        notes: sentences on what is odd about the feed.
    """

    counts: Counter[str]
    starts_empty: bool = False
    known: bool = False
    snapshots: int = 0
    orders: dict[Hashable, LiveOrder] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    next_id: int = 1
    latest_ns: int = 0

    def begin(self, ts_ns: int) -> None:
        """Open the feed with its first message: until a snapshot the book is not known, unless it starts empty."""
        self.latest_ns = ts_ns
        if self.starts_empty:
            self.known = True
        else:
            self._row(ts_ns, 0, 0, 0, NONE, NO_SIDE, FLAG_FEED_GAP | FLAG_LAST)

    def gap(self, ts_ns: int, reason: str) -> None:
        """Mark that messages are missing: the book is not known until the next snapshot."""
        self.counts[reason] += 1
        if not self.known:
            return
        self._row(ts_ns, 0, 0, 0, NONE, NO_SIDE, FLAG_FEED_GAP | FLAG_LAST)
        self.orders.clear()
        if self.starts_empty:
            self._row(ts_ns, 0, 0, 0, CLEAR, NO_SIDE, FLAG_LAST)
        else:
            self.known = False

    def restate(self, ts_ns: int, orders: Iterable[SnapshotOrder]) -> None:
        """Replace the whole book by a snapshot's orders, silently; orders that live on keep their numbers.

        Of an id that it lists twice, which two orders cannot have, the first counts.
        """
        before, self.orders = self.orders, {}
        self._row(ts_ns, 0, 0, 0, CLEAR, NO_SIDE, FLAG_SNAPSHOT)
        for order in orders:
            if self._refused(order.price, order.size):
                continue
            if order.key in self.orders:
                self.counts["skipped_order_listed_twice"] += 1
                continue
            known = before.get(order.key)
            number = self._new_id() if known is None else known.order_id
            self.orders[order.key] = LiveOrder(number, order.side, order.price, order.size)
            self._row(ts_ns, order.price, order.size, number, ADD, order.side, FLAG_SNAPSHOT)
        *fields, flags, publisher = self.rows.pop()
        self.rows.append((*fields, flags | FLAG_LAST, publisher))  # type: ignore[arg-type]  # eight fields again
        self.known = True
        self.snapshots += 1

    def add(self, key: Hashable, side: int, price: int, size: int, ts_ns: int, flags: int = FLAG_LAST) -> None:
        """Let an order rest; one that rests already becomes what is said of it now."""
        known = self.orders.get(key)
        if known is not None:
            self.counts["orders_added_twice"] += 1
            if known.side == side:
                self.modify(key, known, price, size, ts_ns)
                return
            self.cancel(key, known, ts_ns)
        if self._refused(price, size):
            return
        number = self._new_id()
        self.orders[key] = LiveOrder(number, side, price, size)
        self._row(ts_ns, price, size, number, ADD, side, flags)

    def modify(self, key: Hashable, order: LiveOrder, price: int, size: int, ts_ns: int) -> None:
        """Give an order another price or quantity; with none left, or out of range, it leaves the book."""
        if size <= 0 or self._refused(price, size):
            self.cancel(key, order, ts_ns)
            return
        order.price, order.size = price, size
        self._row(ts_ns, price, size, order.order_id, MODIFY, order.side, FLAG_LAST)

    def reduce(self, key: Hashable, order: LiveOrder, size: int, ts_ns: int) -> None:
        """Take a quantity out of an order that nobody executed."""
        order.size -= size
        if order.size <= 0:
            del self.orders[key]
        self._row(ts_ns, order.price, size, order.order_id, CANCEL, order.side, FLAG_LAST)

    def cancel(self, key: Hashable, order: LiveOrder, ts_ns: int, flags: int = FLAG_LAST) -> None:
        """Take the whole of an order out of the book that nobody executed."""
        del self.orders[key]
        self._row(ts_ns, order.price, order.size, order.order_id, CANCEL, order.side, flags)

    def execute(self, key: Hashable, order: LiveOrder, size: int, ts_ns: int) -> None:
        """Execute a quantity of an order: the fill, and the cancel that takes it out of the book.

        An execution of nothing is none: a cancel of size 0 would take the whole order.
        """
        if size <= 0:
            self.counts["skipped_execution_without_size"] += 1
            return
        self._row(ts_ns, order.price, size, order.order_id, FILL, order.side, 0)
        self.reduce(key, order, size, ts_ns)

    def _refused(self, price: int, size: int) -> bool:
        """Return whether an order cannot stand in the book, and count it then."""
        if -MAX_PRICE <= price <= MAX_PRICE and size > 0:
            return False
        self.counts["skipped_price_out_of_range" if size > 0 else "skipped_order_without_size"] += 1
        return True

    def _new_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def _row(self, ts_ns: int, price: int, size: int, order_id: int, action: int, side: int, flags: int) -> None:
        self.rows.append((ts_ns, price, size, order_id, action, side, flags, 0))

    def chunks(self, at_end: bool = False) -> Iterator[NDArray[np.void]]:
        """Yield the events that wait, where there are enough of them or no more will come."""
        if len(self.rows) < _ROWS_AT_ONCE and not at_end:
            return
        rows, self.rows = self.rows, []
        for start in range(0, len(rows), CHUNK_EVENTS):
            yield np.array(rows[start : start + CHUNK_EVENTS], EVENT_DTYPE)
