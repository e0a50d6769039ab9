"""The state of a lattice as arrays: what each holds, how it starts, and how it grows.

Kernels never allocate. Before they are called the arrays get room for all that the coming events can need, so that a
kernel never has to stop for want of room.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from vpharness import hash_table
from vpharness.compiled import Array, int64
from vpharness.events.mbo_event import FLAG_BY_PRICE, FLAG_TOP_OF_BOOK
from vpharness.lattice.columns import FLOAT_COLUMNS
from vpharness.lattice.filter_bank import STATE_SIZE
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.rolling_robust_z import SEARCHES
from vpharness.prices import tick_size_to_price

NO_TIME: Final = np.iinfo(np.int64).min
NO_SLOT: Final = -1
NO_TICK: Final = np.iinfo(np.int64).min
"""No tick: below that of every price, which may be negative."""

COUNT_NAMES: Final = (
    "unknown_cancel",
    "unknown_modify",
    "duplicate_add",
    "unknown_fill",
    "clamped_ts",
    "off_tick",
    "evicted_crossed",
    "invalid_add",
    "price_out_of_range",
    "feed_gap",
    "halts",
)
"""What the lattice counts of events that are not as they should be, and of halts."""
OFF_TICK: Final = COUNT_NAMES.index("off_tick")
INVALID_ADD: Final = COUNT_NAMES.index("invalid_add")
PRICE_OUT_OF_RANGE: Final = COUNT_NAMES.index("price_out_of_range")

_I8: Final = np.int64
_F8: Final = np.float64

RULES_DTYPE: Final = np.dtype(
    [
        *((name, _I8) for name in ("cell_width_ns", "tick_price", "radius", "evict_crossed_ns")),
        *((name, _I8) for name in ("spectrum_zscore_window", "spectrum_zscore_min_periods")),
        *((name, _F8) for name in ("spectrum_zscore_floor", "spectrum_tanh_scale", "spectrum_threshold")),
        *((name, _F8) for name in ("spectrum_d1_weight", "spectrum_d2_weight", "spectrum_d3_weight")),
        *((name, _F8) for name in ("rate_velocity", "rate_acceleration", "rate_jerk", "rate_mass")),
        *((name, _F8) for name in ("c1_v_add", "c2_v_rest_pos", "c3_a_add", "c4_v_pull", "c5_v_fill")),
        *((name, _F8) for name in ("c6_v_rest_neg", "c7_a_pull", "size_unit")),
        ("with_spectrum", np.bool_),  # without it both of its columns are 0
        ("with_cells", np.bool_),  # without them a bin is its row alone: blocks have 0 cells
    ],
    align=True,
)
"""The parameters as kernels see them: those of LatticeParameters under their own names, and what follows from them."""

CLOCK_DTYPE: Final = np.dtype(
    [
        ("now_ns", _I8),  # the latest time seen
        ("bin", _I8),  # the open bin: its start is bin * cell_width_ns
        ("start_bin", _I8),  # bins before it emit nothing; NO_TIME until it is known
        ("bin_event_count", _I8),
        ("event_id", _I8),
        ("emitted", _I8),  # bins emitted so far
        ("crossed_since_ns", _I8),  # NO_TIME while the book is not crossed
        ("last_bid_tick", _I8),  # best ticks of the last emitted bin
        ("last_ask_tick", _I8),
        ("free_order", _I8),  # head of the list of free order slots
        ("orders_used", _I8),
        ("orders_live", _I8),
        ("ticks_used", _I8),
        ("touched", _I8),  # ticks with an impulse in the open bin
        ("snapshot_first", _I8),  # the snapshot queue holds [first, end), modulo its length
        ("snapshot_end", _I8),
        ("gaps", _I8),  # publishers whose book is in doubt since a gap in the feed
        ("snapshot_under_way", np.bool_),
        ("halted", np.bool_),
    ],
    align=True,
)

KINDS: Final = int64(8)
"""An order's owner is KINDS * its publisher + its kind: 0 for an order proper, or one of these, + 1 for an ask's."""
LEVEL_KIND: Final = int64(2)
"""A price level, in place of orders."""
TOP_KIND: Final = int64(4)
"""A side's best price, in place of orders."""

