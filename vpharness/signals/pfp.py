"""pfp: how far activity near the touch follows activity farther out, in building and in pulling."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals.core.definition import LONGEST_WINDOW_BINS, SignalParameters, signal
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.time_operators import Clock

INNER_ZONE = (1, 3)
OUTER_ZONE = (5, 12)
"""The first and last distance of a zone, in ticks."""


@dataclass(frozen=True)
class Pfp(SignalParameters):
    """Parameters of pfp."""

    lag_bins: int = parameter(
        5, meaning="delay of the outer zone against the inner one", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    ema_alpha: float = parameter(0.1, meaning="EMA weight of the newest product", above=0, maximum=1)
    add_weight: float = parameter(0.6, meaning="weight of the lead in building")
    pull_weight: float = parameter(0.4, meaning="weight of the lead in pulling")
    eps: float = parameter(1e-12, meaning="added to the denominator, so that the ratio stays finite", above=0)


@signal(columns=("v_add", "v_fill", "v_pull"))
def pfp(time: Clock, grid: Grid, p: Pfp) -> Array:
    """Lead of the outer zone over the inner one, in liquidity built and pulled, of one side less the other.

    With the zone means i (|k| 1-3) and o (|k| 5-12) of a column on one side, quantity/s: lead(i, o) = ema(i_t
    o_{t-lag}) / (ema(i_t o_t) + eps), without unit: above 1 where the inner zone resembles what the outer zone did
    `lag_bins` ago more than what it does now. score = add_weight (lead_bid - lead_ask of v_add + v_fill) + pull_weight
    (lead_ask - lead_bid of v_pull), without unit.

    It bets that informed participants place and pull orders far from the touch first, so that activity which travels
    inwards tells where price will go: building that travels inwards below spot, or pulling above it, points up.
    """
    zones = zone_weights(grid)
    (add_bid, add_ask), (fill_bid, fill_ask) = grid.sides(grid.v_add, zones), grid.sides(grid.v_fill, zones)
    pull_bid, pull_ask = grid.sides(grid.v_pull, zones)
    build = lead(time, p, add_bid + fill_bid) - lead(time, p, add_ask + fill_ask)
    return p.add_weight * build + p.pull_weight * (lead(time, p, pull_ask) - lead(time, p, pull_bid))


def zone_weights(grid: Grid) -> Array:
    """Return weights by distance that give the means over the inner and the outer zone: [2, radius]."""
    return jnp.stack([grid.band(first, last) / (last - first + 1) for first, last in (INNER_ZONE, OUTER_ZONE)])


def lead(time: Clock, p: Pfp, zone_means: Array) -> Array:
    """Return how much more the inner zone resembles what the outer one did a lag ago than what it does now: [T]."""
    inner, outer = zone_means
    delayed = time.ema(inner * time.lag(outer, p.lag_bins), p.ema_alpha)
    return delayed / (time.ema(inner * outer, p.ema_alpha) + p.eps)
