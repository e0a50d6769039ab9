"""Whether the arrays of a saved lattice belong together: kernels follow the indices in them without looking.

A saved state may come back cut short, mixed up or made up. Everything that a kernel uses as an index, a length or the
end of a loop is checked, as whole arrays; each check relies on those before it. Cost: a sort of what rests, once a
restart.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from vpharness.compiled import Array
from vpharness.hash_table import NOWHERE, every_key_is_found
from vpharness.lattice.filter_bank import STATE_SIZE
from vpharness.lattice.layout import (
    EMPTY_LEVEL,
    EMPTY_TICK,
    FORCE_STATES,
    HELD_GAP,
    KINDS,
    LEVEL_KIND,
    NO_SLOT,
    NO_TIME,
    TOP_KIND,
    LatticeState,
)

_GROWING = (
    *("orders", "order_table", "held", "ticks", "tick_table", "filters", "base_states", "levels", "heaps", "touched"),
    *("snapshots", "snapshot_states"),
)

_LARGEST = 2**62
"""Numbers up to this one can be added to one another."""


def first_unsound(state: LatticeState, fresh: LatticeState) -> str | None:
    """Return the first inconsistency found; None where `fresh`, the state before any event, may have become the state.

    Both have the same rules, and each array the same type and number of dimensions.
    """
    later = (_counters, _tables, _queues, _held, _heaps, _free_orders, _marks, _snapshots, _series)
    return next(itertools.chain(_lengths(state, fresh), *(part(state) for part in later)), None)


def _lengths(state: LatticeState, fresh: LatticeState) -> Iterator[str]:
    ticks, snapshots = len(state.ticks), len(state.snapshots)
    wanted = {name: array.shape for name, array in fresh._asdict().items() if name not in _GROWING} | {
        "held": (len(state.held), int(KINDS)),
        "filters": (ticks, STATE_SIZE),
        "base_states": (ticks, FORCE_STATES),
        "levels": (2 * ticks,),
        "heaps": (2, ticks + 1),
        "touched": (ticks,),
        "snapshot_states": (snapshots, FORCE_STATES),
    }
    for name, shape in wanted.items():
        if (found := getattr(state, name).shape) != shape:
            yield f"{name} has the shape {found}, expected {shape}"
    for name in ("order_table", "tick_table"):
        if not _is_power_of_two(len(getattr(state, name))):
            yield f"{name} has {len(getattr(state, name))} places, expected a power of two"
    if snapshots and not _is_power_of_two(snapshots):
        yield f"snapshots has {snapshots} places, expected a power of two"


def _is_power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def _counters(state: LatticeState) -> Iterator[str]:
    clock, width = state.clock[0], int(state.rules["cell_width_ns"][0])
    queued = int(clock["snapshot_end"]) - int(clock["snapshot_first"])
    yield from _outside("clock.orders_used", clock["orders_used"], 0, len(state.orders))
    yield from _outside(
        "clock.orders_live", clock["orders_live"], 0, min(clock["orders_used"], _half(state.order_table))
    )
    yield from _outside("clock.free_order", clock["free_order"], NO_SLOT, clock["orders_used"] - 1)
    yield from _outside("clock.ticks_used", clock["ticks_used"], 0, min(len(state.ticks), _half(state.tick_table)))
    yield from _outside("clock.touched", clock["touched"], 0, clock["ticks_used"])
    yield from _outside("clock.snapshot_first", clock["snapshot_first"], 0, _LARGEST)
    yield from _outside("the length of the snapshot queue", queued, 0, len(state.snapshots))
    yield from _outside("clock.emitted", clock["emitted"], 0, _LARGEST)
    if clock["now_ns"] != NO_TIME:
        yield from _outside("clock.now_ns", clock["now_ns"], -_LARGEST, _LARGEST)
    if clock["now_ns"] != NO_TIME and clock["bin"] != clock["now_ns"] // width:
        yield f"clock.bin is {clock['bin']}, which is not the bin of clock.now_ns, {clock['now_ns']}"


def _half(table: Array) -> int:
    return len(table) // 2


def _tables(state: LatticeState) -> Iterator[str]:
    """Every entry is found under its key, and its slot bears that key; so keys and slots are distinct."""
    clock = state.clock[0]
    orders, ticks = state.orders, state.ticks["tick"]
    nobody = np.zeros(len(ticks), np.int32)
    for name, table, keys, owners, used, entries in (
        ("order_table", state.order_table, orders["order_id"], orders["owner"], *clock[["orders_used", "orders_live"]]),
        ("tick_table", state.tick_table, ticks, nobody, clock["ticks_used"], clock["ticks_used"]),
    ):
        taken = table[table["slot"] != NOWHERE]
        if len(taken) != entries:
            yield f"{name} has {len(taken)} entries, expected {entries}"
        yield from _outside(f"{name}.slot", taken["slot"], 0, used - 1)
        is_theirs = np.array_equal(keys[taken["slot"]].astype(np.uint64), taken["key"])
        is_theirs = is_theirs and np.array_equal(owners[taken["slot"]], taken["owner"])
        if not is_theirs or not every_key_is_found(table):
            yield f"{name} does not lead from keys to their slots"
    ticks_used = int(clock["ticks_used"])
    yield from _outside("ticks.tick", ticks[:ticks_used], -_LARGEST, _LARGEST)
    if (state.ticks[ticks_used:] != EMPTY_TICK).any() or (state.levels[2 * ticks_used :] != EMPTY_LEVEL).any():
        yield "ticks or levels hold something that no tick has been given to"
    if state.filters[ticks_used:].any():
        yield "filters hold something that no tick has been given to"


def _live(state: LatticeState) -> Array:
    slots: Array = state.order_table["slot"]
    return slots[slots != NOWHERE]


def _queues(state: LatticeState) -> Iterator[str]:
    """Each level's orders are a chain from its oldest to its newest, in the order in which they entered."""
    live, orders, used = _live(state), state.orders, 2 * int(state.clock["ticks_used"][0])
    levels, is_live = state.levels[:used], np.zeros(len(orders), np.bool_)
    is_live[live] = True
    yield from _outside("orders.level", orders["level"][live], 0, used - 1)
    yield from _outside("orders.quantity", orders["quantity"][live], 1, 2**63 - 1)
    for end, towards, back in (("oldest", "older", "newer"), ("newest", "newer", "older")):
        neighbour = orders[towards][live]
        yield from _outside(f"orders.{towards}", neighbour, NO_SLOT, len(orders) - 1)
        inner, beside = live[neighbour != NO_SLOT], neighbour[neighbour != NO_SLOT]
        before, after = (beside, inner) if towards == "older" else (inner, beside)
        is_chain = (
            is_live[beside].all()
            and (orders[back][beside] == inner).all()
            and (orders["level"][beside] == orders["level"][inner]).all()
            and (orders["entered"][before] <= orders["entered"][after]).all()
        )
        last, ends = live[neighbour == NO_SLOT], np.full(used, NO_SLOT)
        ends[orders["level"][last]] = last
        if not is_chain or not np.array_equal(levels[end], ends) or np.count_nonzero(ends != NO_SLOT) != len(last):
            yield f"orders.{towards} and levels.{end} are not the queues of the live orders"
    resting = np.zeros(used, np.int64)
    np.add.at(resting, orders["level"][live], orders["quantity"][live])
    if not np.array_equal(levels["quantity"], resting):
        yield "levels.quantity is not the sum of what rests"


