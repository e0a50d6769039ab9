"""Fits on the datasets before one: what they use, and that nothing of their own dataset or a later one enters them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.learning.market import MODELS, bins_and_columns, features_of, inputs_of, params_of
from vpharness.errors import ConfigError
from vpharness.learning import LearnedRun, audit_fits, fit_bins, labels_of, training_bins
from vpharness.learning.earlier_datasets import EarlierBins, labelled_bins
from vpharness.learning.fitting import fit_at
from vpharness.learning.learned_run import with_garbage
from vpharness.learning.weights_store import read_weights, weights_bytes
from vpharness.signals.models import Ridge


@dataclass(frozen=True)
class Days:
    """Stands for datasets of a lake: made-up days by their seeds."""

    seeds: tuple[int, ...]

    @property
    def identity(self) -> list[dict[str, str]]:
        """What they are called."""
        return [{"id": f"day{seed}", "checksum": str(seed)} for seed in self.seeds]

    def bins(self, signal: Any, params: Any) -> EarlierBins:
        """Return their features and labels."""
        days = [bins_and_columns(seed=seed) for seed in self.seeds]
        rows = np.concatenate([features_of(signal, params, view, columns) for view, columns in days])
        return EarlierBins(rows.astype(np.float32), np.concatenate([labels_of(view, params) for view, _ in days]))


def run_on(day: int, before: tuple[int, ...], name: str = "ridge", models: Path | None = None) -> LearnedRun:
    """Return the run on a day that is fitted on those before."""
    view, columns = bins_and_columns(seed=day)
    p = params_of(name, refit_every="dataset")
    earlier: Any = Days(before)
    return LearnedRun.of(MODELS[name], p, features_of(MODELS[name], p, view, columns), view, models, earlier)


@examples(200)
@given(
    earlier=st.integers(0, 3_000),
    reach=st.integers(1, 400),
    embargo=st.integers(0, 200),
    window=st.none() | st.integers(1_000, 4_000),
)
def test_a_fit_uses_the_labelled_bins_before_its_dataset(
    earlier: int, reach: int, embargo: int, window: int | None
) -> None:
    """Bins -1, -2, … whose label, and the embargo behind it, are over; none is left out."""
    p = Ridge(horizon_bins=reach, label="move", embargo_bins=embargo, train_window_bins=window, refit_every="dataset")
    usable = [t for t in range(-earlier, 0) if t + reach + embargo < 0 and (window is None or t >= -window)]
    assert list(training_bins(p, 0, earlier)) == usable
    assert list(fit_bins(p, 500, 100.0)) == [0]


def test_labelled_bins_are_counted_dataset_by_dataset() -> None:
    """Each loses its reach, the last one the embargo as well; the window ends where it does."""
    p = Ridge(label="move", horizon_bins=20, embargo_bins=5, min_train_bins=2, refit_every="dataset")
    assert labelled_bins(p, [100, 100]) == 155
    assert labelled_bins(p, [10, 100]) == 75
    assert labelled_bins(p, []) == 0
    windowed = Ridge(
        label="move", horizon_bins=20, embargo_bins=5, min_train_bins=2, train_window_bins=150, refit_every="dataset"
    )
    assert labelled_bins(windowed, [100, 100, 100]) == 105


@pytest.mark.parametrize("name", ["ridge", "trees"])
def test_a_fit_on_a_day_before_is_the_fit_behind_the_same_bins(name: str) -> None:
    """Byte for byte the weights of a fit inside one dataset whose bins end there: the purge is the same."""
    view, columns = bins_and_columns()
    p = params_of(name)
    rows, labels = features_of(MODELS[name], p, view, columns), labels_of(view, p)
    inside = fit_at(MODELS[name].model, p, rows, labels, 500)
    before = EarlierBins(rows[:500].astype(np.float32), labels[:500])
    later = fit_at(MODELS[name].model, p, rows[500:], labels[500:], 0, before)
    assert inside is not None
    assert later is not None
    assert weights_bytes(later.fitted.weights) == weights_bytes(inside.fitted.weights)
    assert (later.first, later.last, later.rows) == (inside.first - 500, inside.last - 500, inside.rows)


def test_every_bin_of_a_day_is_scored_with_the_weights_of_the_days_before(tmp_path: Path) -> None:
    """From its first bin on; the card says on what was fitted."""
    run = run_on(3, (1, 2), models=tmp_path)
    assert [fit.bin for fit in run.fits] == [0]
    scores = run.scores()
    assert np.isfinite(scores[run.view.book_valid][30:]).all()
    _, card = read_weights(tmp_path, run.digests[0])
    assert card["fitted_on"] == Days((1, 2)).identity
    assert card["fit"]["last_training_bin"] < 0
    assert run_on(3, (1, 2), models=tmp_path).digests == run.digests
    assert run_on(3, (2,), models=tmp_path).digests != run.digests


def test_garbage_in_its_own_or_a_later_day_changes_no_weight_and_no_score_before_it() -> None:
    """The weights of day 3 are those of days 1 and 2; scores before garbage in day 3 stay as they were."""
    run = run_on(3, (1, 2))
    view, columns = bins_and_columns(seed=3)
    rng = np.random.default_rng(0)
    spoiled = {
        name: np.where(np.arange(len(each))[:, None] < 400, each, rng.normal(size=each.shape) * 1e3)
        for name, each in columns.items()
    }
    changed = with_garbage(view, 400, 1)
    earlier: Any = Days((1, 2))
    again = LearnedRun.of(
        run.signal, run.params, features_of(run.signal, run.params, changed, spoiled), changed, None, earlier
    )
    assert weights_bytes(again.fits[0].fitted.weights) == weights_bytes(run.fits[0].fitted.weights)
    np.testing.assert_array_equal(again.scores()[:400], run.scores()[:400])
    assert not np.array_equal(again.scores()[400:], run.scores()[400:], equal_nan=True)


def test_without_days_before_it_is_an_error() -> None:
    """One line that says what to give."""
    view, columns = bins_and_columns()
    p = params_of("ridge", refit_every="dataset")
    rows = features_of(MODELS["ridge"], p, view, columns)
    with pytest.raises(ConfigError, match=r"has refit_every=dataset: .* give dataset\.collection=ID"):
        LearnedRun.of(MODELS["ridge"], p, rows, view, None)


def test_an_audit_fits_again_on_the_days_before() -> None:
    """With garbage in place of the whole day its weights have the same bits; scores before garbage within it stay."""
    run = run_on(3, (1, 2))
    view, columns = bins_and_columns(seed=3)
    report = audit_fits(run, inputs_of(run.signal, view, columns), run.scores(), most=3)
    assert report.passed, report.failures
    assert [each.first_bin for each in report.checks if each.compared == "weights"] == [None]
    assert any(each.compared == "scores" and each.finite for each in report.checks)