ORDER_DTYPE: Final = np.dtype(
    [
        ("order_id", np.uint64),  # 0 for a side's best price; the price itself, as two's complement, for a level
        ("quantity", _I8),  # 0 where the slot is free
        ("filled_quantity", _I8),  # remembered from an F of filled_ns, until a C or M uses it up
        ("filled_ns", _I8),
        ("level", np.int32),
        ("owner", np.int32),  # its publisher and its kind
        ("entered", _I8),  # the event_id that put it there
        ("older", _I8),  # neighbours in the queue of its level
        ("newer", _I8),
    ],
    align=True,
)
"""One order, in one line of the processor's cache."""

SIDE_BID: Final = int64(0)
SIDE_ASK: Final = int64(1)

LEVEL_DTYPE: Final = np.dtype(
    [
        ("quantity", _I8),
        ("oldest", _I8),  # ends of its queue of orders
        ("newest", _I8),
        ("in_heap", np.bool_),
    ],
    align=True,
)
"""One side of one tick. Level 2 * slot + side belongs to the tick in that slot."""

TICK_DTYPE: Final = np.dtype(
    [
        ("tick", _I8),
        ("state_ns", _I8),  # time of its filter state; NO_TIME before the first impulse
        ("last_event_id", _I8),
        ("first_snapshot", _I8),  # its snapshots in the queue, oldest first
        ("last_snapshot", _I8),
        ("base_ns", _I8),  # time of its state before all of them; NO_TIME where there was none
        ("series", _I8),  # its entry among the spectrum's series
        ("touched", np.bool_),
    ],
    align=True,
)

FORCE_STATES: Final = 6
"""v_add, a_add, v_pull, a_pull, v_fill, v_rest_depth: all that pressure and vacuum depend on."""

SNAPSHOT_DTYPE: Final = np.dtype([("tick_slot", _I8), ("bin", _I8), ("state_ns", _I8), ("next", _I8)], align=True)
"""When a tick had its last impulse of a bin, kept while the spectrum can look back at it; `next` is its next one."""

DIFFERENCES: Final = 3
"""The spectrum looks at the first three successive differences of the rolled composite."""

SPARE_SERIES: Final = 4
"""Series kept for each cell of the window, so that a tick which leaves it for a while need not be made anew."""

SERIES_DTYPE: Final = np.dtype(
    [("slot", _I8), ("bin", _I8), ("rolled", _F8), ("differences", _F8, (DIFFERENCES,))], align=True
)
"""The tick that a series follows, its last bin, and its rolled value and differences then."""

EMPTY_SERIES: Final = np.array([(NO_SLOT, 0, 0.0, (0.0, 0.0, 0.0))], SERIES_DTYPE)
EMPTY_TICK: Final = np.array([(0, NO_TIME, 0, NO_SLOT, NO_SLOT, NO_TIME, NO_SLOT, False)], TICK_DTYPE)
EMPTY_LEVEL: Final = np.array([(0, NO_SLOT, NO_SLOT, False)], LEVEL_DTYPE)


HELD_GAP: Final = int64(6)
"""The place, among the KINDS places of a publisher in `held`, which says whether its book is in doubt since a gap."""


