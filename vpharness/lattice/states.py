"""A lattice's state as plain arrays by name and back, bit for bit."""

from collections.abc import Mapping

import numpy as np

from vpharness.errors import ConfigError
from vpharness.lattice.layout import LatticeState
from vpharness.lattice.soundness import first_unsound
from vpharness.lattice.types import Array


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
