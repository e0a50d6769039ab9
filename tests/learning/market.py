"""A made-up run of bins for learned signals: columns, a mid that wanders, and signals with short schedules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.evaluation import DatasetView
from vpharness.signals import Clock, Grid, LearnedSignal, features, learned, with_default
from vpharness.signals.models import Knn, LinearSvm, Logistic, Mlp, Pca, Ridge, Trees, TreesXgb

BINS: Final = 700
RADIUS: Final = 4
WIDTH_MS: Final = 100
TICK: Final = 0.25
START_NS: Final = 1_700_000_000_000_000_000


def bins_and_columns(
    bins: int = BINS, seed: int = 1, *, edge: float = 0.0, radius: int = RADIUS, names: tuple[str, ...] = ("x", "y")
) -> tuple[DatasetView, dict[str, NDArray[Any]]]:
    """Return a view of bins whose mid wanders, some of them invalid, and random columns [T, 2 radius + 1].

    `edge` is how much of a move of the mid follows from the middle cell of the first column at the bin before.
    """
    rng = np.random.default_rng(seed)
    columns = {name: rng.normal(size=(bins, 2 * radius + 1)) for name in names}
    lead = np.concatenate([[0.0], columns[names[0]][:-1, radius]])
    moves = np.round(rng.normal(size=bins) + edge * lead) / 2
    mid = TICK * (10_000 + np.cumsum(moves))
    valid = rng.random(bins) > 0.03
    half = round(TICK * 5e8)
    price = np.round(mid * 1e9).astype(np.int64)
    view = DatasetView(
        name="made-up",
        checksum=f"{seed}-{bins}-{edge}",
        span=(START_NS, START_NS + bins * WIDTH_MS * 1_000_000),
        tick_size=TICK,
        cell_width_ms=WIDTH_MS,
        mid=np.where(valid, mid, 0.0),
        book_valid=valid,
        best_bid=price - half,
        best_ask=price + half,
    )
    return view, columns


def inputs_of(
    signal: LearnedSignal[Any], view: DatasetView, columns: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return what a signal reads of them."""
    bins = {"mid_price": view.mid, "best_bid_price_int": view.best_bid, "best_ask_price_int": view.best_ask}
    return signal.with_series({name: columns[name] for name in signal.columns}, bins, view.tick_size)


def features_of(
    signal: LearnedSignal[Any], params: Any, view: DatasetView, columns: Mapping[str, NDArray[Any]]
) -> NDArray[np.float64]:
    """Return a signal's features over all bins."""
    inputs = inputs_of(signal, view, columns)
    return features(signal, params, inputs, cell_width_ms=view.cell_width_ms, valid=view.book_valid)


def short(kind: type[Any]) -> type[Any]:
    """Return parameters of a model with a schedule that fits four times within BINS."""

    @dataclass(frozen=True)
    class Short(kind):  # type: ignore[misc]  # made for each model
        label_ticks: float = with_default(kind, "label_ticks", 1.5)
        label_bins: int = with_default(kind, "label_bins", 12)
        first_fit_bins: int = with_default(kind, "first_fit_bins", 200)
        refit_every_bins: int = with_default(kind, "refit_every_bins", 130)
        min_train_bins: int = with_default(kind, "min_train_bins", 60)

    return Short


def made(kind: type[Any]) -> LearnedSignal[Any]:
    """Return a learned signal of three features with a model's parameters."""
    parameters = short(kind)

    def three(time: Clock, grid: Grid, p: Any) -> Array:
        moves = time.rate(grid.mid_ticks) * time.bin_seconds
        return jnp.stack([grid.x[:, RADIUS], time.slope(grid.y[:, 0], 5), time.std(moves, 20)], axis=-1)

    three.__annotations__["p"] = parameters
    return learned(columns=("x", "y"), series=("mid_ticks",))(three)


def _distance(time: Clock, outputs: Grid, p: Any) -> Array:
    """Return a robust z of the error, with the sign of the first component."""
    return time.robust_z(outputs.error, 40, 5) * jnp.sign(outputs.pc1) + 0.01 * outputs.beside * outputs.mahalanobis


def components() -> LearnedSignal[Any]:
    """Return a learned signal whose score combines the outputs of principal components."""
    parameters = short(Pca)

    def cells(time: Clock, grid: Grid, p: Any) -> Array:
        return jnp.concatenate([grid.x, time.mean(grid.y[:, 0], 5)[:, None]], axis=1)

    cells.__annotations__["p"] = _distance.__annotations__["p"] = parameters
    return learned(columns=("x", "y"), combine=_distance)(cells)


QUICK: Final[dict[str, dict[str, Any]]] = {
    "trees": {"rounds": 8, "min_leaf_bins": 10},
    "trees_xgb": {"rounds": 8, "min_child_weight": 2.0},
    "mlp": {"epochs": 3, "hidden": [6, 4], "batch_bins": 32, "learning_rate": 0.02},
}
"""Parameters that make fits short."""
MODELS: Final = {kind.MODEL.name: made(kind) for kind in (Ridge, Logistic, LinearSvm, Trees, TreesXgb, Knn, Mlp)}
"""A learned signal for each model that gives scores."""


def params_of(name: str, **more: Any) -> Any:
    """Return the parameters that the tests fit a model with."""
    return MODELS[name].parameters(**{**QUICK.get(name, {}), **more})
