"""A signal that takes longer than a bin lasts, for measuring what a model that is too slow does to other feeds."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals import Clock, Grid, SignalParameters, fixed_thresholds, signal


@dataclass(frozen=True)
class SlowSignal(SignalParameters):
    """Parameters of slow_signal."""

    thresholds: list[float] = fixed_thresholds(0.5)  # noqa: RUF009 - the list is copied for each instance
    rounds: int = parameter(100, meaning="products of two matrices of 300 x 300 that a bin takes", minimum=1)


@signal(columns=("v_add",))
def slow_signal(time: Clock, grid: Grid, p: SlowSignal) -> Array:
    """A number between -1 and 1 for each bin that takes long to compute."""
    row = jnp.resize(grid.v_add, 300)
    start = jnp.tanh(jnp.outer(row, row))
    mean = jax.lax.fori_loop(0, p.rounds, lambda _, found: jnp.tanh(found @ found), start).mean()
    return jnp.tanh(mean + grid.v_add.sum(axis=-1))
