"""A plain book of dictionaries, and what it sees when it replays a source's events one by one."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vpharness.events.mbo_event import FLAG_LAST, FLAG_SNAPSHOT

TOWARDS_UP = {"B": 1, "A": -1}


@dataclass
class PlainBook:
    """Live orders by id, as (side, price, size), and the quantity at each price of a side.

    `filled` is what fills still have to take out of an order; `net_flow` the quantity that was added and not pulled
    since the start, bids less asks.
    """

    orders: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    depth: dict[str, dict[int, int]] = field(default_factory=lambda: {"B": {}, "A": {}})
    filled: Counter[int] = field(default_factory=Counter)
    net_flow: int = 0

    def put(self, order_id: int, side: str, price: int, size: int) -> None:
        """Let an order rest."""
        assert size > 0
        self.orders[order_id] = (side, price, size)
        self.depth[side][price] = self.depth[side].get(price, 0) + size
        self.net_flow += TOWARDS_UP[side] * size

    def take(self, order_id: int) -> tuple[str, int, int]:
        """Remove an order; a KeyError says that it is unknown."""
        side, price, size = self.orders.pop(order_id)
        self.depth[side][price] -= size
        if self.depth[side][price] == 0:
            del self.depth[side][price]
        self.net_flow -= TOWARDS_UP[side] * (size - self.filled.pop(order_id, 0))
        return side, price, size

    def best(self) -> tuple[int, int]:
        """Return the best bid and the best ask."""
        return max(self.depth["B"]), min(self.depth["A"])


def replay(events: NDArray[np.void]) -> Iterator[tuple[int, PlainBook]]:
    """Yield (index of its last record, the book) after each exchange event; an id must be known, a new order's new."""
    book = PlainBook()
    names = ("price", "size", "order_id", "action", "side", "flags")
    columns = zip(*(events[name].tolist() for name in names), strict=True)
    for index, (price, size, order_id, action_code, side_code, flags) in enumerate(columns):
        _apply(book, chr(action_code), chr(side_code), price, size, order_id)
        if flags & FLAG_SNAPSHOT:
            book.net_flow = 0
        if flags & FLAG_LAST:
            assert not book.filled, "a fill was not taken out of the book in its own exchange event"
            yield index, book


def _apply(book: PlainBook, action: str, side: str, price: int, size: int, order_id: int) -> None:
    filled = book.filled[order_id] if action in "CM" else 0
    if action == "A":
        assert order_id not in book.orders
        book.put(order_id, side, price, size)
    elif action == "C":
        assert filled in (0, size), "a cancel takes out what was filled, or an order nobody filled"
        assert book.take(order_id) == (side, price, size)
    elif action == "M":
        old_side, _, old_size = book.take(order_id)
        assert old_side == side
        assert filled in (0, old_size - size), "a modify takes out what was filled, or an order nobody filled"
        book.put(order_id, side, price, size)
    elif action == "F":
        assert book.orders[order_id][:2] == (side, price)
        book.filled[order_id] += size
    else:
        assert action in "RT"
