"""What becomes of a virtual order, one that nobody placed and that is followed through the queues of a market."""

from dataclasses import dataclass
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

RESTING: Final = "resting"
FILLED: Final = "filled"


def is_filled(reason: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return where reasons, places among REASONS, are fills: these are the last of them."""
    filled: NDArray[np.bool_] = reason >= min(FILLS)
    return filled


FATE_DTYPE: Final = np.dtype(
    [
        ("price", np.int64),  # 1e-9 units; 0 where there is no order
        ("fill_ns", np.int64),  # 0 where it was not filled
        ("ahead_at_arrival", np.int64),  # quantity, in units of the source's size_unit
        ("executed", np.int64),  # quantity executed at its side and price within its longest wait
        ("reason", np.int8),  # its place among REASONS
    ],
    align=True,
)
"""The fate of one virtual order. A table of them is [bins, 2]: a buy and a sell decided at the end of each bin.

`executed` goes on to the end of the longest wait whatever became of the order, or to the last event where that comes
before; it is 0 where the order was rejected. It bounds what a larger order could have been filled of in turn.
"""


@dataclass(frozen=True)
class VirtualOrder:
    """A virtual order, as far as its fate is known.

    Attributes:
        decided_ns: the end of the bin at which it was decided, ns since the Unix epoch.
        direction: +1 to buy, -1 to sell.
        price: 1e-9 price units; 0 where there was no valid book to decide by.
        reason: its place among REASONS; OPEN while it is on its way or waits.
        fill_ns: when it was filled; 0 where it is not.
        ahead_at_arrival: quantity, in units of the source's size_unit.
    """

    decided_ns: int
    direction: int
    price: int
    reason: int = OPEN
    fill_ns: int = 0
    ahead_at_arrival: int = 0

    @property
    def is_filled(self) -> bool:
        """Whether the market has filled it."""
        return self.reason in FILLS

    @property
    def state(self) -> str:
        """Its state in one word: resting (on its way included), filled, rejected, withdrawn, cleared, or none."""
        if self.is_filled:
            return FILLED
        return RESTING if self.reason == OPEN else REASONS[self.reason]


def no_order(decided_ns: int, direction: int) -> VirtualOrder:
    """Return what stands for an order where there was no valid book to decide by."""
    return VirtualOrder(decided_ns, direction, 0, NONE)
