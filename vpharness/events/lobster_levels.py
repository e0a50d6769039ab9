"""The levels of a LOBSTER book and the orders that make them up: what a message, and what a row, does to them.

A level's quantity is made up of the orders that were added in view, and of one *standing* order for all those that
were there before the level came into view. A cancel or an execution of an order that is not known draws on its level's
standing order, as long as there is one.

Prices are in units of 1e-9, sizes in shares. Each side's levels are kept best first, and a level's orders oldest first.
"""

from typing import Final, NamedTuple

import numpy as np

from vpharness.compiled import Array, Key, Record, inlined_kernel
from vpharness.events.mbo_event import ASK, BID, FLAG_LAST, FLAG_SNAPSHOT, RESTATE

STANDING_ID_BASE: Final = 1 << 62
"""Ids of standing orders begin here; no order of a file may have one so high."""

KEPT_LEVELS: Final = 2048
"""How many levels out of view are kept as last seen; of more, those farthest away are forgotten, and counted."""

NOWHERE: Final = -1
NO_EDGE: Final = -1
BIDS, ASKS = 0, 1

ORDER_DTYPE: Final = np.dtype(
    [
        ("order_id", np.uint64),
        ("level", np.int64),
        ("left", np.int64),
        ("older", np.int64),
        ("newer", np.int64),
    ],
    align=True,
)
"""An order of which `left` rests at `level`. One with nothing left stays known while its level has a standing order,
on which it must not draw."""
LEVEL_DTYPE: Final = np.dtype(
    [
        ("price", np.int64),
        ("quantity", np.int64),
        ("standing_id", np.uint64),
        ("standing_left", np.int64),
        ("oldest", np.int64),
        ("newest", np.int64),
        ("side", np.uint8),
    ],
    align=True,
)
COUNTERS_DTYPE: Final = np.dtype(
    [
        ("next_standing_id", np.uint64),
        ("known", np.int64),  # orders with a level, and standing orders
        ("free_levels", np.int64),
        ("written", np.int64),  # events, of the present call
        ("wrong_row", np.int64),  # whose prices are not in order; NOWHERE where there is none
        ("out_of_view", np.int64),
        ("set_right", np.int64),
        ("forgotten", np.int64),  # levels out of view for which there was no room
    ],
    align=True,
)


class LobsterBook(NamedTuple):
    """The state of the book, which is changed in place."""

    orders: Array  # ORDER_DTYPE [n]
    levels: Array  # LEVEL_DTYPE [m]
    free: Array  # int64 [m], places of unused levels, the first `free_levels` of them
    places: Array  # int64 [2, m], the levels of each side, best first
    counts: Array  # int64 [2], how many levels each side has
    edges: (
        Array  # int64 [2], the price of the last level that the latest row shows of a side; NO_EDGE where it shows all
    )
    counters: Array  # COUNTERS_DTYPE [1]


def new_book(most_levels: int) -> LobsterBook:
    """Return an empty book whose rows have up to `most_levels` a side."""
    room = 4 * most_levels + 8 + KEPT_LEVELS  # those of a row, those of the row that replaces it, and those out of view
    counters = np.zeros(1, COUNTERS_DTYPE)
    counters["next_standing_id"], counters["free_levels"], counters["wrong_row"] = STANDING_ID_BASE, room, NOWHERE
    return LobsterBook(
        np.zeros(0, ORDER_DTYPE),
        np.zeros(room, LEVEL_DTYPE),
        np.arange(room),
        np.zeros((2, room), np.int64),
        np.zeros(2, np.int64),
        np.full(2, NO_EDGE),
        counters,
    )


@inlined_kernel
def restate(book: LobsterBook, out: Array, ts_ns: int, level: Record, order_id: Key, size: int) -> None:
    """Write an event that says how much of an order rests from now on."""
    event = out[book.counters[0].written]
    event.ts_ns, event.price, event.size, event.order_id = ts_ns, level.price, size, order_id
    event.action, event.side, event.flags, event.publisher = RESTATE, level.side, FLAG_SNAPSHOT | FLAG_LAST, 0
    book.counters[0].written += 1


@inlined_kernel
def place_of(book: LobsterBook, side: int, price: int) -> int:
    """Return where the level of a price stands in the view of a side, or would stand."""
    place = 0
    if side == BIDS:
        while place < book.counts[side] and book.levels[book.places[side, place]].price > price:
            place += 1
    else:
        while place < book.counts[side] and book.levels[book.places[side, place]].price < price:
            place += 1
    return place


