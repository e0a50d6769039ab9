"""Streams whose window wanders: prices jump far and come back, while flow flickers everywhere."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.event_rows import events_of
from tests.lattice.feed import EPOCH_NS, HOME_TICK, NS_PER_MS, TICK
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, CLEAR, FILL, FLAG_LAST, MODIFY, NO_SIDE

_BID_ID: Final = 1
_ASK_ID: Final = 2
_REACH: Final = 40
"""How far prices and flow stray from home, in ticks."""


def wandering_stream(seed: int, steps: int) -> NDArray[np.void]:
    """Return the events (EVENT_DTYPE) of `steps` steps, some 80 ms apart, with silences up to 4 s.

    One order a side makes the spread, and both move together. Flow is added and at once pulled or filled, on ticks
    near and far, so that ticks have a past when the window comes to them. Now and then the book is empty for a while.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[int, int, int, int, int, int, int]] = []
    ts_ns, mid, next_id = EPOCH_NS, HOME_TICK, _ASK_ID + 1
    for _ in range(steps):
        ts_ns += int(rng.integers(1_000, 4_000) if rng.random() < 0.03 else rng.integers(0, 160)) * NS_PER_MS
        draw = rng.random()
        if draw < 0.02:
            rows.append((ts_ns, 0, 0, 0, CLEAR, NO_SIDE, FLAG_LAST))
        elif draw < 0.20:
            jump = rng.integers(-_REACH, _REACH + 1) if rng.random() < 0.5 else mid - HOME_TICK + rng.integers(-2, 3)
            mid = HOME_TICK + int(jump)
            for order_id, side, tick in ((_BID_ID, BID, mid - 1), (_ASK_ID, ASK, mid + 1)):
                rows.append((ts_ns, tick * TICK, int(rng.integers(1, 9)), order_id, MODIFY, side, FLAG_LAST))
        else:
            side = BID if rng.random() < 0.5 else ASK
            away = int(rng.integers(-3, 4)) if rng.random() < 0.5 else int(rng.integers(-_REACH, _REACH + 1))
            price, size = (mid + away) * TICK, int(rng.integers(1, 20))
            rows.append((ts_ns, price, size, next_id, ADD, side, 0))
            if rng.random() < 0.4:
                rows.append((ts_ns, price, int(rng.integers(1, size + 1)), next_id, FILL, side, 0))
            rows.append((ts_ns, price, size, next_id, CANCEL, side, FLAG_LAST))
            next_id += 1
    return events_of(rows)
