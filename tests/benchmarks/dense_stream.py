"""A dense stream of events: about 10,000 live orders, fills included, thousands of events a bin."""

import numpy as np
from numpy.typing import NDArray

from tests.event_rows import events_of
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, FILL, MODIFY
from vpharness.prices import PRICE_SCALE

LIVE_ORDERS = 10_000
EVENTS_PER_BIN = 6_000
BIN_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000
TICK = PRICE_SCALE // 4
LEVELS = 40
MIDDLE = 4_000

Row = tuple[int, int, int, int, int, int, int]


def dense_stream(events: int, seed: int = 1) -> NDArray[np.void]:
    """Make a stream on a 0.25 tick: orders come and go on 40 levels a side, a tenth of the events are fills."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    live: list[tuple[int, int, int, int]] = []  # order id, price, side, size
    for order_id in range(LIVE_ORDERS):
        live.append(_new_order(rng, order_id))
        rows.append((START_NS, live[-1][1], live[-1][3], order_id, ADD, live[-1][2], 128))
    while len(rows) < LIVE_ORDERS + events:
        time_ns = START_NS + (len(rows) - LIVE_ORDERS) * BIN_NS // EVENTS_PER_BIN
        rows += _step(rng, live, len(rows), time_ns)
    return events_of(rows)


def _new_order(rng: np.random.Generator, order_id: int) -> tuple[int, int, int, int]:
    side = BID if rng.random() < 0.5 else ASK
    distance = int(rng.integers(1, LEVELS))
    return order_id, (MIDDLE - distance if side == BID else MIDDLE + distance) * TICK, side, 10


def _step(rng: np.random.Generator, live: list[tuple[int, int, int, int]], number: int, time_ns: int) -> list[Row]:
    draw = rng.random()
    if draw < (0.4 if len(live) < LIVE_ORDERS else 0.3):
        live.append(_new_order(rng, number))
        return [(time_ns, live[-1][1], 10, number, ADD, live[-1][2], 128)]
    place = int(rng.integers(len(live)))
    order_id, price, side, size = live[place]
    if draw < 0.75:
        live[place] = live[-1]
        live.pop()
        return [(time_ns, price, size, order_id, CANCEL, side, 128)]
    if draw < 0.85 and size > 1:
        live[place] = (order_id, price, side, size - 1)
        fill = (time_ns, price, 1, order_id, FILL, side, 0)
        return [fill, (time_ns, price, size - 1, order_id, MODIFY, side, 128)]
    live[place] = (order_id, price, side, size + 5)
    return [(time_ns, price, size + 5, order_id, MODIFY, side, 128)]