@inlined_kernel
def open_level(book: LobsterBook, side: int, place: int, price: int) -> int:
    """Put an empty level into the view at a place; return which it is."""
    counters = book.counters[0]
    counters.free_levels -= 1
    index = book.free[counters.free_levels]
    level = book.levels[index]
    level.price, level.quantity, level.standing_left, level.side = price, 0, 0, BID if side == BIDS else ASK
    level.oldest, level.newest = NOWHERE, NOWHERE
    for later in range(book.counts[side], place, -1):
        book.places[side, later] = book.places[side, later - 1]
    book.places[side, place] = index
    book.counts[side] += 1
    return index


@inlined_kernel
def close_level(book: LobsterBook, side: int, place: int) -> None:
    """Take a level out of the view and forget its orders."""
    counters = book.counters[0]
    index = book.places[side, place]
    level = book.levels[index]
    while level.oldest != NOWHERE:
        unlink(book, level.oldest)
    if level.standing_left > 0:
        counters.known -= 1
    book.free[counters.free_levels] = index
    counters.free_levels += 1
    book.counts[side] -= 1
    for later in range(place, book.counts[side]):
        book.places[side, later] = book.places[side, later + 1]


@inlined_kernel
def link(book: LobsterBook, slot: int, index: int, size: int) -> None:
    """Put an order at the end of a level's queue."""
    order, level = book.orders[slot], book.levels[index]
    order.level, order.left, order.older, order.newer = index, size, level.newest, NOWHERE
    if level.newest == NOWHERE:
        level.oldest = slot
    else:
        book.orders[level.newest].newer = slot
    level.newest = slot
    level.quantity += size
    book.counters[0].known += 1


@inlined_kernel
def unlink(book: LobsterBook, slot: int) -> None:
    """Take an order out of its level's queue: it is not known any more."""
    order = book.orders[slot]
    level = book.levels[order.level]
    if order.older == NOWHERE:
        level.oldest = order.newer
    else:
        book.orders[order.older].newer = order.newer
    if order.newer == NOWHERE:
        level.newest = order.older
    else:
        book.orders[order.newer].older = order.older
    level.quantity -= order.left
    order.level, order.left = NOWHERE, 0
    book.counters[0].known -= 1


@inlined_kernel
def take_from_standing(book: LobsterBook, index: int, size: int) -> None:
    """Take a quantity from a level's standing order, and with its last one the ids that must not draw on it."""
    level = book.levels[index]
    level.quantity -= size
    level.standing_left -= size
    if level.standing_left > 0:
        return
    book.counters[0].known -= 1
    slot = level.oldest
    while slot != NOWHERE:
        newer = book.orders[slot].newer
        if book.orders[slot].left == 0:
            unlink(book, slot)
        slot = newer


@inlined_kernel
def take_from_order(book: LobsterBook, slot: int, size: int) -> None:
    """Take a quantity from an order; it is forgotten with its last one, if there is nothing it could draw on."""
    order = book.orders[slot]
    level = book.levels[order.level]
    order.left -= size
    level.quantity -= size
    if order.left == 0 and level.standing_left == 0:
        unlink(book, slot)


@inlined_kernel
def submit(book: LobsterBook, slot: int, side: int, price: int, size: int, follows: bool) -> None:
    """Apply a submission. Without rows to follow, a level is of interest only while it has a standing order."""
    order = book.orders[slot]
    if order.level != NOWHERE:
        level = book.levels[order.level]
        if size > 0 and level.price == price and (level.side == BID) == (side == BIDS):
            level.quantity += size - order.left
            order.left = size
            return
        unlink(book, slot)
    place = place_of(book, side, price)
    if place < book.counts[side] and book.levels[book.places[side, place]].price == price:
        if size > 0 or book.levels[book.places[side, place]].standing_left > 0:
            link(book, slot, book.places[side, place], size)
    elif follows and size > 0:
        link(book, slot, open_level(book, side, place, price), size)


@inlined_kernel
def reduce(book: LobsterBook, slot: int, side: int, price: int, size: int, follows: bool) -> Key:
    """Apply a cancel or an execution; return the id of the standing order that it draws on, 0 where there is none."""
    order = book.orders[slot]
    if order.level != NOWHERE:
        take_from_order(book, slot, min(size, order.left) if size > 0 else order.left)
        return np.uint64(0)
    place = place_of(book, side, price)
    if place == book.counts[side] or book.levels[book.places[side, place]].price != price:
        return np.uint64(0)
    index = book.places[side, place]
    level = book.levels[index]
    if level.standing_left == 0:
        return np.uint64(0)
    drawn_on = level.standing_id
    take_from_standing(book, index, min(size, level.standing_left))
    if not follows and level.standing_left == 0:
        close_level(book, side, place)
    return drawn_on
