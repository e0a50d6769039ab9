"""Learned signals as exported programs: they score bit for bit as their source, with weights and series."""

from typing import Any

import numpy as np
import pytest

from tests.learning.market import MODELS, RADIUS, WIDTH_MS, bins_and_columns, components, inputs_of
from tests.learning.test_learned_run import run_of, run_of_components
from tests.signals.battery import rows
from vpharness.learning import in_force
from vpharness.signals import (
    FitsInForce,
    LearnedSignal,
    Scorer,
    export_scorer,
    exported_weights,
    load_scorer,
    resolve,
    restore_state,
    save_state,
    scorer,
)

STEPS = 60


def served(name: str) -> Scorer:
    """Return a scorer with the weights of the second fit."""
    run = run_of_components() if name == "pca" else run_of(name)
    signal: LearnedSignal[Any] = components() if name == "pca" else MODELS[name]
    fits = FitsInForce.always(signal.model, run.fits[1].fitted.weights)
    return scorer(run.signal, run.params, cell_width_ms=WIDTH_MS, radius=RADIUS, fits=fits)


@pytest.mark.parametrize(
    "name",
    [
        name if name in {"ridge", "trees", "pca"} else pytest.param(name, marks=pytest.mark.slow)
        for name in [*MODELS, "pca"]
    ],
)
def test_a_learned_signal_scores_bit_for_bit_as_its_source(name: str) -> None:
    """Bin by bin, on from a state that either has saved; the weights can be read without the programs."""
    source = served(name)
    content = export_scorer(source)
    loaded = load_scorer(content, "program.npz")
    shared = ("name", "columns", "series", "cell_width_ms", "radius", "capacity", "code_digest", "weights_digest")
    assert [getattr(loaded, each) for each in shared] == [getattr(source, each) for each in shared]
    assert source.fits is not None
    weights = exported_weights(content, "program.npz")
    assert weights is not None
    assert FitsInForce.always(source.fits.model, weights).digest == source.weights_digest
    view, columns = bins_and_columns()
    shown = inputs_of(source.signal, view, columns)  # type: ignore[arg-type]  # it is a learned one
    states, found = [source.start(), loaded.start()], []
    for place in np.flatnonzero(view.book_valid)[:STEPS]:
        bin_shown = rows(shown, int(place), int(place) + 1)
        scored = [source.step(states[0], bin_shown), loaded.step(states[1], bin_shown)]
        np.testing.assert_array_equal(scored[0][1], scored[1][1])
        found.append(float(scored[0][1][0]))
        states = [scored[1][0], scored[0][0]] if place == 30 else [scored[0][0], scored[1][0]]
    assert np.isfinite(found[45:]).all()
    assert len(set(found[45:])) > 3
    saved = save_state(states[0])
    again = save_state(restore_state(loaded, saved))
    assert again.keys() == saved.keys()
    for slot, array in saved.items():
        np.testing.assert_array_equal(again[slot], array)


def test_a_schedule_of_fits_is_not_exported() -> None:
    """What is served has the weights of one fit."""
    run = run_of("ridge")
    force = in_force(run.signal.model, run.fits, run.view.book_valid)
    with pytest.raises(ValueError, match="signal three has 4 fits; one, in force from the beginning, is served"):
        export_scorer(scorer(run.signal, run.params, cell_width_ms=WIDTH_MS, radius=RADIUS, fits=force))


def test_a_formula_has_no_weights() -> None:
    """Neither its scorer nor its program."""
    source = scorer(resolve("vpharness.signals.msd.msd"), None, cell_width_ms=100.0, radius=30)
    assert source.weights_digest is None
    assert exported_weights(export_scorer(source), "program.npz") is None
