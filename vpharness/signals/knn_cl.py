"""knn_cl: what happened after the eleven moments of the past that looked most like this one."""

from dataclasses import dataclass

from jax import Array

from vpharness.signals.core.grid import Grid
from vpharness.signals.core.learned import learned, with_default
from vpharness.signals.core.time_operators import Clock
from vpharness.signals.flow_features import FLOW_COLUMNS, asymmetries, cells_at, mid_moves, stacked, velocities_by_band
from vpharness.signals.models.knn import Knn


@dataclass(frozen=True)
class KnnCl(Knn):
    """Parameters of knn_cl."""

    first_fit_bins: int = with_default(Knn, "first_fit_bins", 1800)
    refit_every_bins: int = with_default(Knn, "refit_every_bins", 300)


@learned(
    columns=(*FLOW_COLUMNS, "pressure_variant", "vacuum_variant"),
    series=("mid_ticks",),
)
def knn_cl(time: Clock, grid: Grid, p: KnnCl) -> Array:  # noqa: ARG001 - every signal takes its parameters
    """Mean outcome of the eleven training bins whose flow, net pressure and moves are most like this bin's.

    Features (35): the 18 asymmetries of v, a and j of what is added and pulled by band; slopes over 10, 50 and 200
    bins of the sum of those of v; P - V at every 10th tick from -50 to 50; the mean move of the mid over 20, 100
    and 600. score = votes of the label touch, weighted by 1/distance, P(up) - P(down).

    It bets that the market repeats itself: a moment whose flow looks like eleven moments of the last hours ends as
    they did. It assumes no shape of the relation, and pays for it with noise: it needs many similar moments.
    """
    flow = asymmetries(grid)
    velocity = velocities_by_band(flow).sum(axis=1)
    moves = mid_moves(time, grid)
    return stacked(
        flow,
        [time.slope(velocity, window) for window in (10, 50, 200)],
        cells_at(grid, grid.pressure_variant - grid.vacuum_variant, range(-50, 51, 10)),
        [time.mean(moves, window) for window in (20, 100, 600)],
    )
