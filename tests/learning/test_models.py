"""The models: the same weights from the same rows, scores row by row, and trees that say what their library says."""

from functools import cache
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.learning.market import MODELS, params_of
from vpharness.learning.weights_store import weights_bytes
from vpharness.parameters import problems
from vpharness.signals import FitError, FitsInForce, Fitted
from vpharness.signals.core.fits_in_force import rounded
from vpharness.signals.models import Ridge, Trees, TreesXgb, mlp, trees, trees_xgb
from vpharness.signals.models.tree_arrays import raw_values

ROWS: Final = 600


def rows_and_labels(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return features [N, 5] and labels of which the first features know something."""
    rng = np.random.default_rng(seed)
    rows = rounded(rng.normal(size=(ROWS, 5)) * [1.0, 10.0, 0.1, 1.0, 0.0])
    return rows, np.sign(np.round(rows[:, 0] + 0.05 * rows[:, 1] + 0.5 * rng.normal(size=ROWS)))


@cache
def fitted_once(name: str) -> Fitted:
    """Return a model's fit to `rows_and_labels`."""
    return MODELS[name].model.fit(*rows_and_labels(), params_of(name))


@pytest.mark.parametrize("name", MODELS)
def test_the_same_rows_give_the_same_bytes_and_scores_that_know_them(name: str) -> None:
    """A fit is a pure function: its weights have the same bytes, and its scores go with what it was fitted to."""
    model, p = MODELS[name].model, params_of(name)
    rows, labels = rows_and_labels()
    fitted, again = fitted_once(name), model.fit(rows.copy(), labels.copy(), p)
    assert weights_bytes(fitted.weights) == weights_bytes(again.weights)
    assert np.isfinite(fitted.training_loss)
    scores = FitsInForce.always(model, fitted.weights).scores(rows, 0)
    assert np.corrcoef(scores, labels)[0, 1] > 0.3
    assert np.abs(scores).max() <= (3.0 if name == "ridge" else 1.0)


@pytest.mark.parametrize("name", MODELS)
def test_a_row_scores_the_same_alone_and_among_others(name: str) -> None:
    """Scores come row by row, and a missing feature is a missing score but for trees, which know where to send it."""
    model, (rows, _) = MODELS[name].model, rows_and_labels()
    force = FitsInForce.always(model, fitted_once(name).weights)
    shown = rows[:70].copy()
    shown[3, 1] = np.nan
    whole = force.scores(shown, 0)
    alone = np.concatenate([force.scores(shown[i : i + 1], i) for i in range(8)])
    np.testing.assert_allclose(alone, whole[:8], rtol=0, atol=1e-12)
    assert np.isnan(whole[3]) == (not model.takes_missing)
    assert np.isfinite(np.delete(whole, 3)).all()


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"ridge", "knn"}))
def test_labels_of_one_kind_are_no_fit(name: str) -> None:
    """There is nothing to tell apart."""
    rows, labels = rows_and_labels()
    with pytest.raises(FitError, match="all 600 labels are 0"):
        MODELS[name].model.fit(rows, np.zeros_like(labels), params_of(name))


@pytest.mark.parametrize("name", ["ridge", "trees", "trees_xgb", "knn", pytest.param("mlp", marks=pytest.mark.slow)])
def test_models_of_moves_predict_ticks(name: str) -> None:
    """Scaled by ten, labels give predictions that are ten times as large."""
    model, p = MODELS[name].model, params_of(name, label="move")
    rows, labels = rows_and_labels()
    one, ten = (FitsInForce.always(model, model.fit(rows, k * labels, p).weights).scores(rows, 0) for k in (1.0, 10.0))
    np.testing.assert_allclose(ten, 10 * one, atol=1e-3 * np.abs(ten).max())


def test_classifiers_take_no_moves() -> None:
    """Parameters say so before anything is fitted."""
    assert problems(params_of("logistic", label="move")) == ["label is move; the model logistic takes touch"]


