"""iirc: the trend of how well each side replaces the liquidity that it loses."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals.core.definition import (
    LONGEST_WINDOW_BINS,
    WIDEST_TICKS,
    SignalParameters,
    fixed_thresholds,
    signal,
)
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.time_operators import Clock


@dataclass(frozen=True)
class Iirc(SignalParameters):
    """Parameters of iirc."""

    thresholds: list[float] = fixed_thresholds(0.001, 0.005, 0.01, 0.02, 0.05)  # noqa: RUF009 - the list is copied for each instance
    band: int = parameter(
        16, meaning="cells up to this distance are used", unit="ticks", minimum=1, maximum=WIDEST_TICKS
    )
    eps: float = parameter(
        1.0, meaning="added to the denominator, so that the ratio stays finite", unit="quantity/s", above=0
    )
    fast_window: int = parameter(
        10, meaning="window of the fast slope", unit="bins", minimum=2, maximum=LONGEST_WINDOW_BINS
    )
    slow_window: int = parameter(
        30, meaning="window of the slow slope", unit="bins", minimum=2, maximum=LONGEST_WINDOW_BINS
    )
    noise_floor: float = parameter(0.1, meaning="the |log ratio of the sides| below which the score is 0", minimum=0)


@signal(columns=("v_add", "v_pull", "v_fill"))
def iirc(time: Clock, grid: Grid, p: Iirc) -> Array:
    """Trend of the log ratio of how well the two sides replenish what is pulled and filled.

    r_side = sum of v_add / (sum of v_pull + sum of v_fill + eps) over |k| <= band, without unit; x = ln(r_bid + 1) -
    ln(r_ask + 1); score = 0.6 slope(x, fast_window) + 0.4 slope(x, slow_window), per bin; 0 while a slope is missing,
    and where |x| < noise_floor.

    It bets on resilience: the side that replaces its losses ever better holds, and price moves away from it.
    """
    x = log_ratio(grid, p)
    slope = 0.6 * time.slope(x, p.fast_window) + 0.4 * time.slope(x, p.slow_window)
    return jnp.where(jnp.isnan(slope) | (jnp.abs(x) < p.noise_floor), 0.0, slope)


def log_ratio(grid: Grid, p: Iirc) -> Array:
    """Return the log ratio x of how well the two sides replenish what they lose: [T]."""
    band = grid.band(1, p.band)

    def replenishment(add: Array, pull: Array, fill: Array) -> Array:
        return add / (pull + fill + p.eps)

    (add_bid, add_ask), (pull_bid, pull_ask) = grid.sides(grid.v_add, band), grid.sides(grid.v_pull, band)
    fill_bid, fill_ask = grid.sides(grid.v_fill, band)
    bid, ask = replenishment(add_bid, pull_bid, fill_bid), replenishment(add_ask, pull_ask, fill_ask)
    return jnp.log(bid + 1.0) - jnp.log(ask + 1.0)
