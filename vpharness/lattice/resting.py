"""What rests in a book, as events: how a second lattice comes to the same book in the middle of a feed."""

import numpy as np

from vpharness.events.schema import ADD, ASK, BID, CLEAR, EVENT_DTYPE, FLAG_LAST, FLAG_SNAPSHOT, NO_SIDE
from vpharness.lattice.hash_table import NOWHERE
from vpharness.lattice.layout import NO_TIME, SIDE_BID, LatticeState
from vpharness.lattice.types import Array


def resting_orders(state: LatticeState) -> Array:
    """Return the orders of a book as a snapshot: a clear and an add for each, EVENT_DTYPE, at the lattice's time.

    They stand in the order in which they entered, so that a lattice of other parameters, but of the same ticks, which
    takes them in has the same book with the same queues. What was remembered of fills at that very nanosecond is not
    in it. Empty before the first event.
    """
    clock = state.clock[0]
    if clock["now_ns"] == NO_TIME:
        return np.zeros(0, EVENT_DTYPE)
    slots = state.order_table["slot"]
    orders = state.orders[slots[slots != NOWHERE]]
    orders = orders[np.argsort(orders["entered"], kind="stable")]
    snapshot = np.zeros(1 + len(orders), EVENT_DTYPE)
    snapshot["ts_ns"], snapshot["flags"] = clock["now_ns"], FLAG_SNAPSHOT
    snapshot["action"], snapshot["side"] = ADD, NO_SIDE
    snapshot["action"][0] = CLEAR
    adds = snapshot[1:]
    adds["price"] = state.ticks["tick"][orders["level"] // 2] * state.rules["tick_price"][0]
    adds["size"], adds["order_id"] = orders["quantity"], orders["order_id"]
    adds["side"] = np.where(orders["level"] % 2 == SIDE_BID, BID, ASK)
    snapshot["flags"][-1] |= FLAG_LAST
    return snapshot
