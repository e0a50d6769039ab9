"""The canonical market-by-order event: one NumPy structured record for every source, and its codes.

Prices are integers in units of 1e-9, times are nanoseconds since the Unix epoch, UTC, and quantities are integers in
units of the source's `size_unit`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.prices import PRICE_SCALE

ADD: Final = ord("A")
CANCEL: Final = ord("C")
MODIFY: Final = ord("M")
CLEAR: Final = ord("R")
TRADE: Final = ord("T")
FILL: Final = ord("F")
NONE: Final = ord("N")
ACTIONS: Final = (ADD, CANCEL, MODIFY, CLEAR, TRADE, FILL, NONE)
"""What Databento's schema MBO knows too."""
HALT: Final = ord("H")
"""Trading has stopped: the book goes on changing, and is not valid until RESUME."""
RESUME: Final = ord("O")
"""Trading has opened again."""
RESTATE: Final = ord("S")
"""An order has this size from now on, and is gone at size 0, whatever was known of it: a source that knows better sets
the book right. It is no record of the feed: nobody counts it, and with FLAG_SNAPSHOT it is no flow either."""

BID: Final = ord("B")
ASK: Final = ord("A")
NO_SIDE: Final = ord("N")
SIDES: Final = (BID, ASK, NO_SIDE)

FLAG_LAST: Final = 128
"""The record is the last one of its exchange event."""
FLAG_TOP_OF_BOOK: Final = 64
"""The record is the best price of one side, in place of orders: it replaces that side of its publisher's book."""
FLAG_SNAPSHOT: Final = 32
"""The record restates the book and is no flow."""
FLAG_BY_PRICE: Final = 16
"""The record is a price level in place of orders: it replaces that level of its publisher's book."""
FLAG_FEED_GAP: Final = 4
"""Records before this one may be missing: the book is not valid until it has been restated (a snapshot, or a CLEAR)."""

MAX_PRICE: Final = 1_000_000_000 * PRICE_SCALE
"""The highest price that an order may have, and its negative the lowest."""
UNDEFINED_PRICE: Final = (1 << 63) - 1
"""Stands for no price: a side without one, in a record of FLAG_TOP_OF_BOOK."""

EVENT_DTYPE: Final = np.dtype(
    [
        ("ts_ns", np.int64),
        ("price", np.int64),
        ("size", np.int64),
        ("order_id", np.uint64),
        ("action", np.uint8),
        ("side", np.uint8),
        ("flags", np.uint8),
        ("publisher", np.uint16),
    ],
    align=True,
)
"""One event. `action` and `side` hold the ASCII code of their letter; order ids are unique within a publisher (venue),
which is 0 where a source has one."""


_FIELDS_BEFORE_PUBLISHERS: Final = tuple(name for name in EVENT_DTYPE.names or () if name != "publisher")


def with_publisher(events: NDArray[np.void]) -> NDArray[np.void]:
    """Return events that were written before they had a publisher as publisher 0's, and any others as they are."""
    if events.dtype.names != _FIELDS_BEFORE_PUBLISHERS:
        return events
    if any(events.dtype[name] != EVENT_DTYPE[name] for name in _FIELDS_BEFORE_PUBLISHERS):
        return events
    later = np.zeros(events.shape, EVENT_DTYPE)
    for name in _FIELDS_BEFORE_PUBLISHERS:
        later[name] = events[name]
    return later
