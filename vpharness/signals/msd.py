"""msd: the imbalance of vacuum between the two sides of spot."""

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
    """Vacuum above spot less vacuum below it, over all cells.

    score = sum over k > 0 of w_k V_k - sum over k < 0 of w_k V_k, quantity/s, with V the column vacuum_variant and
    w_k = 1/|k| (variant "weighted") or 1 (variant "sum").

    It bets that price is drawn to the side on which liquidity is being cancelled and filled away, as there is less
    there to stop it. It has no memory at all: the score is of this bin alone.
    """
    weights = 1.0 / grid.distance if p.variant == "weighted" else jnp.ones_like(grid.distance)
    return -grid.bid_less_ask(grid.vacuum_variant, jnp.asarray(weights))
