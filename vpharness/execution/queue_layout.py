"""The state of virtual orders as arrays: what each holds, how it starts, and how it grows with the book's.

A virtual order is one that nobody placed. It is followed through the events of a market as it would have stood in the
queue of its level, of one unit, too small to change what happened.
"""

from typing import Final, NamedTuple

import numpy as np

from vpharness.compiled import Array
from vpharness.lattice.layout import NO_SLOT, LatticeState, lengthened

_I8: Final = np.int64

VIRTUAL_ORDER_DTYPE: Final = np.dtype(
    [
        ("arrival_ns", _I8),
        ("withdrawal_ns", _I8),
        ("tick", _I8),
        ("level", _I8),  # NO_SLOT while it does not wait
        ("home", _I8),  # the level that it arrived at; NO_SLOT before, and where it was rejected
        ("position", _I8),  # its place in the order of all arrivals and insertions
        ("ahead", _I8),  # what is left of the orders ahead of it
        ("ahead_at_arrival", _I8),
        ("executed", _I8),  # at its price and side, from its arrival to its withdrawal or, before it, to now
        ("fill_ns", _I8),
        ("older", _I8),  # neighbours among the virtual orders that wait at its level
        ("newer", _I8),
        ("side", np.int8),  # SIDE_BID or SIDE_ASK
        ("reason", np.int8),
        ("hit", np.bool_),  # whether the present event executed an order behind it
    ],
    align=True,
)

CURSOR_DTYPE: Final = np.dtype(
    [
        ("arrived", _I8),  # orders before this one have arrived
        ("withdrawn", _I8),  # orders before this one do not wait any more
        ("measured", _I8),  # what was executed within the waits of orders before this one is known
        ("position", _I8),  # the place of the next arrival or insertion
        ("out_of_turn", _I8),  # fills behind an order of which something was left ahead, once an order and event
        ("misplaced", _I8),  # orders at prices at which nobody ever rested: the bins are not of these events
        ("waiting", _I8, (2,)),  # by side
        ("keenest_tick", _I8, (2,)),  # no order that waits has a better price for the other side
        ("worst_fill_tick", _I8, (2,)),  # of the resting orders executed in the present event
        ("has_fill", _I8, (2,)),  # 1 where there was one of that side
        ("under_way", _I8),  # 1 while the present event is not over
    ],
    align=True,
)


class QueueState(NamedTuple):
    """Virtual orders and what they need to know of the book's. Kernels change the arrays in place."""

    cursor: Array  # CURSOR_DTYPE [1]
    orders: Array  # VIRTUAL_ORDER_DTYPE [n], in the order of their arrivals and of their withdrawals
    left: Array  # int64 [orders of the book]: size after the last A, C or M, less the F since
    position: Array  # int64 [orders of the book]: place in the order of arrivals and insertions
    level_left: Array  # int64 [levels of the book]: what is left of all its orders
    level_executed: Array  # int64 [levels of the book]: what was executed (F) of its orders so far
    oldest: Array  # int64 [levels of the book]: ends of the queue of virtual orders that wait there
    newest: Array


def new_queue(orders: Array) -> QueueState:
    """Return the state before the first event; `orders` is VIRTUAL_ORDER_DTYPE [n], reason NONE or OPEN."""
    return QueueState(
        cursor=np.zeros(1, CURSOR_DTYPE),
        orders=orders,
        left=np.zeros(0, _I8),
        position=np.zeros(0, _I8),
        level_left=np.zeros(0, _I8),
        level_executed=np.zeros(0, _I8),
        oldest=np.zeros(0, _I8),
        newest=np.zeros(0, _I8),
    )


def with_room(queue: QueueState, book: LatticeState) -> QueueState:
    """Return the state with arrays as long as the book's."""
    if len(queue.left) < len(book.orders):
        queue = queue._replace(
            left=lengthened(queue.left, len(book.orders)), position=lengthened(queue.position, len(book.orders))
        )
    if len(queue.level_left) < len(book.levels):
        queue = queue._replace(
            level_left=lengthened(queue.level_left, len(book.levels)),
            level_executed=lengthened(queue.level_executed, len(book.levels)),
            oldest=lengthened(queue.oldest, len(book.levels), NO_SLOT),
            newest=lengthened(queue.newest, len(book.levels), NO_SLOT),
        )
    return queue


def without_first(queue: QueueState, count: int) -> QueueState:
    """Return the state without its first orders, none of which waits any more; later ones move up."""
    orders, cursor = queue.orders[count:].copy(), queue.cursor.copy()
    for name in ("older", "newer"):
        orders[name][orders["level"] != NO_SLOT] = _moved_up(orders[name][orders["level"] != NO_SLOT], count)
    for name in ("arrived", "withdrawn", "measured"):
        cursor[name] -= count
    ends = {"oldest": _moved_up(queue.oldest, count), "newest": _moved_up(queue.newest, count)}
    return queue._replace(cursor=cursor, orders=orders, **ends)


def _moved_up(places: Array, count: int) -> Array:
    return np.where(places == NO_SLOT, NO_SLOT, places - count)
