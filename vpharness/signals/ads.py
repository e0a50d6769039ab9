"""ads: how the imbalance of liquidity added and pulled on the two sides has been trending."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals.core.definition import (
    LONGEST_WINDOW_BINS,
    SignalParameters,
    fixed_thresholds,
    min_periods_fit,
    signal,
)
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.time_operators import Clock

BANDS: Final = ((1, 3), (4, 11), (12, 23))
"""The first and last distance of each band, in ticks."""


@dataclass(frozen=True)
class Ads(SignalParameters):
    """Parameters of ads."""

    thresholds: list[float] = fixed_thresholds(0.02, 0.05, 0.08, 0.10, 0.15, 0.20)  # noqa: RUF009 - the list is copied for each instance
    slope_windows: list[int] = parameter(
        [10, 25, 50], meaning="windows of the slopes", unit="bins", minimum=2, maximum=LONGEST_WINDOW_BINS
    )
    blend_weights: list[float] = parameter([0.40, 0.35, 0.25], meaning="weight of each window's slope", minimum=0)
    zscore_window: int = parameter(
        200, meaning="window of the robust z of each slope", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    zscore_min_periods: int = parameter(
        30, meaning="minimum number of slopes for a robust z", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    blend_scale: float = parameter(3.0, meaning="divisor of the robust z inside tanh", above=0)

    def relations(self) -> Iterator[str]:
        """Yield what does not fit together."""
        yield from super().relations()
        yield from one_weight_a_window("slope_windows", self.slope_windows, "blend_weights", self.blend_weights)
        yield from min_periods_fit("zscore_min_periods", self.zscore_min_periods, "zscore_window", self.zscore_window)


@signal(columns=("v_add", "v_pull"))
def ads(time: Clock, grid: Grid, p: Ads) -> Array:
    """Trend of the imbalance between liquidity added and pulled below and above spot, over several windows.

    x = sum over bands b of u_b [(A_b,bid - A_b,ask) + (R_b,ask - R_b,bid)], quantity/s, with A_b and R_b the means of
    v_add and v_pull over a band's cells on one side, bands |k| 1-3, 4-11 and 12-23, and u_b = 1/sqrt(width of b),
    scaled to sum 1. score = sum over windows i of blend_i tanh(robust_z(slope(x, w_i)) / blend_scale), without unit,
    within +-sum of blend_i.

    It bets that price moves towards the side from which liquidity is increasingly withdrawn: where adding grows below
    spot and pulling grows above it, participants are leaning upwards before the mid has moved. The slopes make it
    answer to a change of the imbalance, not to its level, and nearer bands weigh more.
    """
    x = flow_imbalance(grid)
    score = jnp.zeros_like(x)
    for window, weight in zip(p.slope_windows, p.blend_weights, strict=True):
        z = time.robust_z(time.slope(x, window), p.zscore_window, p.zscore_min_periods)
        score = score + weight * jnp.tanh(z / p.blend_scale)
    return score


def flow_imbalance(grid: Grid) -> Array:
    """Return liquidity added less pulled, of the bid's side less the ask's, over the bands: quantity/s, [T]."""
    weights = band_weights(grid)
    return grid.bid_less_ask(grid.v_add, weights) - grid.bid_less_ask(grid.v_pull, weights)


def band_weights(grid: Grid) -> Array:
    """Return weights by distance, [radius]: the mean over each band, bands weighing 1/sqrt(width), with the sum 1."""
    widths = [last - first + 1 for first, last in BANDS]
    total = sum(width**-0.5 for width in widths)
    weights = jnp.zeros_like(grid.distance)
    for (first, last), width in zip(BANDS, widths, strict=True):
        weights = weights + width**-0.5 / total * grid.band(first, last) / width
    return weights


def one_weight_a_window(
    windows_name: str, windows: list[int], weights_name: str, weights: list[float]
) -> Iterator[str]:
    """Yield a sentence where there is not one weight for each window, or no window at all."""
    if not windows or len(windows) != len(weights):
        yield f"{windows_name} has {len(windows)} items and {weights_name} {len(weights)}: give one weight a window"