def test_ridge_solves_its_equation() -> None:
    """The coefficients set the gradient of mean squared error / 2 + l2/2 b² to zero."""
    rows, labels = rows_and_labels()
    weights = Ridge.MODEL.fit(rows, labels, params_of("ridge", l2=0.3)).weights
    z = (rows - weights["feature_mean"]) / weights["feature_std"]
    errors = labels - weights["intercept"] - z @ weights["coefficients"]
    np.testing.assert_allclose(z.T @ errors / len(z), 0.3 * weights["coefficients"], atol=1e-12)


@pytest.mark.parametrize("label", ["touch", "move"])
def test_the_training_loss_of_a_network_is_the_mean_over_all_blocks_of_rows(
    label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the size of a block, and whether or not the last one is full."""
    rows, labels = rows_and_labels()
    p = params_of("mlp", label=label)
    whole = MODELS["mlp"].model.fit(rows, labels, p)
    scores = FitsInForce.always(MODELS["mlp"].model, whole.weights).scores(rows, 0)
    if label == "move":
        np.testing.assert_allclose(whole.training_loss, np.square(scores - labels).mean(), rtol=1e-9)
    monkeypatch.setattr(mlp, "_LOSS_ROWS", 256)
    parts = MODELS["mlp"].model.fit(rows, labels, p)
    assert weights_bytes(parts.weights) == weights_bytes(whole.weights)
    np.testing.assert_allclose(parts.training_loss, whole.training_loss, rtol=1e-12)


def hard_rows(count: int, thresholds: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return rows of which many features stand at a threshold, just beside one, or are missing."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 5)) * [1.0, 10.0, 0.1, 1.0, 1.0]
    at = rng.random(rows.shape)
    near = rng.choice(thresholds[np.isfinite(thresholds)], rows.shape)
    rows = np.where(at < 0.3, near, rows)
    rows = np.where(at < 0.1, np.nextafter(near.astype(np.float32), np.float32(np.inf)), rows)
    rows = np.where(at < 0.05, 0.0, rows)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rounded(rows)


def assert_trees_agree(name: str, count: int) -> None:
    """Assert that arrays and library give the same raw values, on rows that stand at thresholds, within 1e-6."""
    kind: Any = {"trees": Trees, "trees_xgb": TreesXgb}[name]
    rows, labels = rows_and_labels()
    missing = rows.copy()
    missing[np.random.default_rng(5).random(rows.shape) < 0.1] = np.nan
    for shown in (rows, rounded(missing)):
        module: Any = {"trees": trees, "trees_xgb": trees_xgb}[name]
        booster, kinds, _ = module.train(shown, labels, kind(rounds=15))
        weights = module.weights_of(booster, kinds)
        hard = hard_rows(count, weights["threshold"][weights["left"] != weights["right"]], seed=1)
        found = np.concatenate(
            [
                raw_values({key: jnp.asarray(array) for key, array in weights.items()}, jnp.asarray(part))
                for part in np.array_split(hard, max(1, count // 20_000))
            ]
        )
        np.testing.assert_allclose(found, library_values(name, booster, hard), rtol=0, atol=1e-6)


def library_values(name: str, booster: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the raw values [T, C] that a library itself predicts."""
    if name == "trees":
        return np.asarray(booster.predict(rows, raw_score=True))
    import xgboost as xgb  # noqa: PLC0415

    return np.asarray(booster.predict(xgb.DMatrix(rows.astype(np.float32)), output_margin=True))


@pytest.mark.parametrize("name", ["trees", "trees_xgb"])
def test_arrays_of_trees_say_what_the_library_says(name: str) -> None:
    """At thresholds, just beside them, at zero and with missing features, fitted with and without such."""
    assert_trees_agree(name, 2_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["trees", "trees_xgb"])
def test_arrays_of_trees_say_what_the_library_says_on_a_million_rows(name: str) -> None:
    """The same on a million rows."""
    assert_trees_agree(name, 1_000_000)
