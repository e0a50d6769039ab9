"""A session and the resting orders of its fires on one feed: placed as it fires, followed until their fate is known."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpharness.execution.live_orders import LiveOrders
from vpharness.live.live_model import ScoredBin
from vpharness.live.live_session import LiveSession
from vpharness.order_fates import FATE_DTYPE, VirtualOrder


class FollowedOrders:
    """The orders of a session's fires, at whatever threshold, with what has become of them so far."""

    def __init__(self, orders: LiveOrders) -> None:
        """Begin with orders that stand where the session stands in the feed."""
        self.orders = orders
        self.bins = 0
        self._found: dict[tuple[int, int], tuple[int, VirtualOrder]] = {}

    def iterate(
        self, session: LiveSession, events: NDArray[np.void], complete_to_ns: int | None = None
    ) -> Iterator[ScoredBin]:
        """Do what the session's `iterate` does, and place and follow orders on the way. All bins must be taken."""
        bins = session.iterate(events, complete_to_ns)
        self.orders.take(events)
        for scored in bins:
            self._close(scored)
            yield scored
        self.orders.catch_up(complete_to_ns)

    def take_bin(
        self, session: LiveSession, row: NDArray[np.void], grid: Mapping[str, NDArray[Any]], events: NDArray[np.void]
    ) -> ScoredBin:
        """Take in a finished bin from a dataset, and the events that made it: those before its end."""
        self.orders.take(events)
        scored = session.take_bin(row, grid)
        self._close(scored)
        return scored

    def fates_from(self, first: int = 0) -> NDArray[np.void]:
        """Return FATE_DTYPE [bins from one on, 2], buys before sells, as a table has them; zeros where none was.

        Of what was executed beside an order nothing is said: that goes on after its fate is known.
        """
        fates = np.zeros((max(0, self.bins - first), 2), FATE_DTYPE)
        for place, order in reversed(self._found.values()):
            if place < first:
                break
            fate = fates[place - first, 0 if order.direction > 0 else 1]
            fate["price"], fate["fill_ns"], fate["reason"] = order.price, order.fill_ns, order.reason
            fate["ahead_at_arrival"] = order.ahead_at_arrival
        return fates

    def _close(self, scored: ScoredBin) -> None:
        """Note the orders whose fate is known since a bin that is over, and place those of its fires."""
        for order in self.orders.close(int(scored.row["bin_end_ns"][0])):
            key = order.decided_ns, order.direction
            if key in self._found:  # not one of before a state that was saved
                self._found[key] = self._found[key][0], order
        for direction in sorted({fire for fire in scored.fires if fire}):
            order = self.orders.place(scored.row, direction)
            self._found[order.decided_ns, direction] = self.bins, order
        self.bins += 1
