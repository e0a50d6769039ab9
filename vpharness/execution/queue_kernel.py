"""Virtual orders followed through the events of a market, from their arrival to their end.

The rules are those of the specification's section on execution in the queue. At one time, in this order: the present
event is over, stale crossed orders are evicted, virtual orders are withdrawn, others arrive, and then the events of
that time are applied. A record with the flag `last`, or a later time, ends an event; fills are judged then, since an
exchange shows one event as several records.

Cost: each event looks at the virtual orders that wait at its own level; one that executes somebody, or leaves the book
crossed, looks at all that wait.
"""

import numpy as np

from vpharness.compiled import Array, inlined_kernel, int64, kernel
from vpharness.events.mbo_event import FLAG_LAST
from vpharness.execution.queue_book import apply_to_queues, leave, stop_waiting
from vpharness.execution.queue_layout import QueueState
from vpharness.hash_table import ALONE, NOWHERE, find
from vpharness.lattice.book import SILENT, remove_order
from vpharness.lattice.layout import NO_SLOT, NO_TICK, NO_TIME, SIDE_BID, LatticeState
from vpharness.lattice.levels import best_level, best_tick
from vpharness.lattice.time import eviction_ns_of, is_crossed, oldest_of_touch
from vpharness.order_fates import BEHIND, CROSSED, REJECTED, THROUGH, WITHDRAWN

_BEHIND, _CROSSED, _THROUGH = int64(BEHIND), int64(CROSSED), int64(THROUGH)
_REJECTED, _WITHDRAWN = int64(REJECTED), int64(WITHDRAWN)
_NO_TICK, _UNFILLED = int64(NO_TICK), int64(NO_SLOT)


@kernel
def _reaches(side: int, opposite_tick: int, tick: int) -> bool:
    """Return whether the other side's best price is at the price of an order of `side`, or beyond it."""
    if opposite_tick == NO_TICK:
        return False
    return opposite_tick <= tick if side == SIDE_BID else opposite_tick >= tick


@kernel
def _best_left(state: LatticeState, queue: QueueState, side: int) -> int:
    """Return the best tick of a side at which something is left of an order, or NO_TICK."""
    best = best_tick(state, side)
    level = best_level(state, side)
    if level == NO_SLOT or queue.level_left[level] > 0:
        return best
    best = NO_TICK  # all of the best level was executed and is not taken out yet, which is rare
    for slot in range(state.clock[0].ticks_used):
        if queue.level_left[2 * slot + side] > 0:
            tick = state.ticks[slot].tick
            if best == NO_TICK or (tick > best if side == SIDE_BID else tick < best):
                best = tick
    return best


@kernel
def _arrive(state: LatticeState, queue: QueueState, index: int) -> None:
    """Let a virtual order arrive at the back of its level, unless it would trade at once."""
    cursor, order = queue.cursor[0], queue.orders[index]
    side = int(order.side)
    if state.clock[0].snapshot_under_way or _reaches(side, best_tick(state, 1 - side), order.tick):
        order.reason = _REJECTED
        return
    slot = find(state.tick_table, np.uint64(order.tick), ALONE)
    if slot == NOWHERE:
        cursor.misplaced += 1
        return
    level = 2 * slot + side
    order.position = cursor.position
    cursor.position += 1
    order.ahead = order.ahead_at_arrival = queue.level_left[level]
    order.level, order.home, order.hit = level, level, False
    order.executed = -queue.level_executed[level]
    order.older, order.newer = queue.newest[level], NO_SLOT
    if order.older == NO_SLOT:
        queue.oldest[level] = index
    else:
        queue.orders[order.older].newer = index
    queue.newest[level] = index
    keenest = cursor.keenest_tick[side]
    is_keener = order.tick > keenest if side == SIDE_BID else order.tick < keenest
    if cursor.waiting[side] == 0 or is_keener:
        cursor.keenest_tick[side] = order.tick
    cursor.waiting[side] += 1


@inlined_kernel
def _measure(queue: QueueState, until_ns: int) -> None:
    """Close the accounts of what was executed at the prices of virtual orders whose longest wait is over."""
    cursor, orders = queue.cursor[0], queue.orders
    while cursor.measured < cursor.arrived and orders[cursor.measured].withdrawal_ns <= until_ns:
        order = orders[cursor.measured]
        if order.home != NO_SLOT:
            order.executed += queue.level_executed[order.home]
        cursor.measured += 1


@kernel
def _settle_waits(state: LatticeState, queue: QueueState, until_ns: int) -> None:
    cursor, orders = queue.cursor[0], queue.orders
    while True:
        while cursor.withdrawn < cursor.arrived and orders[cursor.withdrawn].level == NO_SLOT:
            cursor.withdrawn += 1
        withdrawal = cursor.withdrawn < cursor.arrived and orders[cursor.withdrawn].withdrawal_ns <= until_ns
        arrival = cursor.arrived < len(orders) and orders[cursor.arrived].arrival_ns <= until_ns
        if withdrawal and arrival:
            withdrawal = orders[cursor.withdrawn].withdrawal_ns <= orders[cursor.arrived].arrival_ns
        if withdrawal:
            stop_waiting(queue, cursor.withdrawn, _WITHDRAWN)
        elif arrival:
            _arrive(state, queue, cursor.arrived)
            cursor.arrived += 1
        else:
            return


