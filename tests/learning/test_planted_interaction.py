"""An edge that no formula of one column has: moves follow the sign of the product of two."""

from typing import Any, Final

import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from numpy.typing import NDArray

from tests.learning.market import RADIUS, bins_and_columns, features_of
from vpharness.evaluation import DatasetView
from vpharness.evaluation.information_coefficient import InformationCoefficient, information_coefficient, moves_ahead
from vpharness.learning import LearnedRun
from vpharness.signals import Clock, Grid, LearnedSignal, learned
from vpharness.signals.models import Mlp, Ridge, Trees

BINS: Final = 6_000
EDGE: Final = 0.6
BLOCK: Final = 50
SCHEDULE: Final[dict[str, Any]] = {
    "label": "move",
    "horizon_bins": 1,
    "first_fit_bins": 3_000,
    "refit_every_bins": 1_000,
}
MODELS: Final[dict[str, tuple[type[Any], dict[str, Any]]]] = {
    "ridge": (Ridge, {}),
    "trees": (Trees, {"label": "touch", "label_ticks": 0.5, "label_bins": 1, "num_leaves": 6}),
    "mlp": (Mlp, {"label": "touch", "label_ticks": 0.5, "label_bins": 1, "epochs": 30, "hidden": [16, 8]}),
}


def market() -> tuple[DatasetView, dict[str, NDArray[Any]]]:
    """Return bins whose moves lean on the sign of x · y at the middle cell, a bin before."""
    view, columns = bins_and_columns(BINS, seed=3)
    rng = np.random.default_rng(4)
    lead = np.sign(columns["x"][:, RADIUS] * columns["y"][:, RADIUS])
    moves = np.round(rng.normal(size=BINS) + EDGE * np.concatenate([[0.0], lead[:-1]])) / 2
    mid = view.tick_size * (10_000 + np.cumsum(moves))
    changed = dict(vars(view)) | {"mid": np.where(view.book_valid, mid, 0.0), "checksum": "planted"}
    return DatasetView(**{name: changed[name] for name in view.__dataclass_fields__}), columns


def signal_of(kind: type[Any]) -> LearnedSignal[Any]:
    """Return a learned signal of the two columns' middle cells."""

    def two(time: Clock, grid: Grid, p: Any) -> Array:
        del time
        return jnp.stack([grid.x[:, RADIUS], grid.y[:, RADIUS]], axis=-1)

    two.__annotations__["p"] = kind
    return learned(columns=("x", "y"))(two)


@pytest.mark.slow
def test_trees_and_a_network_find_an_interaction_and_no_formula_does() -> None:
    """Over the bins behind the first fit: x, y and a linear model have no coefficient, the others do."""
    view, columns = market()
    mid_ticks = np.where(view.book_valid, view.mid, np.nan) / view.tick_size
    behind = np.arange(BINS) >= SCHEDULE["first_fit_bins"]

    def coefficient(scores: NDArray[np.float64]) -> InformationCoefficient:
        known = np.where(behind, scores, np.nan)
        return information_coefficient(known, moves_ahead(mid_ticks, 1), np.arange(BINS) // BLOCK)

    found = {name: coefficient(columns[name][:, RADIUS]) for name in ("x", "y")}
    for name, (kind, more) in MODELS.items():
        signal = signal_of(kind)
        params = kind(**{**SCHEDULE, **more})
        run = LearnedRun.of(signal, params, features_of(signal, params, view, columns), view, None)
        found[name] = coefficient(run.scores())
    found["the sign of x y"] = coefficient(np.sign(columns["x"][:, RADIUS] * columns["y"][:, RADIUS]))
    for name, each in found.items():
        print(
            f"{name}: {each.interval.mean:+.3f} [{each.interval.low:+.3f}, {each.interval.high:+.3f}], {each.bins} bins"
        )
    assert all(found[name].interval.low < 0.02 for name in ("x", "y", "ridge"))
    assert found["trees"].interval.low > 0.1
    assert found["mlp"].interval.low > 0.1
