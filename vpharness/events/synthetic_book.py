"""The synthetic market's book and the records that change it.

Every level from the best price to the deepest holds at least one order, so a side is told by its best tick and its
number of levels, and its queues lie in a ring that is indexed by the tick. Prices are ticks here.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpharness.compiled import kernel
from vpharness.events.mbo_event import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    FILL,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MODIFY,
    NO_SIDE,
    TRADE,
)
from vpharness.events.synthetic_moves import MOST_JUMP_TICKS

BID_SIDE: Final = 0
ASK_SIDE: Final = 1
"""A side's index; the other side's is one minus it. Deeper is a lower tick for bids and a higher one for asks."""

FEWEST_LEVELS: Final = 52
"""A side's levels after each exchange event. The gap to MOST_LEVELS keeps a flickering best price from moving the far
end each time."""
MOST_ORDERS: Final = 32
"""The most orders in one queue."""
RING_SLOTS: Final = 256
"""A power of two above the span of both sides, their spread and a jump."""
MOST_RECORDS: Final = (2 * MOST_JUMP_TICKS + MOST_JUMP_TICKS) * (MOST_ORDERS + 1) * 2
"""More records than one exchange event can have: a jump takes, makes and trims levels, none longer than a queue."""
MOST_SNAPSHOT_RECORDS: Final = 1 + 2 * FEWEST_LEVELS * MOST_ORDERS

QUEUED_DTYPE: Final = np.dtype([("order_id", np.int64), ("size", np.int64)])
CLOCK_DTYPE: Final = np.dtype(
    [
        ("ts_ns", np.int64),
        ("next_order_id", np.int64),
        ("record_flags", np.uint8),
        ("written", np.int64),
        ("next_move", np.int64),
        ("excitation", np.float64),
        ("near_signed", np.float64),
        ("near_total", np.float64),
    ]
)
"""The market's scalars: the time; the next order's id; the flags of each record written; how many records `events`
holds; which move of the minute comes next; what past events add to the rate of the next, per second; and the decayed
sums of signed and of all quantity added or pulled near the touch."""


class SimulatedMarket(NamedTuple):
    """The state of a market, changed in place.

    queue_length: [RING_SLOTS] orders at a tick; queues: [RING_SLOTS, MOST_ORDERS] of QUEUED_DTYPE, first come first;
    best: [2] best tick of a side; levels: [2] levels of a side; clock: [1] of CLOCK_DTYPE; events: the records of the
    chunk that is being written, of EVENT_DTYPE, prices in ticks.
    """

    queue_length: NDArray[np.int64]
    queues: NDArray[Any]
    best: NDArray[np.int64]
    levels: NDArray[np.int64]
    clock: NDArray[Any]
    events: NDArray[Any]


def empty_market(best_bid: int, ts_ns: int, events: NDArray[np.void]) -> SimulatedMarket:
    """Return a market without orders that will open with a spread of one tick and write into `events`."""
    clock = np.zeros(1, CLOCK_DTYPE)
    clock["ts_ns"] = ts_ns
    clock["next_order_id"] = 1
    return SimulatedMarket(
        queue_length=np.zeros(RING_SLOTS, np.int64),
        queues=np.zeros((RING_SLOTS, MOST_ORDERS), QUEUED_DTYPE),
        best=np.array([best_bid, best_bid + 1], np.int64),
        levels=np.zeros(2, np.int64),
        clock=clock,
        events=events,
    )


@kernel
def tick_at(market: SimulatedMarket, side: int, distance: int) -> int:
    """Return the tick that lies `distance` levels behind the best of a side; a negative distance lies before it."""
    best: int = market.best[side]
    return best + (distance if side == ASK_SIDE else -distance)


@kernel
def slot_of(tick: int) -> int:
    """Return where in the ring a tick's queue lies."""
    return tick & (RING_SLOTS - 1)


@kernel
def level_quantity(market: SimulatedMarket, slot: int) -> int:
    """Return the quantity that rests in a queue."""
    quantity = 0
    for position in range(market.queue_length[slot]):
        quantity += market.queues[slot, position].size
    return quantity


