"""What events do to the queues in which virtual orders wait: who is left ahead of them, and who was executed.

The book is the lattice's own, without its flow: what an event does to orders is defined there alone. Here stands what
the lattice need not know: how much is left of an order between its fills (F) and the cancel or modify (C, M) that takes
the quantity out, and which of two orders at a level came first. An order keeps its place while it only shrinks. It goes
to the back where it is modified to more than is left of it, as an iceberg that shows its next part is, and where an add
(A) names it anew.
"""

import numpy as np

from vpharness.compiled import Record, inlined_kernel, int64, kernel
from vpharness.events.mbo_event import (
    ADD,
    CANCEL,
    CLEAR,
    FILL,
    FLAG_BY_PRICE,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    FLAG_TOP_OF_BOOK,
    MODIFY,
    RESTATE,
)
from vpharness.execution.queue_layout import QueueState
from vpharness.hash_table import NOWHERE
from vpharness.lattice.book import SILENT, nearest_tick
from vpharness.lattice.event_rules import add_or_modify, apply_event, cancel, find_order
from vpharness.lattice.layout import NO_SLOT, SIDE_BID, LatticeState
from vpharness.order_fates import CLEARED

_STANDS_IN = FLAG_BY_PRICE | FLAG_TOP_OF_BOOK
_CLEARED, _NOWHERE, _NOTHING = int64(CLEARED), int64(NO_SLOT), int64(0)


@kernel
def stop_waiting(queue: QueueState, index: int, reason: int) -> None:
    """Take a virtual order out of the queue of its level."""
    order = queue.orders[index]
    level = order.level
    if order.older == NO_SLOT:
        queue.oldest[level] = order.newer
    else:
        queue.orders[order.older].newer = order.newer
    if order.newer == NO_SLOT:
        queue.newest[level] = order.older
    else:
        queue.orders[order.newer].older = order.older
    order.level, order.reason = NO_SLOT, reason
    queue.cursor[0].waiting[order.side] -= 1


@kernel
def clear_waiting(queue: QueueState, level: int) -> None:
    """End the virtual orders that wait at a level, or all of them where it is NO_SLOT: the book is restated."""
    cursor = queue.cursor[0]
    for index in range(cursor.withdrawn, cursor.arrived):
        at = queue.orders[index].level
        if at != NO_SLOT and (level == NO_SLOT or level == at):  # noqa: PLR1714, SIM109  # numba would build a tuple
            stop_waiting(queue, index, _CLEARED)


@inlined_kernel
def _change_left(queue: QueueState, level: int, position: int, change: int) -> None:
    """Let what is left of a resting order change: it counts for the virtual orders that came after it."""
    queue.level_left[level] += change
    index = queue.newest[level]
    while index != NO_SLOT and queue.orders[index].position > position:
        queue.orders[index].ahead += change
        index = queue.orders[index].older


@inlined_kernel
def _enter(state: LatticeState, queue: QueueState, slot: int) -> None:
    """Put a resting order at the back of its level, whole."""
    cursor = queue.cursor[0]
    queue.position[slot] = cursor.position
    cursor.position += 1
    queue.left[slot] = state.orders[slot].quantity
    queue.level_left[state.orders[slot].level] += queue.left[slot]


@kernel
def leave(state: LatticeState, queue: QueueState, slot: int) -> None:
    """Forget what is left of a resting order, which is about to leave its level."""
    _change_left(queue, state.orders[slot].level, queue.position[slot], -queue.left[slot])


@inlined_kernel
def _add_or_modify(state: LatticeState, queue: QueueState, event: Record) -> None:
    before = find_order(state, event)
    level, position, left = _NOWHERE, _NOTHING, _NOTHING
    if before != NOWHERE:
        level, position, left = state.orders[before].level, queue.position[before], queue.left[before]
    add_or_modify(state, event, SILENT)
    after = before
    if before == NOWHERE:
        after = find_order(state, event)
    elif state.orders[before].quantity == 0:  # as an order that was removed has
        after = NOWHERE
    if before != NOWHERE:
        stays = after != NOWHERE and state.orders[after].level == level
        if stays and event.action == MODIFY and state.orders[after].quantity <= left:
            queue.left[after] = state.orders[after].quantity
            _change_left(queue, level, position, queue.left[after] - left)
            return
        _change_left(queue, level, position, -left)
    if after != NOWHERE:
        _enter(state, queue, after)


