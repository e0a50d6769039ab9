"""ridge_flow: a ridge regression on the series that the formulas are made of, and on the queues at the touch."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.signals.ads import flow_imbalance
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.learned import learned, with_default
from vpharness.signals.core.time_operators import Clock
from vpharness.signals.flow_features import stacked
from vpharness.signals.iirc import Iirc, log_ratio
from vpharness.signals.models.ridge import Ridge
from vpharness.signals.pfp import Pfp, lead, zone_weights
from vpharness.signals.spg import Spg, gradient_imbalance

NEAR_TICKS = 5
"""The ticks from the best price on whose queues are added up."""


@dataclass(frozen=True)
class RidgeFlow(Ridge):
    """Parameters of ridge_flow."""

    label: str = with_default(Ridge, "label", "move")
    horizon_bins: int = with_default(Ridge, "horizon_bins", 20)
    first_fit_bins: int = with_default(Ridge, "first_fit_bins", 2400)
    refit_every_bins: int = with_default(Ridge, "refit_every_bins", 6000)


@learned(
    columns=("v_add", "v_pull", "v_fill", "pressure_variant", "vacuum_variant", "bid_depth", "ask_depth"),
    series=("mid_ticks", "spread_ticks"),
)
def ridge_flow(time: Clock, grid: Grid, p: RidgeFlow) -> Array:  # noqa: ARG001 - every signal takes its parameters
    """A ridge regression of the coming move on the formulas' own series, and on the queues at the touch.

    Features (13): slopes over 10, 25 and 50 bins of the imbalance of ads; the four leads of pfp; msd; the log ratio
    of iirc; the net gradient of spg; the queue imbalance (B - A)/(B + A) at the best prices and over five ticks
    from them; microprice less mid, spread/2 (B - A)/(B + A), ticks. score = the predicted move of the mid over 20
    bins, ticks.

    It bets that each formula holds a part of the truth and that their weights can be read off the past. A linear
    sum of few steady series is the least that a fit can do: what is no better than this has learned nothing.
    """
    flow, own = flow_imbalance(grid), Pfp()
    zones = zone_weights(grid)
    means = [*grid.sides(grid.v_add + grid.v_fill, zones), *grid.sides(grid.v_pull, zones)]
    touch, near, micro = queue_imbalances(grid)
    return stacked(
        [time.slope(flow, window) for window in (10, 25, 50)],
        [lead(time, own, each) for each in means],
        -grid.bid_less_ask(grid.vacuum_variant, 1.0 / grid.distance),
        log_ratio(grid, Iirc()),
        gradient_imbalance(grid, Spg().band),
        touch,
        near,
        micro,
    )


def queue_imbalances(grid: Grid) -> tuple[Array, Array, Array]:
    """Return (B - A)/(B + A) of the queues at the best prices and over `NEAR_TICKS`, and microprice less mid, ticks.

    Cells are told by where the best prices stand from spot, floor(mid + 1/2). 0 where nothing rests.
    """
    spot = jnp.floor(grid.mid_ticks + 0.5)
    best_bid, best_ask = (grid.mid_ticks + side * grid.spread_ticks / 2.0 - spot for side in (-1.0, 1.0))
    behind_bid = best_bid[:, None] - grid.k[None, :]
    behind_ask = grid.k[None, :] - best_ask[:, None]

    def imbalance(ticks: int) -> Array:
        # Half a tick of room: what a mid was rounded by must not move a cell.
        bid, ask = (
            jnp.sum(jnp.where((behind > -0.5) & (behind < ticks - 0.5), depth, 0.0), axis=1)
            for behind, depth in ((behind_bid, grid.bid_depth), (behind_ask, grid.ask_depth))
        )
        whole = bid + ask
        return jnp.where(whole > 0, (bid - ask) / jnp.where(whole > 0, whole, 1.0), 0.0)

    touch = imbalance(1)
    return touch, imbalance(NEAR_TICKS), grid.spread_ticks / 2.0 * touch
