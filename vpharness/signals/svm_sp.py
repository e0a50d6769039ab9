"""svm_sp: a linear support vector machine on the profile of net pressure and moments of flow and of the mid's moves."""

from dataclasses import dataclass

from jax import Array

from vpharness.signals.core.grid import Grid
from vpharness.signals.core.learned import learned, with_default
from vpharness.signals.core.time_operators import Clock
from vpharness.signals.flow_features import (
    FLOW_COLUMNS,
    asymmetries,
    cells_at,
    mid_moves,
    moments,
    stacked,
    velocities_by_band,
)
from vpharness.signals.models.linear_svm import LinearSvm


@dataclass(frozen=True)
class SvmSp(LinearSvm):
    """Parameters of svm_sp."""

    first_fit_bins: int = with_default(LinearSvm, "first_fit_bins", 1800)
    refit_every_bins: int = with_default(LinearSvm, "refit_every_bins", 300)


@learned(
    columns=(*FLOW_COLUMNS, "pressure_variant", "vacuum_variant"),
    series=("mid_ticks",),
)
def svm_sp(time: Clock, grid: Grid, p: SvmSp) -> Array:  # noqa: ARG001 - every signal takes its parameters
    """A linear support vector machine on the profile of net pressure along price, and moments of flow and of moves.

    Features (45): P - V at every 5th tick from -50 to 50; mean and deviation over 50, 200 and 600 bins of the
    asymmetry of v in each band, what is added and pulled together, and of the mid's moves. score = P(up) - P(down)
    of the label touch.

    It bets that the shape of pressure over a wide range of prices, read together with how steady flow and the mid
    have been, tells which way a market leans: where liquidity stands far away matters as much as at the touch.
    """
    by_band = velocities_by_band(asymmetries(grid))
    return stacked(
        cells_at(grid, grid.pressure_variant - grid.vacuum_variant, range(-50, 51, 5)),
        moments(time, [by_band[:, 0], by_band[:, 1], by_band[:, 2]], (50, 200, 600)),
        moments(time, [mid_moves(time, grid)], (50, 200, 600)),
    )
