"""Signals as plain functions of what can be seen at each bin: some that know nothing, and one that knows an edge."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Seen = dict[str, NDArray[np.float64]]
"""[T] each: "noise", standard normal; "spread", ticks; "busy", 1 or 0; and what else a market shows (see `paths`)."""

Signal = Callable[[Seen], NDArray[np.float64]]


def anywhere(seen: Seen) -> NDArray[np.float64]:
    """Fire at random times in random directions."""
    return np.where(np.abs(seen["noise"]) > 2.2, np.sign(seen["noise"]), 0.0)


def when_narrow(seen: Seen) -> NDArray[np.float64]:
    """Fire when the spread is one tick, in random directions."""
    return np.where((seen["spread"] == 1) & (np.abs(seen["noise"]) > 1.8), np.sign(seen["noise"]), 0.0)


def when_busy(seen: Seen) -> NDArray[np.float64]:
    """Fire when the market is busy, in random directions."""
    return np.where((seen["busy"] == 1) & (np.abs(seen["noise"]) > 1.8), np.sign(seen["noise"]), 0.0)


def when_calm(seen: Seen) -> NDArray[np.float64]:
    """Fire when the market is calm, which is rare, in random directions."""
    return np.where((seen["calm"] == 1) & (np.abs(seen["noise"]) > 1.3), np.sign(seen["noise"]), 0.0)


def slowly_turning(seen: Seen) -> NDArray[np.float64]:
    """Fire at random times in a direction that nothing follows and that turns every ten minutes or so."""
    return np.where(np.abs(seen["noise"]) > 2.2, seen["turning"], 0.0)


def after_moves(seen: Seen) -> NDArray[np.float64]:
    """Fire right after some of the moves of the mid, the way it went."""
    return np.where(np.abs(seen["noise"]) > 1.3, seen["moved"], 0.0)


def always_long(seen: Seen) -> NDArray[np.float64]:
    """Fire at random times upwards."""
    return np.where(np.abs(seen["noise"]) > 2.2, 1.0, 0.0)


def along_the_lean(seen: Seen) -> NDArray[np.float64]:
    """Fire at random times in the direction that moves lean to, where they do."""
    return np.where(np.abs(seen["noise"]) > 2.2, seen["lean"], 0.0)
