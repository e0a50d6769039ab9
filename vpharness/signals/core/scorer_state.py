"""Saving and restoring a scorer's state as plain arrays, bit for bit."""

from collections.abc import Mapping
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.signals.core.compiled_body import ScorerState


class Startable(Protocol):
    """A scorer, of whatever kind."""

    @property
    def name(self) -> str:
        """The signal's name."""

    @property
    def capacity(self) -> int:
        """The bins that its buffers reach back."""

    def start(self) -> ScorerState:
        """Return the state before the first bin."""


def save_state(state: ScorerState) -> dict[str, NDArray[Any]]:
    """Return the state as plain arrays by name ("00_rate.previous"), as `numpy.savez` takes them."""
    return {f"{slot}.{name}": np.asarray(array) for slot, arrays in state.items() for name, array in arrays.items()}


def restore_state(scorer: Startable, saved: Mapping[str, NDArray[Any]]) -> ScorerState:
    """Return the scorer's state from the arrays that `save_state` returned, bit for bit.

    Raises ConfigError where it was saved by another signal, other structural choices or another capacity.
    """
    begin = save_state(scorer.start())
    wanted = {name: (array.shape, array.dtype) for name, array in begin.items()}
    found = {name: (array.shape, array.dtype) for name, array in saved.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ConfigError(
            f"the saved state is not one of signal {scorer.name} with capacity {scorer.capacity}: "
            f"{', '.join(differing)} differ; start anew"
        )
    return nested_state({name: saved[name] for name in begin})


def nested_state(saved: Mapping[str, NDArray[Any]]) -> ScorerState:
    """Return the state whose arrays `save_state` named."""
    state: dict[str, dict[str, Array]] = {}
    for name, array in saved.items():
        slot, _, field = name.partition(".")
        state.setdefault(slot, {})[field] = jnp.asarray(array)
    return state