class LatticeState(NamedTuple):
    """Everything the lattice remembers. Kernels change the arrays in place; growing gives a new tuple."""

    rules: Array  # RULES_DTYPE [1]
    windows: Array  # int64 [W]: lengths of the spectrum's trailing means, ascending
    clock: Array  # CLOCK_DTYPE [1]
    counts: Array  # int64 [len(COUNT_NAMES)]
    orders: Array  # ORDER_DTYPE
    order_table: Array  # order id and owner -> slot in orders
    held: Array  # int64 [publishers, KINDS]: how many orders each has, by kind + side (of an order proper)
    ticks: Array  # TICK_DTYPE
    tick_table: Array  # tick -> slot in ticks
    filters: Array  # float64 [ticks, STATE_SIZE]
    base_states: Array  # float64 [ticks, FORCE_STATES]: the state at base_ns
    levels: Array  # LEVEL_DTYPE [2 * ticks]
    heaps: Array  # int64 [2, ticks + 1]: per side its levels with quantity; place 0 holds their number
    touched: Array  # int64 [ticks]: slots of the ticks with an impulse in the open bin
    snapshots: Array  # SNAPSHOT_DTYPE: a circular queue, its length a power of two
    snapshot_states: Array  # float64 [snapshots, FORCE_STATES]: the tick's state at that time
    past: Array  # float64 [look-back]: room to work out the composites of a tick's past bins
    cell: Array  # float64 [len(FLOAT_COLUMNS)]: room to work out a cell
    tick_state: Array  # float64 [STATE_SIZE]: room to work out its tick's state
    series: Array  # SERIES_DTYPE [S]: what the spectrum keeps of the ticks in the window
    composites: Array  # float64 [S, longest window]: the last composites, circular by bin number
    changes: Array  # float64 [S, DIFFERENCES, z-window]: the last differences, circular by bin number
    ordered_changes: Array  # float64 [S, DIFFERENCES, z-window]: the same, ascending
    searches: Array  # int64 [S, DIFFERENCES, SEARCHES]: where the last searches of these ended; nothing depends on it
    wanted: Array  # int64 [W]: the places of the float columns that are worked out, ascending


NOT_KEPT: Final = ("searches", "wanted")
"""What is no part of a saved state: it changes how long things take, and what is worked out of them."""


def new_state(
    parameters: LatticeParameters,
    *,
    tick_size: float,
    size_unit: float,
    start_ns: int | None,
    default_evict_crossed_ms: int = 0,
) -> LatticeState:
    """Return the state of a lattice before its first event; every fresh lattice is made here.

    Args:
        parameters: the lattice's.
        tick_size: the smallest price step, in price units.
        size_unit: what the sizes of events are multiples of.
        start_ns: when emission begins, rounded down to a bin's edge; None for the first record that is not part of a
            snapshot.
        default_evict_crossed_ms: the source's rule for crossed books, which holds where the parameters have none
            (`LatticeParameters.with_eviction`).
    """
    parameters = parameters.with_eviction(default_evict_crossed_ms)
    rules = _rules(parameters, tick_size, size_unit)
    clock = np.zeros(1, CLOCK_DTYPE)
    for name in ("now_ns", "start_bin", "crossed_since_ns"):
        clock[name] = NO_TIME
    if start_ns is not None:
        clock["start_bin"] = start_ns // rules["cell_width_ns"][0]
    clock["last_bid_tick"] = clock["last_ask_tick"] = NO_TICK
    clock["free_order"] = NO_SLOT
    longest_window, zscore_window = max(parameters.spectrum_windows), parameters.spectrum_zscore_window
    series = SPARE_SERIES * (2 * parameters.radius + 1)
    return LatticeState(
        rules=rules,
        windows=np.array(sorted(parameters.spectrum_windows), np.int64),
        clock=clock,
        counts=np.zeros(len(COUNT_NAMES), np.int64),
        orders=np.zeros(0, ORDER_DTYPE),
        order_table=hash_table.new_table(0),
        held=np.zeros((0, KINDS), np.int64),
        ticks=np.zeros(0, TICK_DTYPE),
        tick_table=hash_table.new_table(0),
        filters=np.zeros((0, STATE_SIZE)),
        base_states=np.zeros((0, FORCE_STATES)),
        levels=np.zeros(0, LEVEL_DTYPE),
        heaps=np.zeros((2, 1), np.int64),
        touched=np.zeros(0, np.int64),
        snapshots=np.zeros(0, SNAPSHOT_DTYPE),
        snapshot_states=np.zeros((0, FORCE_STATES)),
        past=np.zeros(zscore_window + DIFFERENCES + longest_window),
        cell=np.zeros(len(FLOAT_COLUMNS)),
        tick_state=np.zeros(STATE_SIZE),
        series=np.full(series, EMPTY_SERIES, SERIES_DTYPE),
        composites=np.zeros((series, longest_window)),
        changes=np.zeros((series, DIFFERENCES, zscore_window)),
        ordered_changes=np.zeros((series, DIFFERENCES, zscore_window)),
        searches=np.zeros((series, DIFFERENCES, SEARCHES), np.int64),
        wanted=np.arange(len(FLOAT_COLUMNS)),
    )


