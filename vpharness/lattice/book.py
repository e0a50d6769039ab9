"""The order book, and what each event does to it: who rests where, and the impulses that this gives.

The rules are those of SPEC sections 1 and 2 ("Flow"). A quantity is a whole number of `size_unit`s; an impulse is a
quantity times `size_unit`. What is added, pulled and filled are impulses of those channels, and every change of what
rests at a level one of its side's depth.

Every fill is followed by the cancel or modify that takes the quantity out of the book. So a fill (F) is remembered
against its order, and the reduction at the same nanosecond is `fill` as far as it was remembered and `pull` beyond:
taking all cancels for pulls would count each execution twice.

Orders of a level are a doubly linked list from the oldest to the newest, found by id through a hash table and by tick
through another. Each event costs a few probes and one advance of its tick's filters, however deep the book is.
"""

from typing import Final

import numpy as np

from vpharness.compiled import Key, Record, inlined_kernel, kernel
from vpharness.events.mbo_event import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    FILL,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MAX_PRICE,
    MODIFY,
    RESTATE,
)
from vpharness.lattice.filter_bank import (
    CHANNEL_ADD,
    CHANNEL_BID_DEPTH,
    CHANNEL_FILL,
    CHANNEL_PULL,
    MASS_OFFSET,
    add_impulse,
    advance_into,
)
from vpharness.lattice.hash_table import NOWHERE, find, insert, remove
from vpharness.lattice.layout import COUNT_NAMES, NO_SLOT, NO_TIME, SIDE_ASK, SIDE_BID, LatticeState
from vpharness.lattice.levels import push_level

UNKNOWN_CANCEL: Final = COUNT_NAMES.index("unknown_cancel")
UNKNOWN_MODIFY: Final = COUNT_NAMES.index("unknown_modify")
DUPLICATE_ADD: Final = COUNT_NAMES.index("duplicate_add")
UNKNOWN_FILL: Final = COUNT_NAMES.index("unknown_fill")
OFF_TICK: Final = COUNT_NAMES.index("off_tick")
INVALID_ADD: Final = COUNT_NAMES.index("invalid_add")
PRICE_OUT_OF_RANGE: Final = COUNT_NAMES.index("price_out_of_range")


@inlined_kernel
def nearest_tick(price: int, tick_price: int) -> int:
    """Return the number of the tick nearest to a price, half up."""
    return (2 * price + tick_price) // (2 * tick_price)


@inlined_kernel
def slot_of_tick(state: LatticeState, tick: int) -> int:
    """Return the slot of a tick, giving it one at its first use."""
    slot = find(state.tick_table, np.uint64(tick))
    if slot == NOWHERE:
        slot = state.clock[0].ticks_used
        state.clock[0].ticks_used += 1
        state.ticks[slot].tick = tick
        insert(state.tick_table, np.uint64(tick), slot)
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
def new_order(state: LatticeState, order_id: Key) -> int:
    """Return a free slot for an order, under its id from now on."""
    clock = state.clock[0]
    order = clock.free_order
    if order == NO_SLOT:
        order = clock.orders_used
        clock.orders_used += 1
    else:
        clock.free_order = state.orders[order].newer
    clock.orders_live += 1
    state.orders[order].order_id = order_id
    insert(state.order_table, order_id, order)
    return order


@inlined_kernel
def remove_order(state: LatticeState, order: int, silent: bool) -> None:
    """Take a whole order out of the book and forget it."""
    take(state, order, state.orders[order].quantity, silent)
    leave_queue(state, order)
    remove(state.order_table, state.orders[order].order_id)
    state.orders[order].newer = state.clock[0].free_order
    state.clock[0].free_order = order
    state.clock[0].orders_live -= 1


