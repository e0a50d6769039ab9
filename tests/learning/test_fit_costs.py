"""What a plan says that fits take, beside fits that were measured on one core on 2026-11-27."""

import itertools
from typing import Any, Final

import pytest

from tests.learning.market import MODELS
from vpharness.learning.fit_costs import fit_seconds
from vpharness.signals import LearnedParameters, Model
from vpharness.signals.models import Knn, LinearSvm, Logistic, Mlp, Pca, Ridge, Trees, TreesXgb

MEASURED: Final[list[tuple[Any, int, int, float]]] = [
    (Ridge(), 35_000, 13, 0.026),
    (Ridge(), 35_000, 100, 0.207),
    (Ridge(), 350_000, 13, 0.226),
    (Logistic(), 35_000, 13, 0.055),
    (Logistic(), 35_000, 60, 0.134),
    (Logistic(), 9_000, 100, 0.076),
    (LinearSvm(), 9_000, 45, 0.108),
    (LinearSvm(), 35_500, 60, 0.36),
    (LinearSvm(), 35_000, 160, 1.002),
    (LinearSvm(), 359_500, 45, 4.27),
    (LinearSvm(), 359_500, 60, 4.67),
    (Pca(), 35_000, 102, 0.217),
    (Pca(), 9_000, 160, 0.113),
    (Trees(), 9_000, 53, 1.128),
    (Trees(), 35_200, 53, 2.04),
    (Trees(), 359_200, 53, 14.64),
    (Trees(), 35_000, 10, 0.842),
    (Trees(), 35_000, 160, 5.853),
    (Trees(num_leaves=63), 35_000, 53, 4.426),
    (Trees(num_leaves=63), 9_000, 53, 3.253),
    (Trees(num_leaves=4), 35_000, 53, 1.56),
    (Trees(label="move"), 35_000, 53, 1.015),
    (Trees(feature_share=0.3), 35_000, 53, 1.494),
    (Trees(rounds=300), 2_000, 53, 3.884),
    (Trees(rounds=10), 35_000, 53, 0.851),
    (TreesXgb(), 2_000, 163, 1.436),
    (TreesXgb(), 9_000, 163, 2.756),
    (TreesXgb(), 35_200, 163, 6.13),
    (TreesXgb(), 35_000, 20, 0.8),
    (TreesXgb(max_depth=2), 35_000, 163, 4.752),
    (TreesXgb(max_depth=8), 35_000, 40, 5.347),
    (TreesXgb(max_depth=8), 9_000, 163, 10.416),
    (TreesXgb(label="move"), 35_000, 40, 0.881),
    (TreesXgb(feature_share=0.3), 35_000, 163, 5.538),
    (TreesXgb(rounds=300), 2_000, 40, 2.528),
    (Mlp(), 2_000, 504, 0.262),
    (Mlp(), 9_000, 504, 1.0),
    (Mlp(), 33_000, 504, 4.3),
    (Mlp(), 33_000, 50, 1.44),
    (Mlp(hidden=[256, 128]), 9_000, 50, 1.64),
    (Mlp(hidden=[16, 8]), 9_000, 504, 1.05),
    (Mlp(batch_bins=64), 9_000, 504, 2.25),
]
"""Parameters, rows, features, and seconds of the processor."""


@pytest.mark.parametrize(("params", "rows", "features", "measured"), MEASURED)
def test_a_plan_is_within_a_factor_of_one_and_a_half_of_what_was_measured(
    params: LearnedParameters, rows: int, features: int, measured: float
) -> None:
    """For rows, features and each parameter that fits grow with."""
    planned = fit_seconds(params.MODEL, params, rows, features)
    assert planned is not None
    assert measured / 1.5 <= planned <= measured * 1.5


def test_nearest_neighbours_take_little() -> None:
    """Next to nothing is done: scaling, and copying the newest bins."""
    assert 0.01 < (fit_seconds(Knn.MODEL, Knn(), 35_500, 35) or 0.0) < 0.05


@pytest.mark.parametrize("name", MODELS)
def test_every_shipped_model_has_a_plan_that_grows_with_rows(name: str) -> None:
    """From a handful of rows to millions."""
    model, p = MODELS[name].model, MODELS[name].parameters()
    planned = [fit_seconds(model, p, rows, 20) or 0.0 for rows in (2, 1_000, 100_000, 10_000_000)]
    assert all(before < after for before, after in itertools.pairwise(planned))


def test_a_model_that_was_never_measured_has_no_plan() -> None:
    """Such as a user's own."""
    assert fit_seconds(Model("mine", Ridge.MODEL.fit, Ridge.MODEL.score), Ridge(), 1_000, 10) is None
