"""Moving time: what happens between the events of one time and those of the next.

Bins are aligned: bin n holds the events with n w <= ts < (n + 1) w, w the cell width in ns. Before the events of a
later time are applied, in this order: a book that has been crossed for `evict_crossed_ms` by then is uncrossed, at the
moment at which that age is reached; the bins that end by then are closed. So how events are cut into calls, and how
often time is moved in between, makes no difference to any bin. Time never runs backwards: an earlier event counts as
one of now, and is counted, but for the records of a snapshot, whose times are those of their orders, however old.
"""

from typing import Final

from vpharness.compiled import Array, int64, kernel
from vpharness.events.mbo_event import FLAG_SNAPSHOT, RESTATE
from vpharness.lattice.bins import book_is_valid, close_bin
from vpharness.lattice.book import SILENT, remove_order
from vpharness.lattice.event_rules import apply_event
from vpharness.lattice.layout import COUNT_NAMES, NO_TICK, NO_TIME, SIDE_ASK, SIDE_BID, LatticeState
from vpharness.lattice.levels import best_level, best_tick

CLAMPED_TIME: Final = COUNT_NAMES.index("clamped_ts")
NONE_YET: Final = int64(0)
EVICTED_CROSSED: Final = COUNT_NAMES.index("evicted_crossed")


@kernel
def is_crossed(state: LatticeState) -> bool:
    """Return whether the best bid is at or above the best ask."""
    bid_tick, ask_tick = best_tick(state, SIDE_BID), best_tick(state, SIDE_ASK)
    return NO_TICK < ask_tick <= bid_tick


@kernel
def eviction_ns_of(state: LatticeState) -> int:
    """Return when a book that is crossed now, and stays so, will have been for too long; NO_TIME where it is not."""
    clock = state.clock[0]
    if not is_crossed(state):
        clock.crossed_since_ns = NO_TIME
        return NO_TIME
    if clock.crossed_since_ns == NO_TIME:
        clock.crossed_since_ns = clock.now_ns
    return clock.crossed_since_ns + state.rules[0].evict_crossed_ns


@kernel
def oldest_of_touch(state: LatticeState) -> int:
    """Return the oldest order of both best levels: the one that a crossed book is rid of first."""
    bid = state.levels[best_level(state, SIDE_BID)].oldest
    ask = state.levels[best_level(state, SIDE_ASK)].oldest
    return bid if state.orders[bid].entered < state.orders[ask].entered else ask


@kernel
def _uncross(state: LatticeState) -> None:
    """Take out the oldest order of both best levels until the book is not crossed."""
    while is_crossed(state):
        remove_order(state, oldest_of_touch(state), SILENT)
        state.counts[EVICTED_CROSSED] += 1
    state.clock[0].crossed_since_ns = NO_TIME


@kernel
def _skip_silent_bins(state: LatticeState, time_ns: int) -> None:
    """Leave out the bins before `time_ns` that cannot be emitted: before the start, or without a valid book."""
    clock, width = state.clock[0], state.rules[0].cell_width_ns
    if clock.emitted > 0 or clock.bin_event_count > 0 or clock.touched > 0:
        return
    target = time_ns // width
    may_start = book_is_valid(state, best_tick(state, SIDE_BID), best_tick(state, SIDE_ASK))
    if clock.start_bin != NO_TIME and may_start:
        target = min(target, clock.start_bin)
    clock.bin = max(clock.bin, target)


@kernel
def _close_bins(
    state: LatticeState,
    until_ns: int,
    emitted: int,
    bins: Array,
    floats: Array,
    labels: Array,
    moves: Array,
    last_event_ids: Array,
) -> int:
    """Close the bins that end by `until_ns`, as far as there are rows; return how many are written."""
    clock, width = state.clock[0], state.rules[0].cell_width_ns
    while (clock.bin + 1) * width <= until_ns and emitted < len(bins):
        if close_bin(
            state, bins[emitted], floats[:, emitted], labels[:, emitted], moves[:, emitted], last_event_ids[emitted]
        ):
            emitted += 1
        _skip_silent_bins(state, until_ns)
    return emitted


@kernel
def move_time(
    state: LatticeState,
    time_ns: int,
    emitted: int,
    bins: Array,
    floats: Array,
    labels: Array,
    moves: Array,
    last_event_ids: Array,
) -> int:
    """Move time to `time_ns`, closing the bins that end by then; return how many rows are written, `emitted` included.

    Where the rows are full before that, time stands still: call again with room.
    """
    clock, width = state.clock[0], state.rules[0].cell_width_ns
    if clock.now_ns == NO_TIME:
        clock.now_ns, clock.bin = time_ns, time_ns // width
        return emitted
    if state.rules[0].evict_crossed_ns > 0:
        eviction_ns = eviction_ns_of(state)
        if NO_TIME < eviction_ns <= time_ns:
            # The bins that end before it see the book crossed: that they are closed later, by whatever event comes
            # next, must not show in them.
            emitted = _close_bins(state, eviction_ns - 1, emitted, bins, floats, labels, moves, last_event_ids)
            if (clock.bin + 1) * width < eviction_ns:
                return emitted
            _uncross(state)
    emitted = _close_bins(state, time_ns, emitted, bins, floats, labels, moves, last_event_ids)
    if (clock.bin + 1) * width > time_ns:
        clock.now_ns = time_ns
    return emitted


@kernel
def consume(
    state: LatticeState, events: Array, bins: Array, floats: Array, labels: Array, moves: Array, last_event_ids: Array
) -> tuple[int, int]:
    """Apply events until they, or the rows for finished bins, run out; return how many of each were used."""
    clock = state.clock[0]
    emitted = NONE_YET
    for index in range(len(events)):
        event = events[index]
        if event.ts_ns > clock.now_ns:
            emitted = move_time(state, event.ts_ns, emitted, bins, floats, labels, moves, last_event_ids)
            if clock.now_ns != event.ts_ns:
                return index, emitted
        elif event.ts_ns < clock.now_ns and (event.flags & FLAG_SNAPSHOT) == 0:
            state.counts[CLAMPED_TIME] += 1
        if clock.start_bin == NO_TIME and (event.flags & FLAG_SNAPSHOT) == 0:
            clock.start_bin = clock.bin
            clock.bin_event_count = 0
        if event.action != RESTATE:
            clock.event_id += 1
            clock.bin_event_count += 1
        apply_event(state, event)
    return len(events), emitted
