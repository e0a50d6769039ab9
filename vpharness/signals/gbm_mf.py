"""gbm_mf: boosted trees on asymmetries of flow, their slopes, pressure at spot and moments of the mid's moves."""

from dataclasses import dataclass

from jax import Array

from vpharness.signals.core.grid import Grid
from vpharness.signals.core.learned import learned, with_default
from vpharness.signals.core.time_operators import Clock
from vpharness.signals.flow_features import FLOW_COLUMNS, asymmetries, cells_at, mid_moves, moments, stacked
from vpharness.signals.models.trees import Trees


@dataclass(frozen=True)
class GbmMf(Trees):
    """Parameters of gbm_mf."""

    first_fit_bins: int = with_default(Trees, "first_fit_bins", 2400)
    refit_every_bins: int = with_default(Trees, "refit_every_bins", 600)


@learned(
    columns=(*FLOW_COLUMNS, "pressure_variant", "vacuum_variant"),
    series=("mid_ticks",),
)
def gbm_mf(time: Clock, grid: Grid, p: GbmMf) -> Array:  # noqa: ARG001 - every signal takes its parameters
    """Boosted trees on asymmetries of flow by band, their slopes, net pressure at spot and moments of the mid's moves.

    Features (53): the 18 asymmetries of v, a and j of what is added and pulled by band; their slopes over 50 bins;
    P - V at spot with its mean and standard deviation over 50 and 300; mean, deviation and skewness of the mid's
    moves over 50, 200 and 600; P_{+1} - P_{-1} with its mean and deviation over 200. score = P(up) - P(down) of the
    label touch, by LightGBM.

    It bets that what flow means depends on where the market comes from: the same imbalance continues after calm and
    turns after a run, which a tree can say and a weighted sum cannot. Missing slopes at the start are passed to the
    trees as they are.
    """
    flow = asymmetries(grid)
    net = cells_at(grid, grid.pressure_variant - grid.vacuum_variant, [0])[:, 0]
    beside = cells_at(grid, grid.pressure_variant, [-1, 1])
    tilt = beside[:, 1] - beside[:, 0]
    return stacked(
        flow,
        time.slope(flow, 50),
        net,
        moments(time, [net], (50, 300)),
        moments(time, [mid_moves(time, grid)], (50, 200, 600), skew=True),
        tilt,
        moments(time, [tilt], (200,)),
    )
