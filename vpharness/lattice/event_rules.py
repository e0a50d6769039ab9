"""What each event does to the order book: the rules of SPEC section 1.

A, C, M and R change it, F is remembered for the C or M that follows, T and N do nothing. What is not as it should be is
ignored or mended, and counted.
"""

from typing import Final

from vpharness.compiled import Record, inlined_kernel, kernel
from vpharness.events.mbo_event import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    FILL,
    FLAG_BY_PRICE,
    FLAG_FEED_GAP,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    FLAG_TOP_OF_BOOK,
    HALT,
    MODIFY,
    RESTATE,
    RESUME,
)
from vpharness.hash_table import NOWHERE, find
from vpharness.lattice.book import (
    change_quantity,
    clear,
    enter,
    impulse,
    is_in_range,
    leave_queue,
    nearest_tick,
    new_order,
    remove_order,
    take,
)
from vpharness.lattice.filter_bank import CHANNEL_FILL
from vpharness.lattice.layout import (
    COUNT_NAMES,
    HELD_GAP,
    INVALID_ADD,
    KINDS,
    OFF_TICK,
    PRICE_OUT_OF_RANGE,
    SIDE_ASK,
    SIDE_BID,
    LatticeState,
)
from vpharness.lattice.stand_ins import find_stand_in, restate

UNKNOWN_CANCEL: Final = COUNT_NAMES.index("unknown_cancel")
UNKNOWN_MODIFY: Final = COUNT_NAMES.index("unknown_modify")
DUPLICATE_ADD: Final = COUNT_NAMES.index("duplicate_add")
UNKNOWN_FILL: Final = COUNT_NAMES.index("unknown_fill")
FEED_GAP: Final = COUNT_NAMES.index("feed_gap")
HALTS: Final = COUNT_NAMES.index("halts")

_STANDS_IN: Final = FLAG_TOP_OF_BOOK | FLAG_BY_PRICE


@inlined_kernel
def add_or_modify(state: LatticeState, event: Record, silent: bool) -> None:
    """Apply an A or an M: either enters an order or changes one, and they differ only in their counters."""
    owner = KINDS * event.publisher
    order = find(state.order_table, event.order_id, owner)
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
    if not is_in_range(event.price):
        state.counts[PRICE_OUT_OF_RANGE] += 1
        if known:
            remove_order(state, order, silent)
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
        order = new_order(state, event.order_id, owner)
    enter(state, order, tick, side, size, silent)


@inlined_kernel
def find_order(state: LatticeState, event: Record) -> int:
    """Return the slot of the order that a C or an F is about, or NOWHERE."""
    if (event.flags & _STANDS_IN) != 0:
        return find_stand_in(state, event)
    return find(state.order_table, event.order_id, KINDS * event.publisher)


@inlined_kernel
def cancel(state: LatticeState, event: Record, silent: bool) -> None:
    """Apply a C: part of an order, or all of it where the size is 0 or too large."""
    order = find_order(state, event)
    if order == NOWHERE:
        state.counts[UNKNOWN_CANCEL] += 1
    elif 0 < event.size < state.orders[order].quantity:
        take(state, order, event.size, silent)
    else:
        remove_order(state, order, silent)


@inlined_kernel
def fill(state: LatticeState, event: Record, silent: bool) -> None:
    """Apply an F: an impulse where the order rests at that tick, and a quantity that the next C or M will take."""
    order = find_order(state, event)
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
    tick_price = state.rules[0].tick_price
    if is_in_range(event.price) and nearest_tick(event.price, tick_price) == state.ticks[slot].tick:
        impulse(state, slot, CHANNEL_FILL, event.size)


@kernel
def _follow_gaps(state: LatticeState, event: Record) -> None:
    """Take note of a gap in a publisher's feed, or end it where its book is restated, by an R or a snapshot."""
    held, says_gap = state.held[event.publisher], (event.flags & FLAG_FEED_GAP) != 0
    if says_gap:
        state.counts[FEED_GAP] += 1
    in_doubt = says_gap and event.action != CLEAR
    state.clock[0].gaps += in_doubt - held[HELD_GAP]
    held[HELD_GAP] = in_doubt


@kernel
def _halt(state: LatticeState, halted: bool) -> None:
    """Stop or resume trading; stopping it again is no other halt."""
    if halted and not state.clock[0].halted:
        state.counts[HALTS] += 1
    state.clock[0].halted = halted


@inlined_kernel
def apply_event(state: LatticeState, event: Record) -> None:
    """Apply one event to the book at the present time. T and N change nothing."""
    clock = state.clock[0]
    in_snapshot = (event.flags & FLAG_SNAPSHOT) != 0
    silent = in_snapshot
    if (event.flags & (FLAG_FEED_GAP | FLAG_SNAPSHOT)) != 0 or event.action == CLEAR:
        _follow_gaps(state, event)
    if event.action == CLEAR:
        clear(state, event.publisher)
        clock.snapshot_under_way = in_snapshot
    elif event.action == ADD or event.action == MODIFY or event.action == RESTATE:  # noqa: PLR1714  # see above
        if (event.flags & _STANDS_IN) != 0:
            restate(state, event, silent)
        else:
            add_or_modify(state, event, silent)
    elif event.action == CANCEL:
        cancel(state, event, silent)
    elif event.action == FILL:
        fill(state, event, silent)
    elif event.action == HALT or event.action == RESUME:  # noqa: PLR1714  # see above
        _halt(state, event.action == HALT)
    if not in_snapshot or (event.flags & FLAG_LAST) != 0:
        clock.snapshot_under_way = False
