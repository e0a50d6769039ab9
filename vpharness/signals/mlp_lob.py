"""mlp_lob: a neural network on the book near spot and its flow, now and up to two seconds ago."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.signals.core.grid import Grid
from vpharness.signals.core.learned import learned, with_default
from vpharness.signals.core.time_operators import Clock
from vpharness.signals.flow_features import cells_at, stacked
from vpharness.signals.models.mlp import Mlp


@dataclass(frozen=True)
class MlpLob(Mlp):
    """Parameters of mlp_lob."""

    first_fit_bins: int = with_default(Mlp, "first_fit_bins", 3000)
    refit_every_bins: int = with_default(Mlp, "refit_every_bins", 6000)


@learned(
    columns=("rest_depth", "v_add", "v_pull", "v_fill"),
    series=(),
)
def mlp_lob(time: Clock, grid: Grid, p: MlpLob) -> Array:  # noqa: ARG001 - every signal takes its parameters
    """A neural network on resting depth and flow at the ten ticks on either side of spot, now and at five lags.

    Features (504): rest_depth, v_add, v_pull and v_fill at |k| <= 10, each as sign(x) ln(1 + |x|), at lags of 0, 1,
    2, 5, 10 and 20 bins. score = P(up) - P(down) of the label touch.

    It bets that how the queues near spot came to be what they are, cell by cell, says more than any sum over them.
    It has to find every sum by itself, and needs far more bins than the others to do so.
    """
    near = range(-10, 11)
    columns = (grid.rest_depth, grid.v_add, grid.v_pull, grid.v_fill)
    cells = stacked([cells_at(grid, column, near) for column in columns])
    logs = jnp.sign(cells) * jnp.log1p(jnp.abs(cells))
    return stacked(logs, [time.lag(logs, bins) for bins in (1, 2, 5, 10, 20)])