@inlined_kernel
def _settle(state: LatticeState, queue: QueueState, until_ns: int) -> None:
    """Withdraw and let arrive, in the order of time, the virtual orders whose time comes by `until_ns`."""
    _settle_waits(state, queue, until_ns)
    _measure(queue, until_ns)


@inlined_kernel
def _end_event(state: LatticeState, queue: QueueState) -> None:
    """Judge which of the virtual orders that wait the event that is over has filled, at its time.

    Once an event: what is evicted behind it, while time moves on without another one, fills nobody.
    """
    cursor = queue.cursor[0]
    if cursor.under_way == 0:
        return
    cursor.under_way = 0
    for side in range(2):
        if cursor.waiting[side] > 0:
            opposite = best_tick(state, 1 - side)
            if cursor.has_fill[side] == 1 or _reaches(side, opposite, cursor.keenest_tick[side]):
                _judge(state, queue, side, opposite)
        cursor.has_fill[side] = 0


@kernel
def _judge(state: LatticeState, queue: QueueState, side: int, opposite: int) -> None:
    cursor = queue.cursor[0]
    best_left = _best_left(state, queue, side)
    keenest = _NO_TICK
    for index in range(cursor.withdrawn, cursor.arrived):
        order = queue.orders[index]
        if order.level == NO_SLOT or order.side != side:
            continue
        worst = cursor.worst_fill_tick[side]
        is_through = cursor.has_fill[side] == 1 and (worst < order.tick if side == SIDE_BID else worst > order.tick)
        in_front = best_left != NO_TICK and (best_left > order.tick if side == SIDE_BID else best_left < order.tick)
        reason = _UNFILLED
        if is_through:
            reason = _THROUGH
        elif order.hit and order.ahead == 0:
            reason = _BEHIND
        elif order.ahead == 0 and not in_front and _reaches(side, opposite, order.tick):
            reason = _CROSSED
        elif order.hit:
            cursor.out_of_turn += 1
        order.hit = False
        if reason != _UNFILLED:
            order.fill_ns = state.clock[0].now_ns
            stop_waiting(queue, index, reason)
        elif keenest == NO_TICK or (order.tick > keenest if side == SIDE_BID else order.tick < keenest):
            keenest = order.tick
    cursor.keenest_tick[side] = keenest


@kernel
def _evict(state: LatticeState, queue: QueueState) -> None:
    """Take out the oldest order of both best levels until the book is not crossed; it fills nobody."""
    while is_crossed(state):
        oldest = oldest_of_touch(state)
        leave(state, queue, oldest)
        remove_order(state, oldest, SILENT)
    state.clock[0].crossed_since_ns = NO_TIME


@inlined_kernel
def _move_time(state: LatticeState, queue: QueueState, time_ns: int) -> None:
    _end_event(state, queue)
    if state.rules[0].evict_crossed_ns > 0:
        eviction_ns = eviction_ns_of(state)
        if NO_TIME < eviction_ns <= time_ns:
            _settle(state, queue, eviction_ns - 1)
            _evict(state, queue)
    _settle(state, queue, time_ns)
    state.clock[0].now_ns = time_ns


@kernel
def follow(state: LatticeState, queue: QueueState, events: Array) -> None:
    """Apply events to the book, and to the virtual orders that wait in it."""
    clock = state.clock[0]
    for index in range(len(events)):
        event = events[index]
        if event.ts_ns > clock.now_ns:
            if clock.now_ns == NO_TIME:
                clock.now_ns = event.ts_ns
            _move_time(state, queue, event.ts_ns)
        clock.event_id += 1
        queue.cursor[0].under_way = 1
        apply_to_queues(state, queue, event)
        if (event.flags & FLAG_LAST) != 0:
            _end_event(state, queue)


@kernel
def advance_time(state: LatticeState, queue: QueueState, complete_to_ns: int) -> None:
    """Judge the last event, which no later one has ended, and move time to where the feed is known to be complete."""
    _move_time(state, queue, max(state.clock[0].now_ns, complete_to_ns))


@kernel
def end(state: LatticeState, queue: QueueState, complete_to_ns: int) -> None:
    """Move time to where the feed is known to be complete, and close all accounts: no event will follow."""
    advance_time(state, queue, complete_to_ns)
    if queue.cursor[0].arrived:  # what waits has not ended: the account is as it stands
        _measure(queue, queue.orders[queue.cursor[0].arrived - 1].withdrawal_ns)
