"""The shipped learned signals: chunk law across refits, garbage behind fits, and how far their features look."""

from typing import Any, Final

import numpy as np
import pytest

from tests.learning.market import WIDTH_MS, bins_and_columns, features_of, inputs_of
from tests.signals.battery import LEARNED, random_sizes, rows, score_in_chunks
from vpharness.learning import LearnedRun, audit_fits, in_force
from vpharness.parameters import problems
from vpharness.signals import CHUNK_TOLERANCE, scorer

BINS: Final = 1_000
RADIUS: Final = 50
SHORT: Final[dict[str, Any]] = {
    "first_fit_bins": 750,
    "refit_every_bins": 100,
    "min_train_bins": 60,
    "train_window_bins": 700,
}
QUICK: Final[dict[str, dict[str, Any]]] = {
    "gbm_mf": {"rounds": 5},
    "xgb_snap": {"rounds": 5},
    "mlp_lob": {"epochs": 1, "hidden": [8, 4]},
}


@pytest.mark.parametrize("name", LEARNED)
def test_defaults_fit_together(name: str) -> None:
    """Nothing is out of range, and labels are ones that the model takes."""
    assert problems(LEARNED[name].parameters()) == []
    assert "It bets" in (LEARNED[name].body.__doc__ or "")


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNED)
def test_a_shipped_signal_keeps_the_chunk_law_across_refits(name: str) -> None:
    """Random chunks and single bins give the scores of the whole run, and its fits know nothing that comes later."""
    signal = LEARNED[name]
    p = signal.parameters(**SHORT, **QUICK.get(name, {}))
    view, columns = bins_and_columns(BINS, radius=RADIUS, names=signal.columns)
    columns = {key: np.abs(cells) for key, cells in columns.items()}  # quantities, of which ridge_flow takes logarithms
    run = LearnedRun.of(signal, p, features_of(signal, p, view, columns), view, None)
    assert [fit.bin for fit in run.fits] == [750, 850, 950]
    whole = run.scores()
    inputs = inputs_of(signal, view, columns)
    valid = view.book_valid
    ready = scorer(signal, p, cell_width_ms=WIDTH_MS, radius=RADIUS, fits=in_force(signal.model, run.fits, valid))
    shown = rows({key: values[valid] for key, values in inputs.items()}, 0, int(valid.sum()))
    cut = score_in_chunks(ready, shown, random_sizes(np.random.default_rng(4), int(valid.sum()), (1, 31)))
    assert np.isfinite(whole[valid]).sum() > 200
    np.testing.assert_allclose(cut, whole[valid], rtol=0, atol=CHUNK_TOLERANCE)
    report = audit_fits(run, inputs, whole, most=2, full=True)
    assert report.passed, report.failures
