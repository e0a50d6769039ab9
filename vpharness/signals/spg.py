"""spg: the gradients of pressure and vacuum along price, and the curvature of pressure at spot."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals.core.definition import LONGEST_WINDOW_BINS, WIDEST_TICKS, SignalParameters, signal
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.time_operators import Clock


@dataclass(frozen=True)
class Spg(SignalParameters):
    """Parameters of spg."""

    fast_span: float = parameter(
        5.0,
        meaning="span of the fast average; its alpha is 2/(span + 1)",
        unit="bins",
        minimum=1,
        maximum=LONGEST_WINDOW_BINS,
    )
    slow_span: float = parameter(
        20.0, meaning="span of the slow average", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    curv_span: float = parameter(
        10.0, meaning="span of the average of the curvature", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    curv_radius: int = parameter(
        2, meaning="the curvature is averaged up to this distance", unit="ticks", minimum=0, maximum=WIDEST_TICKS
    )
    band: int = parameter(
        16, meaning="gradients are averaged up to this distance", unit="ticks", minimum=1, maximum=WIDEST_TICKS
    )


@signal(columns=("pressure_variant", "vacuum_variant"))
def spg(time: Clock, grid: Grid, p: Spg) -> Array:
    """Gradients of pressure and vacuum above spot less below it, smoothed, and the dent of pressure at spot.

    With dP and dV the central differences of pressure and vacuum along k, and means over |k| <= band on a side,
    quantity/s per tick: net = (dP_above - dP_below) + (dV_above - dV_below); smooth = 0.6 ema(net, fast) + 0.4
    ema(net, slow); curvature = ema(-mean over |k| <= curv_radius of (P_{k+1} + P_{k-1} - 2 P_k)); an ema of span n has
    alpha = 2/(n + 1). score = 0.7 smooth + 0.3 curvature, quantity/s per tick.

    It bets that a market in which pressure and vacuum lie away from spot, with a dent of pressure at the touch, rises.
    The formula is the same in the mirrored market, so that the direction comes from that bet alone and not from one
    side.
    """
    net = gradient_imbalance(grid, p.band)
    smooth = 0.6 * time.ema(net, _alpha(p.fast_span)) + 0.4 * time.ema(net, _alpha(p.slow_span))
    curvature = time.ema(-_mean_curvature(grid, grid.pressure_variant, p.curv_radius), _alpha(p.curv_span))
    return 0.7 * smooth + 0.3 * curvature


def gradient_imbalance(grid: Grid, last: int) -> Array:
    """Return the mean gradients of pressure and vacuum over |k| <= last, above spot less below it: [T]."""
    band = grid.band(1, last)
    return _above_less_below(grid, grid.pressure_variant, band) + _above_less_below(grid, grid.vacuum_variant, band)


def _alpha(span: float) -> float:
    return 2.0 / (span + 1.0)


def _above_less_below(grid: Grid, column: Array, band: Array) -> Array:
    """Return the mean gradient of a column along k over the band above spot, less that below it: [T]."""
    return -grid.bid_less_ask(_gradient(column), band / jnp.sum(band))


def _gradient(column: Array) -> Array:
    """Return the central differences along k, one-sided at the ends: [T, K]."""
    inner = (column[:, 2:] - column[:, :-2]) / 2.0
    return jnp.concatenate([column[:, 1:2] - column[:, :1], inner, column[:, -1:] - column[:, -2:-1]], axis=1)


def _mean_curvature(grid: Grid, column: Array, radius: int) -> Array:
    """Return the mean of x_{k+1} + x_{k-1} - 2 x_k over |k| <= radius: [T]."""
    grid.reach(radius + 1)
    curvature = column[:, 2:] + column[:, :-2] - 2.0 * column[:, 1:-1]
    near = (jnp.abs(grid.k[1:-1]) <= jnp.asarray(radius, jnp.float64)).astype(jnp.float64)
    return curvature @ (near / jnp.sum(near))
