"""The order book: who rests where, and the impulses that each change of it gives (SPEC section 2, "Flow").

A quantity is a whole number of `size_unit`s; an impulse is a quantity times `size_unit`. What is added, pulled and
filled are impulses of those channels, and every change of what rests at a level one of its side's depth.

Every fill is followed by the cancel or modify that takes the quantity out of the book. So a fill (F) is remembered
against its order, and the reduction at the same nanosecond is `fill` as far as it was remembered and `pull` beyond:
taking all cancels for pulls would count each execution twice.

An order is known by its publisher and its id, so that venues may use the same ids. Orders of a level are a doubly
linked list from the oldest to the newest, found by publisher and id through a hash table and by tick through another.
Each event costs a few probes and one advance of its tick's filters, however deep the book is.
"""

from typing import Final

import numpy as np

from vpharness.compiled import Key, bool_, inlined_kernel, int64, kernel
from vpharness.events.mbo_event import MAX_PRICE
from vpharness.hash_table import ALONE, NOWHERE, find, insert, remove
from vpharness.lattice.filter_bank import (
    CHANNEL_ADD,
    CHANNEL_BID_DEPTH,
    CHANNEL_FILL,
    CHANNEL_PULL,
    MASS_OFFSET,
    add_impulse,
    advance_into,
)
from vpharness.lattice.layout import HELD_GAP, KINDS, NO_SLOT, NO_TIME, LatticeState
from vpharness.lattice.levels import push_level

SILENT: Final = bool_(True)
KIND_MASK: Final = KINDS - 1
_KIND_BITS: Final = int64(int(KINDS).bit_length() - 1)
_ENTERS, _LEAVES = int64(1), int64(-1)


@inlined_kernel
def nearest_tick(price: int, tick_price: int) -> int:
    """Return the number of the tick nearest to a price, half up."""
    return (2 * price + tick_price) // (2 * tick_price)


@inlined_kernel
def slot_of_tick(state: LatticeState, tick: int) -> int:
    """Return the slot of a tick, giving it one at its first use."""
    slot = find(state.tick_table, np.uint64(tick), ALONE)
    if slot == NOWHERE:
        slot = state.clock[0].ticks_used
        state.clock[0].ticks_used += 1
        state.ticks[slot].tick = tick
        insert(state.tick_table, np.uint64(tick), ALONE, slot)
    return slot


@inlined_kernel
def impulse(state: LatticeState, slot: int, channel: int, quantity: int) -> None:
    """Give one channel of a tick an impulse now, its mass too where the channel has one."""
    now_ns = state.clock[0].now_ns
    filters = state.filters[slot]
    tick = state.ticks[slot]
    if tick.state_ns != now_ns:
        if tick.state_ns != NO_TIME:
            advance_into(filters, now_ns - tick.state_ns, state.rules, filters)
        tick.state_ns = now_ns
    amount = quantity * state.rules[0].size_unit
    add_impulse(filters, channel, amount, state.rules)
    if channel <= CHANNEL_FILL:
        filters[MASS_OFFSET + channel] += amount
    tick.last_event_id = state.clock[0].event_id
    if not tick.touched:
        tick.touched = True
        state.touched[state.clock[0].touched] = slot
        state.clock[0].touched += 1


@inlined_kernel
def is_in_range(price: int) -> bool:
    """Return whether an order may have this price."""
    return -MAX_PRICE <= price <= MAX_PRICE


@inlined_kernel
def publisher_of(state: LatticeState, order: int) -> int:
    """Return whose order it is."""
    return state.orders[order].owner >> _KIND_BITS


@inlined_kernel
def count_held(state: LatticeState, order: int, change: int) -> None:
    """Count an order where it rests among those of its publisher."""
    owner, side = state.orders[order].owner, state.orders[order].level & 1
    state.held[owner >> _KIND_BITS, (owner & KIND_MASK) | side] += change


@inlined_kernel
def enter(state: LatticeState, order: int, tick: int, side: int, quantity: int, silent: bool) -> None:
    """Put an order that rests nowhere at the end of the queue of a level."""
    slot = slot_of_tick(state, tick)
    level = 2 * slot + side
    resting, queue = state.orders[order], state.levels[level]
    resting.level, resting.quantity, resting.filled_quantity = level, quantity, 0
    resting.entered = state.clock[0].event_id
    resting.older, resting.newer = queue.newest, NO_SLOT
    if queue.newest == NO_SLOT:
        queue.oldest = order
    else:
        state.orders[queue.newest].newer = order
    queue.newest = order
    queue.quantity += quantity
    count_held(state, order, _ENTERS)
    if not queue.in_heap:
        push_level(state, level)
    if not silent:
        impulse(state, slot, CHANNEL_ADD, quantity)
        impulse(state, slot, CHANNEL_BID_DEPTH + side, quantity)


