"""What becomes of a virtual order, one that nobody placed and that is followed through the queues of a market."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

REASONS: Final = ("none", "open", "rejected", "withdrawn", "cleared", "through", "behind", "crossed")
"""What became of a virtual order.

none: there was no valid book to decide by; open: the events ended before its fate was known; rejected: on arrival it
would have traded at once, or a snapshot was under way; withdrawn: unfilled after the longest wait; cleared: the book
was cleared or restated while it waited. The others are fills. through: an order at a worse price was executed; behind:
one further back in its queue was; crossed: an order on the other side came to rest at its price or beyond, and nothing
was left in front of it.
"""
NONE, OPEN, REJECTED, WITHDRAWN, CLEARED, THROUGH, BEHIND, CROSSED = range(len(REASONS))
FILLS: Final = (THROUGH, BEHIND, CROSSED)


def is_filled(reason: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return where reasons, places among REASONS, are fills: these are the last of them."""
    filled: NDArray[np.bool_] = reason >= min(FILLS)
    return filled


FATE_DTYPE: Final = np.dtype(
    [
        ("price", np.int64),  # 1e-9 units; 0 where there is no order
        ("fill_ns", np.int64),  # 0 where it was not filled
        ("ahead_at_arrival", np.int64),  # quantity, in units of the source's size_unit
        (
            "executed",
            np.int64,
        ),  # quantity executed at its side and price within its longest wait
        ("reason", np.int8),  # its place among REASONS
    ],
    align=True,
)
"""The fate of one virtual order. A table of them is [bins, 2]: a buy and a sell decided at the end of each bin.

`executed` goes on to the end of the longest wait whatever became of the order, or to the last event where that comes
before; it is 0 where the order was rejected. It bounds what a larger order could have been filled of in turn.
"""
