"""The canonical market-by-order event: one NumPy structured record for every source, and its codes.

Prices are integers in units of 1e-9, times are nanoseconds since the Unix epoch, UTC, and quantities are integers in
units of the source's `size_unit`.
"""

from typing import Final

import numpy as np

from vpharness.prices import PRICE_SCALE

ADD: Final = ord("A")
CANCEL: Final = ord("C")
MODIFY: Final = ord("M")
CLEAR: Final = ord("R")
TRADE: Final = ord("T")
FILL: Final = ord("F")
NONE: Final = ord("N")
ACTIONS: Final = (ADD, CANCEL, MODIFY, CLEAR, TRADE, FILL, NONE)

BID: Final = ord("B")
ASK: Final = ord("A")
NO_SIDE: Final = ord("N")
SIDES: Final = (BID, ASK, NO_SIDE)

FLAG_LAST: Final = 128
"""The record is the last one of its exchange event."""
FLAG_SNAPSHOT: Final = 32
"""The record restates the book and is no flow."""

MAX_PRICE: Final = 1_000_000_000 * PRICE_SCALE
"""The highest price that an order may have."""

EVENT_DTYPE: Final = np.dtype(
    [
        ("ts_ns", np.int64),
        ("price", np.int64),
        ("size", np.int64),
        ("order_id", np.uint64),
        ("action", np.uint8),
        ("side", np.uint8),
        ("flags", np.uint8),
    ],
    align=True,
)
"""One event. `action` and `side` hold the ASCII code of their letter."""
