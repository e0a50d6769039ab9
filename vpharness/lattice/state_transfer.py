"""Saving and restoring a lattice: its whole state as plain arrays, or the orders of its book as a snapshot.

The arrays restore the very same lattice. The orders bring a second lattice, one with other parameters, to the same
book in the middle of a feed.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from vpharness.compiled import Array
from vpharness.errors import ConfigError
from vpharness.events.mbo_event import (
    ADD,
    ASK,
    BID,
    CLEAR,
    EVENT_DTYPE,
    FLAG_BY_PRICE,
    FLAG_FEED_GAP,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    FLAG_TOP_OF_BOOK,
    HALT,
    NO_SIDE,
    NONE,
)
from vpharness.hash_table import NOWHERE, TABLE_DTYPE, copy_into
from vpharness.lattice.layout import (
    CLOCK_DTYPE,
    COUNT_NAMES,
    HELD_GAP,
    KINDS,
    LEVEL_KIND,
    NO_TICK,
    NO_TIME,
    NOT_KEPT,
    ORDER_DTYPE,
    SIDE_BID,
    TOP_KIND,
    LatticeState,
)
from vpharness.lattice.soundness import first_unsound

_LATER_FIELDS: Final = {
    "orders": (ORDER_DTYPE, {"owner"}),
    "order_table": (TABLE_DTYPE, {"owner"}),
    "tick_table": (TABLE_DTYPE, {"owner"}),
    "clock": (CLOCK_DTYPE, {"gaps", "halted"}),
}
"""What states have in addition since events have a publisher."""
_EARLIER_NO_TICK: Final = -1
"""Before prices could be negative."""


def save_lattice(state: LatticeState) -> dict[str, Array]:
    """Return the state as arrays by name, as `numpy.savez` takes them. They are the state's own, not copies."""
    return {name: array for name, array in state._asdict().items() if name not in NOT_KEPT}


