"""Saving and restoring a lattice: its whole state as plain arrays, or the orders of its book as a snapshot.

The arrays restore the very same lattice. The orders bring a second lattice, one with other parameters, to the same
book in the middle of a feed.
"""

from collections.abc import Mapping

import numpy as np

from vpharness.compiled import Array
from vpharness.errors import ConfigError
from vpharness.events.mbo_event import ADD, ASK, BID, CLEAR, EVENT_DTYPE, FLAG_LAST, FLAG_SNAPSHOT, NO_SIDE
from vpharness.hash_table import NOWHERE
from vpharness.lattice.layout import NO_TIME, SIDE_BID, LatticeState
from vpharness.lattice.soundness import first_unsound


def save_state(state: LatticeState) -> dict[str, Array]:
    """Return the state as arrays by name, as `numpy.savez` takes them. They are the state's own, not copies."""
    return state._asdict()


def restore_state(saved: Mapping[str, Array], fresh: LatticeState) -> LatticeState:
    """Return the state that `save_state` was given, bit for bit.

    `fresh` is the state before the first event of the lattice that is to go on (`layout.new_state`).

    Raises ConfigError where an array is missing, is one too many, or holds something else than it does now, where the
    state was saved under other rules than those of `fresh`, and where the arrays do not belong together: kernels would
    read and write outside of them.
    """
    pattern = fresh._asdict()
    wanted = {name: (array.dtype, array.ndim) for name, array in pattern.items()}
    found = {name: (array.dtype, array.ndim) for name, array in saved.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ConfigError(f"the saved state is not one of this lattice: {', '.join(differing)} differ; start anew")
    # Files do not say that a record is aligned, and for others than aligned ones, or for arrays that are laid out
    # otherwise, every kernel would be compiled again.
    state = LatticeState(**{n: np.ascontiguousarray(saved[n]).view(array.dtype) for n, array in pattern.items()})
    if others := _other_rules(state, fresh):
        raise ConfigError(f"the saved state is one of a lattice with other rules: {others}; start anew")
    if unsound := first_unsound(state, fresh):
        raise ConfigError(f"the saved state is damaged: {unsound}; start anew")
    return state


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
    """Return the orders of a book as a snapshot: a clear and an add for each, EVENT_DTYPE, at the lattice's time.

    They stand in the order in which they entered, so that a lattice of other parameters, but of the same ticks, which
    takes them in has the same book with the same queues. What was remembered of fills at that very nanosecond is not
    in it. Empty before the first event.
    """
    clock = state.clock[0]
    if clock["now_ns"] == NO_TIME:
        return np.zeros(0, EVENT_DTYPE)
    slots = state.order_table["slot"]
    orders = state.orders[slots[slots != NOWHERE]]
    orders = orders[np.argsort(orders["entered"], kind="stable")]
    snapshot = np.zeros(1 + len(orders), EVENT_DTYPE)
    snapshot["ts_ns"], snapshot["flags"] = clock["now_ns"], FLAG_SNAPSHOT
    snapshot["action"], snapshot["side"] = ADD, NO_SIDE
    snapshot["action"][0] = CLEAR
    adds = snapshot[1:]
    adds["price"] = state.ticks["tick"][orders["level"] // 2] * state.rules["tick_price"][0]
    adds["size"], adds["order_id"] = orders["quantity"], orders["order_id"]
    adds["side"] = np.where(orders["level"] % 2 == SIDE_BID, BID, ASK)
    snapshot["flags"][-1] |= FLAG_LAST
    return snapshot