def _rules(parameters: LatticeParameters, tick_size: float, size_unit: float) -> Array:
    rules = np.zeros(1, RULES_DTYPE)
    for name in RULES_DTYPE.names or ():
        if hasattr(parameters, name):
            rules[name] = getattr(parameters, name)
    rules["cell_width_ns"] = parameters.cell_width_ms * 1_000_000
    rules["tick_price"] = tick_size_to_price(tick_size)
    rules["size_unit"] = size_unit
    rules["evict_crossed_ns"] = (parameters.evict_crossed_ms or 0) * 1_000_000
    rules["with_spectrum"] = rules["with_cells"] = True
    for name in ("velocity", "acceleration", "jerk", "mass"):
        rules[f"rate_{name}"] = 1 / getattr(parameters, f"tau_{name}")
    return rules


def make_room(state: LatticeState, events: Array) -> LatticeState:
    """Return the state with room for whatever the next events, of EVENT_DTYPE, may add."""
    clock, event_count = state.clock[0], len(events)
    publishers = int(events["publisher"].max(initial=0)) + 1
    # An event enters at most one order on one tick, and touches two ticks at the most, or those of orders that it
    # displaces, each of which goes once.
    orders, ticks = int(clock["orders_live"]) + event_count, int(clock["ticks_used"]) + event_count
    displaced = orders if (events["flags"] & (FLAG_TOP_OF_BOOK | FLAG_BY_PRICE)).any() else 0
    queued = int(clock["snapshot_end"] - clock["snapshot_first"]) + int(clock["touched"]) + 2 * event_count + displaced
    if orders > len(state.orders):
        state = state._replace(orders=_grown(state.orders, orders))
    if publishers > len(state.held):
        state = state._replace(held=_grown(state.held, publishers))
    if 2 * orders > len(state.order_table):
        state = state._replace(order_table=_rehashed(state.order_table, orders))
    if ticks > len(state.ticks):
        state = _with_ticks(state, ticks)
    if 2 * ticks > len(state.tick_table):
        state = state._replace(tick_table=_rehashed(state.tick_table, ticks))
    if queued > len(state.snapshots):
        state = _with_snapshots(state, queued)
    return state


def _with_ticks(state: LatticeState, least: int) -> LatticeState:
    ticks = _grown(state.ticks, least, EMPTY_TICK)
    levels = _grown(state.levels, 2 * len(ticks), EMPTY_LEVEL)
    heaps = np.zeros((2, len(ticks) + 1), np.int64)
    heaps[:, : state.heaps.shape[1]] = state.heaps
    return state._replace(
        ticks=ticks,
        filters=_grown(state.filters, len(ticks)),
        base_states=_grown(state.base_states, len(ticks)),
        levels=levels,
        heaps=heaps,
        touched=_grown(state.touched, len(ticks)),
    )


def _grown(array: Array, least: int, value: Any = None) -> Array:
    """Return an array of at least so many rows and of twice as many as it had: it seldom has to grow again."""
    return lengthened(array, max(least, 2 * len(array)), value)


def lengthened(array: Array, length: int, value: Any = None) -> Array:
    """Return an array with more rows; those that are added are `value`, or zeros."""
    longer = np.zeros((length, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    if value is not None:
        longer[len(array) :] = value
    return longer


def _rehashed(table: Array, least: int) -> Array:
    larger = hash_table.new_table(max(least, len(table)))
    hash_table.copy_into(table, larger)
    return larger


def _with_snapshots(state: LatticeState, least: int) -> LatticeState:
    """Lengthen the queue of snapshots, keeping each under its number."""
    numbers = np.arange(state.clock["snapshot_first"][0], state.clock["snapshot_end"][0])
    length = 1 << max(10, (least - 1).bit_length())
    snapshots, states = np.zeros(length, SNAPSHOT_DTYPE), np.zeros((length, FORCE_STATES))
    if len(numbers):
        snapshots[numbers % length] = state.snapshots[numbers % len(state.snapshots)]
        states[numbers % length] = state.snapshot_states[numbers % len(state.snapshots)]
    return state._replace(snapshots=snapshots, snapshot_states=states)
