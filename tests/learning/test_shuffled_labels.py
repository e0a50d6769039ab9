"""Fits to shuffled labels know nothing, whatever the signal knows; a feature that tells by itself is found out."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tests.learning.market import MODELS, bins_and_columns, features_of, params_of
from vpharness.evaluation.intervals import Interval
from vpharness.learning import LearnedRun
from vpharness.learning.shuffled_labels import shuffled_labels
from vpharness.signals import Fitted, LearnedSignal


def run_with(signal: LearnedSignal, edge: float) -> LearnedRun:  # type: ignore[type-arg]  # of any parameters
    """Return a run on a market that leans on its first feature."""
    view, columns = bins_and_columns(1_500, edge=edge)
    p = params_of("ridge", label="move", horizon_bins=3)
    return LearnedRun.of(signal, p, features_of(signal, p, view, columns), view, None)


def test_a_signal_with_an_edge_has_none_once_its_labels_are_shuffled() -> None:
    """It is there with the labels as they are, and about 0 in the mean without."""
    run = run_with(MODELS["ridge"], edge=3.0)
    found = shuffled_labels(run, shuffles=20)
    assert found is not None
    assert len(found.coefficients) == 20
    assert found.passed, found
    assert found.is_decided


def test_a_few_shuffles_that_find_nothing_decide_nothing() -> None:
    """Their interval stays within what a coefficient can be; what they do find counts all the same."""
    few = shuffled_labels(run_with(MODELS["ridge"], edge=3.0), shuffles=2)
    assert few is not None
    assert few.interval.low >= -1.0
    assert few.interval.high <= 1.0
    assert (few.passed, few.is_decided) == (True, False)
    assert dataclasses.replace(few, interval=Interval(0.5, 0.1, 0.9)).is_decided


def test_a_model_that_does_not_learn_from_labels_is_found_out() -> None:
    """Its weights are the first feature whatever the labels are: the coefficient stays."""
    ridge = MODELS["ridge"]
    kept = ridge.model.fit

    def fixed(features: NDArray[np.float64], labels: NDArray[np.float64], p: object) -> Fitted:
        del labels
        fitted = kept(features, np.ascontiguousarray(features[:, 0]), p)
        return dataclasses.replace(fitted, weights={name: each + 0.0 for name, each in fitted.weights.items()})

    class Fixed(ridge.parameters):  # type: ignore[name-defined,misc]  # made for each model
        """Parameters of a model that never looks at labels."""

        MODEL = dataclasses.replace(ridge.model, fit=fixed)

    signal = dataclasses.replace(ridge, parameters=Fixed)
    found = shuffled_labels(run_with(signal, edge=3.0), shuffles=20)
    assert found is not None
    assert not found.passed
    assert found.interval.low > 0.1