def restore_lattice(saved: Mapping[str, Array], fresh: LatticeState) -> LatticeState:
    """Return the state that `save_lattice` was given, bit for bit.

    In one that was saved before events had a publisher all orders are publisher 0's. `fresh` is the state before the
    first event of the lattice that is to go on (`layout.new_state`).

    Raises ConfigError where an array is missing, is one too many, or holds something else than it does now, where the
    state was saved under other rules than those of `fresh`, and where the arrays do not belong together: kernels would
    read and write outside of them.
    """
    pattern, saved = save_lattice(fresh), _with_publishers(saved)
    wanted = {name: (array.dtype, array.ndim) for name, array in pattern.items()}
    found = {name: (array.dtype, array.ndim) for name, array in saved.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ConfigError(f"the saved state is not one of this lattice: {', '.join(differing)} differ; start anew")
    # Files do not say that a record is aligned, and for others than aligned ones, or for arrays that are laid out
    # otherwise, every kernel would be compiled again.
    restored = {n: np.ascontiguousarray(saved[n]).view(array.dtype) for n, array in pattern.items()}
    state = fresh._replace(**restored)
    if others := _other_rules(state, fresh):
        raise ConfigError(f"the saved state is one of a lattice with other rules: {others}; start anew")
    if unsound := first_unsound(state, fresh):
        raise ConfigError(f"the saved state is damaged: {unsound}; start anew")
    return state


def says_publishers(saved: Mapping[str, Array]) -> bool:
    """Whether a saved state says whose its orders are, as all do since events have a publisher."""
    return "held" in saved


def given_to(state: LatticeState, publisher: int) -> LatticeState:
    """Return a state whose orders, all of them publisher 0's, are another one's."""
    orders, table = state.orders.copy(), state.order_table.copy()
    held = np.zeros((publisher + 1, KINDS), np.int64)
    held[publisher] = state.held[0]
    for owned in (orders, table):
        owned["owner"] += KINDS * publisher
    order_table = np.zeros_like(table)
    order_table["slot"] = NOWHERE
    copy_into(table, order_table)
    return state._replace(orders=orders, order_table=order_table, held=held)


def _with_publishers(saved: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return a state with the arrays and fields of today; one that is neither of today nor of before as it is."""
    for name, (dtype, later) in _LATER_FIELDS.items():
        names = saved[name].dtype.names if name in saved else None
        if "held" in saved or names is None or set(names) != set(dtype.names or ()) - later:
            return saved
    arrays = {name: _with_fields(saved[name], dtype) for name, (dtype, _) in _LATER_FIELDS.items()}
    for name in ("last_bid_tick", "last_ask_tick"):
        ticks = arrays["clock"][name]
        ticks[ticks == _EARLIER_NO_TICK] = NO_TICK
    slots, held = arrays["order_table"]["slot"], np.zeros((1, KINDS), np.int64)
    sides = arrays["orders"]["level"][slots[(slots >= 0) & (slots < len(arrays["orders"]))]] % 2
    held[0, :2] = np.bincount(sides, minlength=2)
    arrays |= {"held": held}
    if "counts" in saved and saved["counts"].ndim == 1:
        counts = saved["counts"]
        arrays["counts"] = np.concatenate([counts, np.zeros(max(0, len(COUNT_NAMES) - len(counts)), counts.dtype)])
    return {**saved, **arrays}


def _with_fields(array: Array, dtype: np.dtype[np.void]) -> Array:
    wider = np.zeros(array.shape, dtype)
    for name in array.dtype.names or ():
        wider[name] = array[name]
    return wider


def _other_rules(state: LatticeState, fresh: LatticeState) -> str:
    if len(state.rules) != 1:
        return f"{len(state.rules)} sets of them"
    names = fresh.rules.dtype.names or ()
    differing = [
        f"{name} is {state.rules[name][0]}, not {fresh.rules[name][0]}"
        for name in names
        if state.rules[name][0] != fresh.rules[name][0]
    ]
    if not np.array_equal(state.windows, fresh.windows):
        differing.append(f"spectrum_windows is {state.windows.tolist()}, not {fresh.windows.tolist()}")
    return ", ".join(differing)


def resting_orders(state: LatticeState) -> Array:
    """Return the orders of a book as a snapshot: clears and an add for each, EVENT_DTYPE, at the lattice's time.

    They stand in the order in which they entered, so that a lattice of other parameters, but of the same ticks, which
    takes them in has the same book with the same queues. Behind them stands what else makes a book invalid: a halt, and
    the gaps in publishers' feeds. What was remembered of fills at that very nanosecond is not in it. Empty before the
    first event.
    """
    clock = state.clock[0]
    if clock["now_ns"] == NO_TIME:
        return np.zeros(0, EVENT_DTYPE)
    slots = state.order_table["slot"]
    orders = state.orders[slots[slots != NOWHERE]]
    orders = orders[np.argsort(orders["entered"], kind="stable")]
    publishers = np.unique(orders["owner"] // KINDS) if len(orders) else np.zeros(1, np.int64)
    parts = [_marks(CLEAR, publishers), _adds(state, orders)]
    if clock["halted"]:
        parts.append(_marks(HALT, np.zeros(1, np.int64)))
    if clock["gaps"]:
        parts.append(_marks(NONE, np.flatnonzero(state.held[:, HELD_GAP]), FLAG_FEED_GAP))
    snapshot = np.concatenate(parts)
    snapshot["ts_ns"] = clock["now_ns"]
    snapshot["flags"] |= FLAG_SNAPSHOT
    snapshot["flags"][-1] |= FLAG_LAST
    return snapshot


def _marks(action: int, publishers: Array, flags: int = 0) -> Array:
    events = np.zeros(len(publishers), EVENT_DTYPE)
    events["action"], events["side"], events["flags"], events["publisher"] = action, NO_SIDE, flags, publishers
    return events


def _adds(state: LatticeState, orders: Array) -> Array:
    adds = np.zeros(len(orders), EVENT_DTYPE)
    kinds, sides = orders["owner"] % KINDS, orders["level"] % 2
    is_level, is_top = kinds == LEVEL_KIND + sides, kinds == TOP_KIND + sides
    adds["action"], adds["publisher"] = ADD, orders["owner"] // KINDS
    adds["side"] = np.where(sides == SIDE_BID, BID, ASK)
    prices = state.ticks["tick"][orders["level"] // 2] * state.rules["tick_price"][0]
    # A level's id is its price, which may lie between the ticks.
    adds["price"] = np.where(is_level, orders["order_id"].astype(np.int64), prices)
    adds["size"], adds["order_id"] = orders["quantity"], np.where(is_level, 0, orders["order_id"])
    adds["flags"] = np.where(is_level, FLAG_BY_PRICE, 0) | np.where(is_top, FLAG_TOP_OF_BOOK, 0)
    return adds
