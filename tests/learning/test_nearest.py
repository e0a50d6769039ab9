"""Nearest neighbours: the same as all distances sorted, with ties for the older, and the same bits in any cut."""

from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.examples import examples
from vpharness.signals import FitsInForce
from vpharness.signals.models import Knn
from vpharness.signals.models.knn import KNN, fit, least, score

KEPT: Final = 2_048
FEATURES: Final = 3


def plain_score(weights: dict[str, NDArray[Any]], features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores by the definition: all training bins sorted by distance, older first, and their votes."""
    z = (features - weights["feature_mean"]) / weights["feature_std"]
    found = []
    for row in z:
        squares = np.zeros(len(weights["rows"]))
        for place in range(len(row)):
            squares += (row[place] - weights["rows"][:, place]) ** 2
        nearest = np.argsort(squares, kind="stable")[: len(weights["neighbours"])]
        votes = 1.0 / np.maximum(np.sqrt(squares[nearest]), 1e-9)
        found.append((votes * weights["labels"][nearest]).sum() / votes.sum())
    return np.array(found)


def weights_of(rows: NDArray[np.float64], labels: NDArray[np.float64], neighbours: int) -> dict[str, NDArray[Any]]:
    """Return the weights of a fit to these rows, in units of 1: distances of whole numbers are exact."""
    fitted = dict(fit(rows, labels, Knn(neighbours=neighbours, max_neighbours_kept=KEPT)).weights)
    fitted["rows"][: min(len(rows), KEPT)] = rows[-KEPT:]
    return {**fitted, "feature_mean": np.zeros(FEATURES), "feature_std": np.ones(FEATURES)}


@pytest.mark.parametrize("values", [1, 64, 176, 177, 512, 1_024, 8_192])
@pytest.mark.parametrize("count", [1, 11])
def test_the_least_values_are_those_of_a_stable_sort(values: int, count: int) -> None:
    """Whether sorted as they are, or by groups of groups, and with most of them equal."""
    rng = np.random.default_rng(values)
    count = min(count, values)
    found = jax.jit(least, static_argnums=1)
    for kinds in (1, 3, 40, 10**9):
        shown = rng.integers(0, kinds, values).astype(np.float64)
        expected = np.argsort(shown, kind="stable")[:count]
        np.testing.assert_array_equal(found(jnp.asarray(shown), count), expected)


_COMPILED: Final = jax.jit(score)


@examples(60)
@given(
    rows=st.sampled_from([40, 700, 1_500, 3_000]),
    neighbours=st.sampled_from([1, 11]),
    kinds=st.sampled_from([1, 2, 6, 1_000]),
    seed=st.integers(0, 2**32 - 1),
)
def test_scores_are_those_of_all_distances_sorted(rows: int, neighbours: int, kinds: int, seed: int) -> None:
    """With few different features, so that most distances are equal, and labels that differ for every bin."""
    rng = np.random.default_rng(seed)
    shown = rng.integers(0, kinds, (rows, FEATURES)).astype(np.float64)
    weights = weights_of(shown, rng.normal(size=rows), neighbours)
    scored = rng.integers(-1, kinds + 1, (5, FEATURES)).astype(np.float64)
    np.testing.assert_allclose(_COMPILED(weights, scored), plain_score(weights, scored), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("neighbours", [11, 200])
def test_a_row_has_the_same_bits_alone_and_in_any_cut(neighbours: int) -> None:
    """Of one compiled form for each number of rows, none gives another last bit."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(3_000, FEATURES))
    fitted = fit(rows, rng.integers(-1, 2, 3_000).astype(np.float64), Knn(neighbours=neighbours))
    force = FitsInForce.always(KNN, fitted.weights)
    shown = rng.normal(size=(300, FEATURES))
    whole = force.scores(shown, 0)
    for size in (1, 2, 7, 100):
        parts = [force.scores(shown[start : start + size], start) for start in range(0, 200, size)]
        cut = np.concatenate(parts)
        np.testing.assert_array_equal(cut, whole[: len(cut)])
