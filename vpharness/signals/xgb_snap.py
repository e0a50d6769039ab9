"""xgb_snap: boosted trees on a picture of pressure, vacuum and the spectrum around spot."""

from dataclasses import dataclass

from jax import Array

from vpharness.signals.core.grid import Grid
from vpharness.signals.core.learned import learned, with_default
from vpharness.signals.core.time_operators import Clock
from vpharness.signals.flow_features import cells_at, mid_moves, moments, stacked
from vpharness.signals.models.trees_xgb import TreesXgb


@dataclass(frozen=True)
class XgbSnap(TreesXgb):
    """Parameters of xgb_snap."""

    first_fit_bins: int = with_default(TreesXgb, "first_fit_bins", 2400)
    refit_every_bins: int = with_default(TreesXgb, "refit_every_bins", 600)


@learned(
    columns=("pressure_variant", "vacuum_variant", "spectrum_score"),
    series=("mid_ticks",),
)
def xgb_snap(time: Clock, grid: Grid, p: XgbSnap) -> Array:  # noqa: ARG001 - every signal takes its parameters
    """Boosted trees on the cells of pressure, vacuum and spectrum score around spot, and moments of the mid's moves.

    Features (163): P, V and the spectrum score at |k| <= 25; mean and deviation of the mid's moves over 50, 200 and
    600 bins; the sums of P and of V over 1 <= |k| <= 24 on each side. score = P(up) - P(down) of the label touch,
    by XGBoost.

    It bets that a picture of the book's pressure holds combinations of cells that nobody has thought of, and that
    enough of them recur. It has the most features of all beside few training bins at its first fits, and is the
    first to suspect.
    """
    near = range(-25, 26)
    side = grid.band(1, 24)
    sums = [total for column in (grid.pressure_variant, grid.vacuum_variant) for total in grid.sides(column, side)]
    return stacked(
        [cells_at(grid, column, near) for column in (grid.pressure_variant, grid.vacuum_variant, grid.spectrum_score)],
        moments(time, [mid_moves(time, grid)], (50, 200, 600)),
        sums,
    )