@inlined_kernel
def _cancel(state: LatticeState, queue: QueueState, event: Record) -> None:
    slot = find_order(state, event)
    if slot == NOWHERE:
        return
    level, position, left = state.orders[slot].level, queue.position[slot], queue.left[slot]
    cancel(state, event, SILENT)
    now_left = _NOTHING
    if state.orders[slot].quantity > 0:
        now_left = state.orders[slot].quantity
        queue.left[slot] = now_left
    _change_left(queue, level, position, now_left - left)


@inlined_kernel
def _fill(state: LatticeState, queue: QueueState, event: Record) -> None:
    """Note an execution of a resting order: through whom it goes, and who was behind it."""
    slot = find_order(state, event)
    if slot == NOWHERE or event.size <= 0:
        return
    level = state.orders[slot].level
    side, tick = level % 2, state.ticks[level // 2].tick
    if nearest_tick(event.price, state.rules[0].tick_price) != tick:
        return  # an aggressor's own
    cursor = queue.cursor[0]
    is_worse = tick < cursor.worst_fill_tick[side] if side == SIDE_BID else tick > cursor.worst_fill_tick[side]
    if cursor.has_fill[side] == 0 or is_worse:
        cursor.worst_fill_tick[side] = tick
    cursor.has_fill[side] = 1
    position, left = queue.position[slot], queue.left[slot]
    taken = min(left, event.size)
    index = queue.newest[level]
    while index != NO_SLOT:
        if queue.orders[index].position < position or event.size > left:
            queue.orders[index].hit = True
        index = queue.orders[index].older
    queue.left[slot] -= taken
    queue.level_executed[level] += event.size
    _change_left(queue, level, position, -taken)


@kernel
def _restate(state: LatticeState, queue: QueueState, event: Record) -> None:
    """Apply a clear, or a record that replaces a level or a side: what waits ends, and others keep their places."""
    apply_event(state, event)
    clear_waiting(queue, _NOWHERE)
    queue.level_left[:] = 0
    for place in range(len(state.order_table)):
        slot = np.int64(state.order_table[place].slot)
        if slot != NOWHERE:
            if event.action != CLEAR:  # which orders are new is not told
                queue.left[slot] = state.orders[slot].quantity
            queue.level_left[state.orders[slot].level] += queue.left[slot]


@kernel
def _set_right(state: LatticeState, queue: QueueState, event: Record) -> None:
    """Apply what a source corrects of one level: whoever waits there cannot know what is ahead any more."""
    before = find_order(state, event)
    if before != NOWHERE:
        clear_waiting(queue, int(state.orders[before].level))
    _add_or_modify(state, queue, event)
    after = find_order(state, event)
    if after != NOWHERE:
        clear_waiting(queue, int(state.orders[after].level))


@inlined_kernel
def apply_to_queues(state: LatticeState, queue: QueueState, event: Record) -> None:
    """Apply one event to the book and to the queues of its levels, at the present time."""
    in_snapshot = (event.flags & FLAG_SNAPSHOT) != 0
    if event.action == CLEAR or (event.flags & _STANDS_IN) != 0:
        _restate(state, queue, event)
        return
    if event.action == RESTATE:
        _set_right(state, queue, event)
        return
    if in_snapshot:
        clear_waiting(queue, _NOWHERE)
    if event.action == ADD or event.action == MODIFY:  # noqa: PLR1714  # numba would build a tuple
        _add_or_modify(state, queue, event)
    elif event.action == CANCEL:
        _cancel(state, queue, event)
    elif event.action == FILL:
        _fill(state, queue, event)
    if not in_snapshot or (event.flags & FLAG_LAST) != 0:
        state.clock[0].snapshot_under_way = False