@inlined_kernel
def take(state: LatticeState, order: int, quantity: int, silent: bool) -> None:
    """Take a quantity of an order out of its level: first what was filled at this time, and the rest is pulled."""
    resting = state.orders[order]
    level = resting.level
    resting.quantity -= quantity
    state.levels[level].quantity -= quantity
    filled = 0
    if resting.filled_quantity > 0 and resting.filled_ns == state.clock[0].now_ns:
        filled = min(resting.filled_quantity, quantity)
        resting.filled_quantity -= filled
    if not silent:
        if quantity > filled:
            impulse(state, level // 2, CHANNEL_PULL, quantity - filled)
        impulse(state, level // 2, CHANNEL_BID_DEPTH + level % 2, -quantity)


@inlined_kernel
def leave_queue(state: LatticeState, order: int) -> None:
    """Take an order without quantity out of the queue of its level."""
    resting = state.orders[order]
    queue = state.levels[resting.level]
    count_held(state, order, _LEAVES)
    if resting.older == NO_SLOT:
        queue.oldest = resting.newer
    else:
        state.orders[resting.older].newer = resting.newer
    if resting.newer == NO_SLOT:
        queue.newest = resting.older
    else:
        state.orders[resting.newer].older = resting.older


@inlined_kernel
def change_quantity(state: LatticeState, order: int, quantity: int, silent: bool) -> None:
    """Give an order another quantity, above 0, where it rests; it keeps its place in the queue."""
    resting = state.orders[order]
    change = quantity - resting.quantity
    if change < 0:
        take(state, order, -change, silent)
    elif change > 0:
        resting.quantity = quantity
        state.levels[resting.level].quantity += change
        if not silent:
            impulse(state, resting.level // 2, CHANNEL_ADD, change)
            impulse(state, resting.level // 2, CHANNEL_BID_DEPTH + resting.level % 2, change)


@inlined_kernel
def new_order(state: LatticeState, order_id: Key, owner: int) -> int:
    """Return a free slot for an order, under its id and owner from now on."""
    clock = state.clock[0]
    order = clock.free_order
    if order == NO_SLOT:
        order = clock.orders_used
        clock.orders_used += 1
    else:
        clock.free_order = state.orders[order].newer
    clock.orders_live += 1
    state.orders[order].order_id = order_id
    state.orders[order].owner = owner
    insert(state.order_table, order_id, owner, order)
    return order


@inlined_kernel
def remove_order(state: LatticeState, order: int, silent: bool) -> None:
    """Take a whole order out of the book and forget it."""
    take(state, order, state.orders[order].quantity, silent)
    leave_queue(state, order)
    remove(state.order_table, state.orders[order].order_id, state.orders[order].owner)
    state.orders[order].newer = state.clock[0].free_order
    state.clock[0].free_order = order
    state.clock[0].orders_live -= 1


@kernel
def clear(state: LatticeState, publisher: int) -> None:
    """Take out all that a publisher has in the book, silently; the others' orders keep their places."""
    left = state.held[publisher, :HELD_GAP].sum()
    if left > 0 and left == state.clock[0].orders_live:
        _clear_all(state)
        return
    for order in range(state.clock[0].orders_used):
        if left == 0:
            return
        if state.orders[order].quantity > 0 and publisher_of(state, order) == publisher:
            remove_order(state, order, SILENT)
            left -= 1


@kernel
def _clear_all(state: LatticeState) -> None:
    for place in range(len(state.order_table)):
        order = state.order_table[place].slot
        if order != NOWHERE:
            state.levels[state.orders[order].level].quantity = 0
            state.levels[state.orders[order].level].oldest = NO_SLOT
            state.levels[state.orders[order].level].newest = NO_SLOT
            state.order_table[place].slot = NOWHERE
    state.held[:, :HELD_GAP] = 0
    state.clock[0].free_order = NO_SLOT
    state.clock[0].orders_used = 0
    state.clock[0].orders_live = 0
