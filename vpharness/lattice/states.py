"""A lattice's state as plain arrays by name and back, bit for bit."""

from collections.abc import Mapping

from vpharness.errors import ConfigError
from vpharness.lattice.layout import LatticeState, new_state
from vpharness.lattice.parameters import LatticeParameters
from vpharness.lattice.types import Array


def save_state(state: LatticeState) -> dict[str, Array]:
    """Return the state as arrays by name, as `numpy.savez` takes them. They are the state's own, not copies."""
    return state._asdict()


def restore_state(saved: Mapping[str, Array]) -> LatticeState:
    """Return the state that `save_state` was given, bit for bit.

    Raises ConfigError where an array is missing, is one too many, or holds something else than it does now.
    """
    pattern = new_state(LatticeParameters(), tick_size=1.0, size_unit=1.0, evict_crossed_ms=0, start_ns=None)._asdict()
    wanted = {name: (array.dtype, array.ndim) for name, array in pattern.items()}
    found = {name: (array.dtype, array.ndim) for name, array in saved.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ConfigError(f"the saved state is not one of this lattice: {', '.join(differing)} differ; start anew")
    # Files do not say that a record is aligned, and for others than aligned ones every kernel would be compiled again.
    return LatticeState(**{name: saved[name].view(array.dtype) for name, array in pattern.items()})
