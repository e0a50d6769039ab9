"""The book that a LOBSTER file starts from: one order a level stands for the orders that were there before."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.events.mbo_event import EVENT_DTYPE, FLAG_LAST, FLAG_SNAPSHOT

SEED_ID_BASE: Final = 1 << 62
"""Ids of seeded orders start here; no order of a file may have one so high."""


class SeededBook:
    """The remaining quantity of the seeded orders, one for each level.

    A cancel or execution of an order that was not added since, at a seeded price, draws on that level's order, until
    it is used up.
    """

    def __init__(self, levels: NDArray[np.void]) -> None:
        """Start from one event of EVENT_DTYPE a level: price, side and size."""
        self._snapshot = levels.astype(EVENT_DTYPE)
        self._snapshot["order_id"] = SEED_ID_BASE + np.arange(len(levels), dtype=np.uint64)
        self._left = {
            (int(level["side"]), int(level["price"])): [int(level["order_id"]), int(level["size"])]
            for level in self._snapshot
        }
        # An order stays where it was added (Nasdaq gives a moved one a new id), so that only ids added at a seeded
        # price need remembering, and only while that level lasts.
        self._added: dict[tuple[int, int], set[int]] = {level: set() for level in self._left}

    def events(self, ts_ns: int) -> NDArray[np.void]:
        """Return the snapshot: [levels] events that restate the book."""
        events = self._snapshot.copy()
        events["ts_ns"] = ts_ns
        events["flags"] = FLAG_SNAPSHOT
        events["flags"][-1:] |= FLAG_LAST
        return events

    def rename(self, is_add: NDArray[np.bool_], messages: NDArray[np.void]) -> None:
        """Give messages that reduce a seeded order its id, in place.

        is_add: [messages] bool; messages: fields order_id, side, price, size, type; an execution is one message.
        """
        if not self._left:
            return
        prices = np.array([price for _, price in self._left], np.int64)
        near = np.flatnonzero(np.isin(messages["price"], prices))
        columns = (messages[name][near].tolist() for name in ("side", "price", "order_id", "size"))
        for place, added, side, price, order_id, size in zip(
            near.tolist(), is_add[near].tolist(), *columns, strict=True
        ):
            level = (side, price)
            if level not in self._left:
                continue
            if added:
                self._added[level].add(order_id)
            elif order_id not in self._added[level]:
                messages["order_id"][place] = self._draw(level, size)

    def _draw(self, level: tuple[int, int], size: int) -> int:
        seed = self._left[level]
        seed[1] -= size
        if seed[1] <= 0:
            del self._left[level], self._added[level]
        return seed[0]
