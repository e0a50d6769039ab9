"""The table of virtual orders: for every bin and side, what would have become of a resting order decided there."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.compiled import Array
from vpharness.errors import DatasetError
from vpharness.execution.queue_kernel import end, follow
from vpharness.execution.queue_layout import VIRTUAL_ORDER_DTYPE, new_queue, with_room
from vpharness.lattice.layout import NO_SLOT, SIDE_ASK, SIDE_BID, LatticeState, make_room
from vpharness.order_fates import FATE_DTYPE, NONE, OPEN

_BEST_PRICES: Final = {int(SIDE_BID): "best_bid_price_int", int(SIDE_ASK): "best_ask_price_int"}
"""The column of the price at which an order of each side is decided."""


class OtherEventsError(DatasetError):
    """Bins and events do not belong together."""


def virtual_orders(
    bins: Mapping[str, Array],
    book: LatticeState,
    events: Iterable[NDArray[np.void]],
    *,
    latency_ns: int | Array,
    max_wait_ns: int,
) -> tuple[NDArray[np.void], int]:
    """Return the fate of a buy and a sell for every bin, and how many executions were out of turn.

    Args:
        bins: columns [n] of a dataset's bins: bin_end_ns, book_valid and the best prices.
        book: a fresh lattice state, of the dataset's tick size and eviction.
        events: EVENT_DTYPE arrays, in the order of the feed, from the first that shaped the book.
        latency_ns: from the decision to the arrival, for all bins or [n].
        max_wait_ns: from the arrival to the withdrawal.

    Returns: FATE_DTYPE [n, 2], buys before sells.

    Raises OtherEventsError where the bins are not of these events.
    """
    decided = np.flatnonzero(bins["book_valid"])
    latencies = latency_ns if isinstance(latency_ns, int) else latency_ns[decided]
    orders = _decided(
        {name: np.asarray(bins[name])[decided] for name in ("bin_end_ns", *_BEST_PRICES.values())},
        int(book.rules["tick_price"][0]),
        latencies,
        max_wait_ns,
    )
    places = np.stack((2 * decided, 2 * decided + 1), axis=1).reshape(-1)
    if not isinstance(latency_ns, int):
        # A later order may arrive first; nobody meets anybody, so each is followed as if it were alone.
        by_arrival = np.argsort(orders["arrival_ns"], kind="stable")
        orders, places = orders[by_arrival], places[by_arrival]
    queue = new_queue(orders)
    for chunk in events:
        book = make_room(book, chunk)
        queue = with_room(queue, book)
        follow(book, queue, chunk)
    end(book, queue, int(bins["bin_end_ns"][-1]))
    if misplaced := int(queue.cursor["misplaced"][0]):
        raise OtherEventsError(
            f"{misplaced} best prices of its bins are none of its events: they do not belong together; build it again"
        )
    fates = np.zeros(2 * len(bins["bin_end_ns"]), FATE_DTYPE)
    fates["reason"] = NONE
    fates["price"][places] = queue.orders["tick"] * book.rules["tick_price"][0]
    for name in ("fill_ns", "ahead_at_arrival", "executed", "reason"):
        fates[name][places] = queue.orders[name]
    return fates.reshape(-1, 2), int(queue.cursor["out_of_turn"][0])


def _decided(bins: Mapping[str, Array], tick_price: int, latency_ns: int | Array, max_wait_ns: int) -> NDArray[np.void]:
    """Return the orders that are decided in bins with a valid book, bin by bin, a buy before a sell."""
    orders = np.zeros((len(bins["bin_end_ns"]), 2), VIRTUAL_ORDER_DTYPE)
    orders["side"] = (SIDE_BID, SIDE_ASK)
    orders["reason"] = OPEN
    orders["arrival_ns"] = (bins["bin_end_ns"] + latency_ns)[:, None]
    orders["withdrawal_ns"] = orders["arrival_ns"] + max_wait_ns
    orders["level"] = orders["home"] = NO_SLOT
    for side, name in _BEST_PRICES.items():
        orders["tick"][:, side] = bins[name] // tick_price
    return orders.reshape(-1)
