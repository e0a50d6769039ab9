"""Best prices and price levels that stand for orders, where a publisher tells no orders (SPEC section 1, flags).

A record of flag 64 is the best price of one side of its publisher, one of flag 16 a level. Each rests in the book as
one order: the best price is found by its side, a level by its price. An A or an M replaces its quantity, moves the best
price, and displaces what else the publisher has on that side or at that level; the difference is the flow.
"""

import numpy as np

from vpharness.compiled import Key, Record, inlined_kernel, kernel
from vpharness.events.mbo_event import BID, FLAG_TOP_OF_BOOK, NO_SIDE, UNDEFINED_PRICE
from vpharness.hash_table import ALONE, NOWHERE, find
from vpharness.lattice.book import (
    KIND_MASK,
    change_quantity,
    enter,
    is_in_range,
    leave_queue,
    nearest_tick,
    new_order,
    publisher_of,
    remove_order,
    take,
)
from vpharness.lattice.layout import (
    INVALID_ADD,
    KINDS,
    LEVEL_KIND,
    NO_SLOT,
    NO_TICK,
    OFF_TICK,
    PRICE_OUT_OF_RANGE,
    SIDE_ASK,
    SIDE_BID,
    TOP_KIND,
    LatticeState,
)


@inlined_kernel
def _identity(event: Record) -> tuple[Key, int]:
    """Return id and owner of what stands for orders in a record of a best price or a level; it has a side."""
    side = SIDE_BID if event.side == BID else SIDE_ASK
    if (event.flags & FLAG_TOP_OF_BOOK) != 0:
        return np.uint64(0), KINDS * event.publisher + TOP_KIND + side
    return np.uint64(event.price), KINDS * event.publisher + LEVEL_KIND + side


@kernel
def find_stand_in(state: LatticeState, event: Record) -> int:
    """Return the slot of what stands for orders in a record of a best price or a level, or NOWHERE."""
    if event.side == NO_SIDE:
        return NOWHERE
    key, owner = _identity(event)
    return find(state.order_table, key, owner)


@kernel
def _displace_side(state: LatticeState, publisher: int, side: int, kept: int, silent: bool) -> None:
    """Take out all that a publisher has on a side but one order, NOWHERE for none."""
    held = state.held[publisher]
    left = held[side] + held[LEVEL_KIND + side] + held[TOP_KIND + side] - (kept != NOWHERE)
    for order in range(state.clock[0].orders_used):
        if left == 0:
            return
        resting = state.orders[order]
        is_own = publisher_of(state, order) == publisher and resting.level % 2 == side
        if resting.quantity > 0 and is_own and order != kept:
            remove_order(state, order, silent)
            left -= 1


@kernel
def _displace_level(state: LatticeState, publisher: int, side: int, tick: int, silent: bool) -> None:
    """Take out a publisher's orders at a tick, its best price included, but no price levels."""
    slot = find(state.tick_table, np.uint64(tick), ALONE)
    left = state.held[publisher, side] + state.held[publisher, TOP_KIND + side]
    if left == 0 or slot == NOWHERE:
        return
    order = state.levels[2 * slot + side].oldest
    while order != NO_SLOT and left > 0:
        newer, kind = state.orders[order].newer, state.orders[order].owner & KIND_MASK
        if publisher_of(state, order) == publisher and kind != LEVEL_KIND + side:
            remove_order(state, order, silent)
            left -= 1
        order = newer


@kernel
def restate(state: LatticeState, event: Record, silent: bool) -> None:
    """Apply an A or an M of a best price or a level: it replaces what its publisher has on the side or the level."""
    is_top, in_range = (event.flags & FLAG_TOP_OF_BOOK) != 0, is_in_range(event.price)
    if event.side == NO_SIDE:
        state.counts[INVALID_ADD] += 1
        return
    if not in_range and not (is_top and event.price == UNDEFINED_PRICE):
        state.counts[PRICE_OUT_OF_RANGE] += 1
    if not in_range and not is_top:
        return
    side = SIDE_BID if event.side == BID else SIDE_ASK
    key, owner = _identity(event)
    order = find(state.order_table, key, owner)
    tick_price = state.rules[0].tick_price
    tick = nearest_tick(event.price, tick_price) if in_range else NO_TICK
    if is_top:
        _displace_side(state, event.publisher, side, order, silent)
    else:
        _displace_level(state, event.publisher, side, tick, silent)
    known = order != NOWHERE
    if event.size <= 0 or not in_range:
        if known:
            remove_order(state, order, silent)
        return
    if known and state.ticks[state.orders[order].level // 2].tick == tick:
        change_quantity(state, order, event.size, silent)
        return
    if tick * tick_price != event.price:
        state.counts[OFF_TICK] += 1
    if known:
        take(state, order, state.orders[order].quantity, silent)
        leave_queue(state, order)
    else:
        order = new_order(state, key, owner)
    enter(state, order, tick, side, event.size, silent)