@kernel
def clear(state: LatticeState) -> None:
    """Empty the book silently."""
    for place in range(len(state.order_table)):
        order = state.order_table[place].slot
        if order != NOWHERE:
            state.levels[state.orders[order].level].quantity = 0
            state.levels[state.orders[order].level].oldest = NO_SLOT
            state.levels[state.orders[order].level].newest = NO_SLOT
            state.order_table[place].slot = NOWHERE
    state.clock[0].free_order = NO_SLOT
    state.clock[0].orders_used = 0
    state.clock[0].orders_live = 0


@inlined_kernel
def add_or_modify(state: LatticeState, event: Record, silent: bool) -> None:
    """Apply an A, an M or an S: each enters an order or changes one, and they differ only in their counters."""
    order = find(state.order_table, event.order_id)
    known = order != NOWHERE
    size, side_letter = event.size, event.side
    if event.action == ADD and known:
        state.counts[DUPLICATE_ADD] += 1
    if event.action == MODIFY and not known:
        state.counts[UNKNOWN_MODIFY] += 1
    if known and size <= 0:
        remove_order(state, order, silent)
        return
    has_side = side_letter == BID or side_letter == ASK  # noqa: PLR1714  # numba would build a tuple
    if size <= 0 or not (has_side or known):
        state.counts[INVALID_ADD] += 1
        return
    if event.price < 0 or event.price > MAX_PRICE:
        state.counts[PRICE_OUT_OF_RANGE] += 1
        return
    side = SIDE_BID if side_letter == BID else SIDE_ASK
    if not has_side:
        side = state.orders[order].level % 2
    tick_price = state.rules[0].tick_price
    tick = nearest_tick(event.price, tick_price)
    if known and state.ticks[state.orders[order].level // 2].tick == tick and state.orders[order].level % 2 == side:
        change_quantity(state, order, size, silent)
        return
    if tick * tick_price != event.price:
        state.counts[OFF_TICK] += 1
    if known:
        take(state, order, state.orders[order].quantity, silent)
        leave_queue(state, order)
    else:
        order = new_order(state, event.order_id)
    enter(state, order, tick, side, size, silent)


@inlined_kernel
def cancel(state: LatticeState, event: Record, silent: bool) -> None:
    """Apply a C: part of an order, or all of it where the size is 0 or too large."""
    order = find(state.order_table, event.order_id)
    if order == NOWHERE:
        state.counts[UNKNOWN_CANCEL] += 1
    elif 0 < event.size < state.orders[order].quantity:
        take(state, order, event.size, silent)
    else:
        remove_order(state, order, silent)


@inlined_kernel
def fill(state: LatticeState, event: Record, silent: bool) -> None:
    """Apply an F: an impulse where the order rests at that tick, and a quantity that the next C or M will take."""
    order = find(state.order_table, event.order_id)
    if order == NOWHERE:
        state.counts[UNKNOWN_FILL] += 1
        return
    if silent or event.size <= 0:
        return
    resting = state.orders[order]
    now_ns = state.clock[0].now_ns
    if resting.filled_ns != now_ns:
        resting.filled_ns, resting.filled_quantity = now_ns, 0
    resting.filled_quantity += event.size
    slot = resting.level // 2
    if 0 <= event.price <= MAX_PRICE and nearest_tick(event.price, state.rules[0].tick_price) == state.ticks[slot].tick:
        impulse(state, slot, CHANNEL_FILL, event.size)


@inlined_kernel
def apply_event(state: LatticeState, event: Record) -> None:
    """Apply one event to the book at the present time. T and N change nothing."""
    clock = state.clock[0]
    in_snapshot = (event.flags & FLAG_SNAPSHOT) != 0
    silent = in_snapshot
    if event.action == CLEAR:
        clear(state)
        clock.snapshot_under_way = in_snapshot
    elif event.action == ADD or event.action == MODIFY or event.action == RESTATE:  # noqa: PLR1714  # see above
        add_or_modify(state, event, silent)
    elif event.action == CANCEL:
        cancel(state, event, silent)
    elif event.action == FILL:
        fill(state, event, silent)
    if not in_snapshot or (event.flags & FLAG_LAST) != 0:
        clock.snapshot_under_way = False
