"""A signal of a user's own that sees what a planted edge leans on: flow below spot against flow above it."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals import Clock, Grid, SignalParameters, fixed_thresholds, signal


@dataclass(frozen=True)
class RecentFlow(SignalParameters):
    """Parameters of recent_flow."""

    thresholds: list[float] = fixed_thresholds(0.2, 0.4)  # noqa: RUF009 - the list is copied for each instance
    cells: int = parameter(12, meaning="cells on each side of spot", unit="ticks", minimum=1)


@signal(columns=("v_add", "v_pull"))
def recent_flow(time: Clock, grid: Grid, p: RecentFlow) -> Array:
    """What is added below spot and pulled above it less the reverse, over their sum."""
    near = grid.band(1, p.cells)
    added_below, added_above = grid.sides(grid.v_add, near)
    pulled_below, pulled_above = grid.sides(grid.v_pull, near)
    up, down = added_below + pulled_above, added_above + pulled_below
    return (up - down) / jnp.maximum(up + down, 1e-12)