def _held(state: LatticeState) -> Iterator[str]:
    """The publishers' orders are counted, and each kind rests on its side."""
    live, held = state.orders[_live(state)], state.held
    yield from _outside("orders.owner", live["owner"], 0, len(held) * KINDS - 1)
    kinds, sides = live["owner"] % KINDS, live["level"] % 2
    if ((kinds != 0) & (kinds != LEVEL_KIND + sides) & (kinds != TOP_KIND + sides)).any():
        yield "orders.owner is of a kind that does not rest there"
    expected = np.zeros(held.shape, np.int64)
    np.add.at(expected.reshape(-1), live["owner"] | sides, 1)
    expected[:, HELD_GAP] = held[:, HELD_GAP]
    if not np.array_equal(held, expected):
        yield "held is not the number of each publisher's orders"
    yield from _outside("held's gaps", held[:, HELD_GAP], 0, 1)
    if held[:, HELD_GAP].sum() != state.clock["gaps"][0]:
        yield "clock.gaps is not the number of publishers with a gap"


def _heaps(state: LatticeState) -> Iterator[str]:
    used = 2 * int(state.clock["ticks_used"][0])
    in_heap = state.levels["in_heap"]
    if (in_heap[:used] < (state.levels["quantity"][:used] > 0)).any():
        yield "levels.in_heap lacks a level with quantity"
    for side, sign in ((0, -1), (1, 1)):
        yield from _outside("the length of a heap", state.heaps[side, 0], 0, len(state.ticks))
        heap = state.heaps[side, 1 : 1 + int(state.heaps[side, 0])]
        if not np.array_equal(np.sort(heap), 2 * np.flatnonzero(in_heap[side::2]) + side):
            yield f"heaps[{side}] does not hold the levels that are marked to be in it"
        rank = sign * state.ticks["tick"][heap // 2]
        if (rank[1:] < rank[(np.arange(2, len(rank) + 1) // 2) - 1]).any():
            yield f"heaps[{side}] is not in the order of a heap"


def _free_orders(state: LatticeState) -> Iterator[str]:
    """Every slot that was used and is not live is on the list of free ones, once, and holds no quantity."""
    used, newer = int(state.clock["orders_used"][0]), state.orders["newer"].tolist()
    waiting = set(range(used)) - set(_live(state).tolist())
    slot = int(state.clock["free_order"][0])
    while slot in waiting:
        waiting.remove(slot)
        slot = newer[slot]
    if slot != NO_SLOT or waiting:
        yield "orders.newer does not lead through the free slots"
    is_free = np.ones(used, np.bool_)
    is_free[_live(state)] = False
    if state.orders["quantity"][:used][is_free].any():
        yield "orders.quantity holds something where no order rests"


def _marks(state: LatticeState) -> Iterator[str]:
    used, now_ns = int(state.clock["ticks_used"][0]), int(state.clock["now_ns"][0])
    touched = state.touched[: int(state.clock["touched"][0])]
    if not np.array_equal(np.sort(touched), np.flatnonzero(state.ticks["touched"])):
        yield "touched does not hold the ticks that are marked to be touched"
    for name in ("state_ns", "base_ns"):
        if (state.ticks[name][:used] > now_ns).any():
            yield f"ticks.{name} lies behind clock.now_ns"
    if not (np.isfinite(state.filters[:used]).all() and np.isfinite(state.base_states[:used]).all()):
        yield "filters or base_states hold values that are no numbers"


def _snapshots(state: LatticeState) -> Iterator[str]:
    """The snapshots of a tick are a chain that goes on in time."""
    clock, used = state.clock[0], int(state.clock["ticks_used"][0])
    first, end = int(clock["snapshot_first"]), int(clock["snapshot_end"])
    numbers = np.arange(first, end)
    places = numbers % max(len(state.snapshots), 1)
    queue, ticks = state.snapshots[places], state.ticks[:used]
    yield from _outside("snapshots.tick_slot", queue["tick_slot"], 0, used - 1)
    following = queue["next"]
    if ((following != NO_SLOT) & ((following <= numbers) | (following >= end))).any():
        yield "snapshots.next does not lead to later snapshots of the queue"
    begun = ticks[ticks["first_snapshot"] != NO_SLOT]
    yield from _outside("ticks.first_snapshot", begun["first_snapshot"], first, end - 1)
    if ((begun["last_snapshot"] < begun["first_snapshot"]) | (begun["last_snapshot"] >= end)).any():
        yield "ticks.last_snapshot is not in the queue behind ticks.first_snapshot"
    if not np.isfinite(state.snapshot_states[places]).all():
        yield "snapshot_states holds values that are no numbers"


def _series(state: LatticeState) -> Iterator[str]:
    """Ticks and series point at each other, and each sorted window holds what the unsorted one does."""
    clock, used = state.clock[0], int(state.clock["ticks_used"][0])
    first_bin, window = int(clock["bin"]) - int(clock["emitted"]), state.changes.shape[2]
    of_tick, slots = state.ticks["series"][:used], state.series["slot"]
    yield from _outside("ticks.series", of_tick, NO_SLOT, len(slots) - 1)
    yield from _outside("series.slot", slots, NO_SLOT, used - 1)
    followed, active = np.flatnonzero(of_tick != NO_SLOT), np.flatnonzero(slots != NO_SLOT)
    if (slots[of_tick[followed]] != followed).any() or (of_tick[slots[active]] != active).any():
        yield "ticks.series and series.slot do not point at each other"
    last = state.series["bin"][active]
    yield from _outside("series.bin", last, first_bin, int(clock["bin"]) - 1)
    counts = np.minimum(last + 1 - first_bin, window)[:, None]
    is_kept = (last[:, None] - np.arange(window)) % window < counts
    ordered = np.sort(np.where(is_kept[:, None, :], state.changes[active], np.inf), axis=2)
    found = np.where((np.arange(window) < counts)[:, None, :], state.ordered_changes[active], np.inf)
    if not np.array_equal(found, ordered):
        yield "ordered_changes is not the sorted window of changes"


def _outside(name: str, values: Array | int, low: int, high: int) -> Iterator[str]:
    found = np.atleast_1d(np.asarray(values))
    outside = found[(found < low) | (found > high)]
    if len(outside):
        yield f"{name} holds {outside[0]}, expected {low} to {high}"
