"""Saving and restoring a scorer's state as plain arrays, bit for bit."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.signals.core.scoring import Scorer, ScorerState


def save_state(state: ScorerState) -> dict[str, NDArray[Any]]:
    """Return the state as plain arrays by name ("00_rate.previous"), as `numpy.savez` takes them."""
    return {f"{slot}.{name}": np.asarray(array) for slot, arrays in state.items() for name, array in arrays.items()}


def restore_state(scorer: Scorer, saved: Mapping[str, NDArray[Any]]) -> ScorerState:
    """Return the scorer's state from the arrays that `save_state` returned, bit for bit.

    Raises ConfigError where it was saved by another signal, other structural choices or another capacity.
    """
    begin = save_state(scorer.start())
    wanted = {name: (array.shape, array.dtype) for name, array in begin.items()}
    found = {name: (array.shape, array.dtype) for name, array in saved.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ConfigError(
            f"the saved state is not one of signal {scorer.signal.name} with capacity {scorer.capacity}: "
            f"{', '.join(differing)} differ; start anew"
        )
    state: dict[str, dict[str, Array]] = {}
    for name in begin:
        slot, _, field = name.partition(".")
        state.setdefault(slot, {})[field] = jnp.asarray(saved[name])
    return state