@kernel
def record(market: SimulatedMarket, action: int, side_code: int, tick: int, size: int, order_id: int) -> None:
    """Write one record at the market's time."""
    clock = market.clock[0]
    event = market.events[clock.written]
    event.ts_ns = clock.ts_ns
    event.price = tick
    event.size = size
    event.order_id = order_id
    event.action = action
    event.side = side_code
    event.flags = clock.record_flags
    clock.written += 1


@kernel
def end_exchange_event(market: SimulatedMarket) -> None:
    """Mark the last record written as the last of its exchange event."""
    market.events[market.clock[0].written - 1].flags |= FLAG_LAST


@kernel
def side_code(side: int) -> int:
    """Return the letter of a side in records."""
    return BID if side == BID_SIDE else ASK


@kernel
def new_order_id(market: SimulatedMarket) -> int:
    """Take the next order id."""
    clock = market.clock[0]
    order_id: int = clock.next_order_id
    clock.next_order_id += 1
    return order_id


@kernel
def _append(market: SimulatedMarket, slot: int, order_id: int, size: int) -> None:
    order = market.queues[slot, market.queue_length[slot]]
    order.order_id = order_id
    order.size = size
    market.queue_length[slot] += 1


@kernel
def _remove(market: SimulatedMarket, slot: int, position: int) -> None:
    market.queue_length[slot] -= 1
    for behind in range(position, market.queue_length[slot]):
        market.queues[slot, behind] = market.queues[slot, behind + 1]


@kernel
def add(market: SimulatedMarket, side: int, tick: int, size: int) -> None:
    """Place a new order at the end of a queue that has room."""
    order_id = new_order_id(market)
    _append(market, slot_of(tick), order_id, size)
    record(market, ADD, side_code(side), tick, size, order_id)


@kernel
def cancel(market: SimulatedMarket, side: int, tick: int, position: int) -> None:
    """Take a whole order out of its queue."""
    slot = slot_of(tick)
    order = market.queues[slot, position]
    record(market, CANCEL, side_code(side), tick, order.size, order.order_id)
    _remove(market, slot, position)


@kernel
def resize(market: SimulatedMarket, side: int, tick: int, position: int, size: int) -> None:
    """Modify an order's size; one that grows loses its place in the queue."""
    slot = slot_of(tick)
    order = market.queues[slot, position]
    grows, order_id = size > order.size, order.order_id
    record(market, MODIFY, side_code(side), tick, size, order_id)
    if grows:
        _remove(market, slot, position)
        _append(market, slot, order_id, size)
    else:
        order.size = size


@kernel
def reprice(market: SimulatedMarket, side: int, tick: int, position: int, new_tick: int) -> None:
    """Modify an order's price: it goes to the end of the queue at its new tick, which must have room."""
    slot = slot_of(tick)
    order_id, size = market.queues[slot, position].order_id, market.queues[slot, position].size
    record(market, MODIFY, side_code(side), new_tick, size, order_id)
    _remove(market, slot, position)
    _append(market, slot_of(new_tick), order_id, size)


@kernel
def execute(market: SimulatedMarket, side: int, tick: int, quantity: int, aggressor_id: int) -> None:
    """Fill a queue from its front, as CME reports it: the trade, its fills, then what they leave of each order.

    `side` rests; `quantity` must not exceed what does.
    """
    slot, resting = slot_of(tick), side_code(side)
    record(market, TRADE, side_code(1 - side), tick, quantity, aggressor_id)
    left, position = quantity, 0
    while left > 0:
        order = market.queues[slot, position]
        filled = min(left, order.size)
        record(market, FILL, resting, tick, filled, order.order_id)
        left -= filled
        position += 1
    left = quantity
    while left > 0:
        size = market.queues[slot, 0].size
        if size <= left:
            cancel(market, side, tick, 0)
        else:
            resize(market, side, tick, 0, size - left)
        left -= size


@kernel
def clear(market: SimulatedMarket) -> None:
    """Write the clear record that opens a snapshot; the records that follow belong to it until `end_snapshot`."""
    market.clock[0].record_flags = FLAG_SNAPSHOT
    record(market, CLEAR, NO_SIDE, 0, 0, 0)


@kernel
def end_snapshot(market: SimulatedMarket) -> None:
    """End the snapshot with the last record written."""
    end_exchange_event(market)
    market.clock[0].record_flags = 0
