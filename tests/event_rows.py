"""Events written as rows, for tests of the lattice and all that stands on it."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vpharness.events.mbo_event import EVENT_DTYPE


def events_of(rows: Iterable[tuple[int, ...]]) -> NDArray[np.void]:
    """Return rows of time, price, size, order id, action, side and flags as events of one publisher."""
    return np.array([(*row, 0) for row in rows], EVENT_DTYPE)
