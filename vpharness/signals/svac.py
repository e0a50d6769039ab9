"""svac: the imbalance of vacuum in units of its own recent size."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals.core.definition import SignalParameters, signal
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.time_operators import Clock
from vpharness.signals.msd import Msd, msd


@dataclass(frozen=True)
class Svac(SignalParameters):
    """Parameters of svac."""

    norm_alpha: float = parameter(
        0.05, meaning="EMA weight of the newest absolute value in the mean size", above=0, maximum=1
    )
    norm_floor: float = parameter(1e-6, meaning="lower limit of the mean size", unit="quantity/s", above=0)


@signal(columns=("vacuum_variant",))
def svac(time: Clock, grid: Grid, p: Svac) -> Array:
    """Vacuum above spot less below it, weighted by 1/distance, in units of its recent mean size.

    x = msd with weights 1/|k|, quantity/s; score = x / max(ema(|x|, norm_alpha), norm_floor), without unit: 1 is an
    ordinary imbalance.

    It bets as msd does that price is drawn to where liquidity drains, and measures the drain against what has lately
    been usual, so that one threshold serves quiet and busy hours.
    """
    x = msd(time, grid, Msd(variant="weighted"))
    return x / jnp.maximum(time.ema(jnp.abs(x), p.norm_alpha), p.norm_floor)
