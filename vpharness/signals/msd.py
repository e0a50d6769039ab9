"""msd: vacuum above spot less vacuum below it."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals.core.definition import SignalParameters, signal
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.time_operators import Clock


@dataclass(frozen=True)
class Msd(SignalParameters):
    """Parameters of msd."""

    variant: str = parameter(
        "weighted", meaning="how cells weigh: weighted, by 1/distance; sum, all alike", choices=("weighted", "sum")
    )


@signal(columns=("vacuum_variant",))
def msd(time: Clock, grid: Grid, p: Msd) -> Array:  # noqa: ARG001 - every signal takes time, also one that needs none
    """Vacuum above spot less vacuum below it, over all cells."""
    weights = 1.0 / grid.distance if p.variant == "weighted" else jnp.ones_like(grid.distance)
    return -grid.bid_less_ask(grid.vacuum_variant, jnp.asarray(weights))
