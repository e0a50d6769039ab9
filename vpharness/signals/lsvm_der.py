"""lsvm_der: a linear support vector machine on derivatives of flow and their slopes."""

from dataclasses import dataclass

from jax import Array

from vpharness.signals.core.grid import Grid
from vpharness.signals.core.learned import learned, with_default
from vpharness.signals.core.time_operators import Clock
from vpharness.signals.flow_features import FLOW_COLUMNS, asymmetries, stacked
from vpharness.signals.models.linear_svm import LinearSvm


@dataclass(frozen=True)
class LsvmDer(LinearSvm):
    """Parameters of lsvm_der."""

    first_fit_bins: int = with_default(LinearSvm, "first_fit_bins", 1800)
    refit_every_bins: int = with_default(LinearSvm, "refit_every_bins", 300)


@learned(
    columns=FLOW_COLUMNS,
    series=(),
)
def lsvm_der(time: Clock, grid: Grid, p: LsvmDer) -> Array:  # noqa: ARG001 - every signal takes its parameters
    """A linear support vector machine on asymmetries of flow by band, their slopes, and sides weighted by 1/distance.

    Features (60): the 18 asymmetries of v, a and j of what is added and pulled by band; their slopes over 100 and
    300 bins; the sums over a side weighing 1/|k|, bid less ask, of the six columns. score = P(up) - P(down) of the
    label touch.

    It bets that a fixed weighing of level, change and change of change of flow tells which barrier comes first, and
    that the bins near the border between up and down say best which weighing: the hinge loss listens to these
    alone.
    """
    flow = asymmetries(grid)
    near = 1.0 / grid.distance
    weighted = [grid.bid_less_ask(getattr(grid, name), near) for name in FLOW_COLUMNS]
    return stacked(flow, time.slope(flow, 100), time.slope(flow, 300), weighted)
