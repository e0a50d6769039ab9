"""Names of features: what each is made of, read off the function that makes it."""

from dataclasses import dataclass

import jax.numpy as jnp
import pytest
from jax import Array

from vpharness.signals import Grid, LearnedSignal, feature_names, learned, resolve
from vpharness.signals.core.time_operators import Clock
from vpharness.signals.flow_features import cells_at, stacked
from vpharness.signals.models.ridge import Ridge

RADIUS = 6
SHIPPED = {"ridge_flow": 13, "knn_cl": 35, "lsvm_der": 60, "pca_ad": 102, "gbm_mf": 53}


@dataclass(frozen=True)
class Made(Ridge):
    """Parameters of the signal below."""


@learned(columns=("v_add", "v_pull", "bid_depth"), series=("mid_ticks", "spread_ticks"))
def made(time: Clock, grid: Grid, p: Made) -> Array:  # every signal takes its parameters
    """One feature of each kind."""
    below, _ = grid.sides(grid.v_add, grid.band(2, 4))
    flow = grid.bid_less_ask(grid.v_add, grid.band(1, 5)) - grid.bid_less_ask(grid.v_pull, grid.band(1, 5))
    both = jnp.stack([below, flow], axis=1)
    return stacked(
        jnp.log1p(cells_at(grid, grid.bid_depth, [-1, 0])),
        below,
        [time.slope(flow, window) for window in (10, 25)],
        time.std(time.rate(grid.mid_ticks), 50),
        time.robust_z(below, 30, 10),
        time.lag(both, 5),
        grid.spread_ticks * time.ema(below, 0.2),
        jnp.zeros_like(below),
    )


def test_a_name_has_the_operator_what_it_is_given_and_the_columns_with_their_cells() -> None:
    """In the order of the features; one that is made of nothing has its number alone."""
    assert feature_names(made, Made(), cell_width_ms=100.0, radius=RADIUS) == [
        "bid_depth at k -1",
        "bid_depth at k 0",
        "v_add at k -4 to -2",
        "slope over 10 bins of v_add, v_pull at |k| 1 to 5",
        "slope over 25 bins of v_add, v_pull at |k| 1 to 5",
        "deviation over 50 bins of change per second of mid_ticks",
        "robust z over 30 bins of v_add at k -4 to -2",
        "v_add at k -4 to -2, 5 bins before",
        "v_add, v_pull at |k| 1 to 5, 5 bins before",
        "average (alpha 0.2) of v_add at k -4 to -2, spread_ticks",
        "feature 10",
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_feature_of_a_shipped_signal_has_a_name_of_its_own(name: str) -> None:
    """As many as its docstring says that it has."""
    shipped = resolve(f"vpharness.signals.{name}.{name}")
    assert isinstance(shipped, LearnedSignal)
    names = feature_names(shipped, shipped.parameters(), cell_width_ms=100.0, radius=50)
    assert len(names) == len(set(names)) == SHIPPED[name]
    assert not any(each.startswith("feature ") for each in names)
