"""Fits of a run: which bins they use, when they score, and that nothing behind a fit enters its weights."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import Parallel, delayed

from tests.examples import examples
from tests.learning.market import (
    BINS,
    MODELS,
    RADIUS,
    WIDTH_MS,
    bins_and_columns,
    components,
    features_of,
    inputs_of,
    params_of,
)
from tests.signals.battery import random_sizes, rows, score_in_chunks
from vpharness.errors import ConfigError, DatasetError
from vpharness.learning import LearnedRun, audit_fits, fit_bins, in_force, labels_of, learned_run, training_bins
from vpharness.learning.fitting import fit_at
from vpharness.learning.learned_run import with_garbage
from vpharness.learning.weights_store import CARD_FILE, WEIGHTS_FILE, read_weights, weights_bytes
from vpharness.signals import CHUNK_TOLERANCE, restore_state, save_state, score, scorer
from vpharness.signals.models import Ridge


def run_of(name: str, models: Path | None = None, seed: int = 1, **more: Any) -> LearnedRun:
    """Return the run of a model's signal on the made-up bins."""
    view, columns = bins_and_columns(seed=seed)
    p = params_of(name, **more)
    return LearnedRun.of(MODELS[name], p, features_of(MODELS[name], p, view, columns), view, models)


def run_of_components() -> LearnedRun:
    """Return the run of a signal that combines the outputs of its model."""
    view, columns = bins_and_columns()
    signal = components()
    p = signal.parameters(components=3)
    return LearnedRun.of(signal, p, features_of(signal, p, view, columns), view, None)


@examples(200)
@given(
    bins=st.integers(1, 3_000),
    label=st.sampled_from(["move", "touch"]),
    reach=st.integers(1, 400),
    embargo=st.integers(0, 200),
    first=st.integers(1, 1_000),
    every=st.integers(1, 700),
    window=st.none() | st.integers(700, 2_000),
)
def test_no_label_of_a_fit_reaches_its_bin(
    bins: int, label: str, reach: int, embargo: int, first: int, every: int, window: int | None
) -> None:
    """For every schedule and fit: t + reach + embargo < b for all training bins t, of which none is left out."""
    p = Ridge(
        label=label,
        horizon_bins=reach,
        label_bins=reach,
        embargo_bins=embargo,
        first_fit_bins=first,
        refit_every_bins=every,
        train_window_bins=window,
    )
    for place in fit_bins(p, bins, WIDTH_MS):
        usable = [t for t in range(place) if t + reach + embargo < place and (window is None or t >= place - window)]
        assert list(training_bins(p, place)) == usable


def test_labels_by_hand() -> None:
    """Moves in ticks, touches of one tick and a half on either side, and nothing where the reach leaves the data."""
    view, _ = bins_and_columns(8)
    mid = 100 + 0.25 * np.array([0.0, 1.0, 1.5, 0.0, -1.0, -1.5, 0.0, 0.0])
    view = dataclasses.replace(view, mid=mid, book_valid=np.ones(8, bool))
    moves = labels_of(view, Ridge(label="move", horizon_bins=2))
    np.testing.assert_allclose(moves, [1.5, -1.0, -2.5, -1.5, 1.0, 1.5, np.nan, np.nan])
    touches = labels_of(view, Ridge(label="touch", label_ticks=1.5, label_bins=3))
    np.testing.assert_array_equal(touches, [1, -1, -1, -1, 0, np.nan, np.nan, np.nan])
    gap = dataclasses.replace(view, mid=np.where(np.arange(8) == 2, 0, mid), book_valid=np.arange(8) != 2)
    np.testing.assert_array_equal(labels_of(gap, Ridge(label="move", horizon_bins=2))[:3], [np.nan, -1.0, np.nan])
    np.testing.assert_array_equal(labels_of(gap, Ridge(label_ticks=1.5, label_bins=3))[:3], [0, -1, np.nan])


def test_a_refit_as_a_duration_is_rounded_to_whole_bins() -> None:
    """In place of the number of bins."""
    assert list(fit_bins(Ridge(first_fit_bins=10, refit_every_ms=1_950), 60, WIDTH_MS)) == [10, 30, 50]


@pytest.mark.parametrize(
    "name", ["ridge", "pca", *(pytest.param(name, marks=pytest.mark.slow) for name in ("trees", "knn"))]
)
def test_chunks_cross_refits_with_the_weights_of_the_whole_run(name: str) -> None:
    """Random chunks, single bins, and cuts at, before and behind each refit; a state can be saved in between."""
    run = run_of_components() if name == "pca" else run_of(name)
    view, columns = bins_and_columns()
    assert [fit.bin for fit in run.fits] == [200, 330, 460, 590]
    shown = rows(inputs_of(run.signal, view, columns), 0, BINS)
    shown = {key: values[view.book_valid] for key, values in shown.items()}
    force = in_force(run.signal.model, run.fits, view.book_valid)
    ready = scorer(run.signal, run.params, cell_width_ms=WIDTH_MS, radius=RADIUS, fits=force)
    whole, count = run.scores()[view.book_valid], int(view.book_valid.sum())
    assert np.isnan(whole[: force.firsts[0]]).all()
    assert np.isfinite(whole[force.firsts[0] :]).all()
    rng = np.random.default_rng(3)
    np.testing.assert_allclose(
        score_in_chunks(ready, shown, random_sizes(rng, count, (1, 31))), whole, rtol=0, atol=CHUNK_TOLERANCE
    )
    edges = [0, *(first + near for first in force.firsts for near in (-1, 0, 1)), count]
    cuts = [size for stretch in np.diff(edges).tolist() for size in compiled_sizes(stretch)]
    np.testing.assert_allclose(score_in_chunks(ready, shown, cuts), whole, rtol=0, atol=CHUNK_TOLERANCE)
    state, place = ready.start(), 0
    for size in compiled_sizes(force.firsts[1] - 1):
        state, _ = ready.step(state, rows(shown, place, place + size))
        place += size
    # The next 31 bins cross the second fit.
    _, found = ready.step(restore_state(ready, save_state(state)), rows(shown, place, place + 31))
    np.testing.assert_allclose(found, whole[place : place + 31], rtol=0, atol=CHUNK_TOLERANCE)


def compiled_sizes(bins: int) -> list[int]:
    """Return sizes that are compiled anyway, in the order in which chunks of them are this many bins."""
    return [31] * (bins // 31) + [1] * (bins % 31)


@pytest.mark.parametrize("name", MODELS)
def test_garbage_behind_a_fit_changes_no_bit_of_its_weights(name: str) -> None:
    """Columns, series and the mid are garbage from a fit's bin on: its weights stay bit by bit."""
    signal, p = MODELS[name], params_of(name)
    view, columns = bins_and_columns()
    rng, place = np.random.default_rng(8), 460
    poisoned = {
        key: np.concatenate([cells[:place], 1e6 * rng.normal(size=cells[place:].shape)])
        for key, cells in columns.items()
    }
    spoiled = with_garbage(view, place, seed=9)
    found = []
    for shown, cells in ((view, columns), (spoiled, poisoned)):
        fit = fit_at(signal.model, p, features_of(signal, p, shown, cells), labels_of(shown, p), place)
        assert fit is not None
        assert fit.last < place - 12
        found.append(weights_bytes(fit.fitted.weights))
    assert found[0] == found[1]


def test_garbage_behind_a_bin_changes_no_score_before() -> None:
    """Whatever fits and features come later."""
    run, place = run_of("ridge"), 500
    view, columns = bins_and_columns()
    rng = np.random.default_rng(8)
    poisoned = {
        key: np.concatenate([cells[:place], rng.normal(size=cells[place:].shape)]) for key, cells in columns.items()
    }
    spoiled = with_garbage(view, place, seed=9)
    shown = features_of(run.signal, run.params, spoiled, poisoned)
    again = LearnedRun.of(run.signal, run.params, shown, spoiled, None)
    np.testing.assert_array_equal(again.scores()[:place], run.scores()[:place])
    assert not np.array_equal(again.scores()[place:], run.scores()[place:], equal_nan=True)


def test_the_audit_passes_and_notices_weights_that_know_what_comes() -> None:
    """A fit that was done with later bins has other weights than the one that is done again without them."""
    run = run_of("ridge")
    view, columns = bins_and_columns()
    inputs = inputs_of(run.signal, view, columns)
    report = audit_fits(run, inputs, run.scores(), most=4)
    assert report.passed, report.failures
    assert report.memory_bins == 20
    weights = [each for each in report.checks if each.compared == "weights"]
    assert [each.name for each in weights] == [f"with garbage from bin {fit.bin} on" for fit in run.fits]
    leaking = dataclasses.replace(run, fits=(*run.fits[:3], dataclasses.replace(run.fits[3], bin=400)))
    failed = audit_fits(leaking, inputs, leaking.scores(), most=4)
    assert not failed.passed
    assert "the weights of the fit at bin 400" in failed.failures[0]


def test_components_pass_the_audit_with_the_memory_of_both_steps() -> None:
    """What is combined goes through the same operators: the mean over 5 bins is seen through a robust z over 40."""
    run = run_of_components()
    view, columns = bins_and_columns()
    report = audit_fits(run, inputs_of(run.signal, view, columns), run.scores())
    assert report.passed, report.failures
    assert report.memory_bins == 4 + 39


def test_weights_are_kept_read_only_and_fitted_once(tmp_path: Path) -> None:
    """A second run reads what the first has left, and its scores are the same; another seed has weights of its own."""
    first = run_of("trees", tmp_path)
    assert len(set(first.digests)) == 4
    changed = tmp_path / first.digests[0] / CARD_FILE
    assert changed.stat().st_mode & 0o222 == 0
    second = run_of("trees", tmp_path)
    assert second.digests == first.digests
    np.testing.assert_array_equal(second.scores(), first.scores())
    assert not set(run_of("trees", tmp_path, seed=2).digests) & set(first.digests)
    weights, card = read_weights(tmp_path, first.digests[1])
    assert weights_bytes(weights) == weights_bytes(first.fits[1].fitted.weights)
    assert card["fit"] == {
        "bin": 330,
        "time_ns": first.view.span[0] + 33_000_000_000,
        "first_training_bin": first.fits[1].first,
        "last_training_bin": first.fits[1].last,
        "training_bins": first.fits[1].rows,
        "training_loss": first.fits[1].fitted.training_loss,
    }
    assert first.fits[1].last < 330 - 12
    assert card["parameters"]["label_bins"] == 12
    assert set(card["packages"]) == {"numpy", "jax", "lightgbm"}


@pytest.mark.parametrize("file", [WEIGHTS_FILE, CARD_FILE])
def test_damaged_weights_are_refused(tmp_path: Path, file: str) -> None:
    """Weights are named after their content, and are what their name says or nothing."""
    run = run_of("ridge", tmp_path)
    path = tmp_path / run.digests[2] / file
    path.parent.chmod(0o755)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"are damaged.*delete the folder models"):
        run_of("ridge", tmp_path)
    path.unlink()
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        run_of("ridge", tmp_path)


def test_a_folder_that_cannot_be_written_to_is_no_reason_to_fail(tmp_path: Path) -> None:
    """Weights are fitted all the same, and kept in memory alone."""
    file = tmp_path / "models"
    file.write_text("in the way")
    run = run_of("ridge", file / "below")
    assert run.digests == ()
    np.testing.assert_array_equal(run.scores(), run_of("ridge").scores())


def test_a_learned_signal_has_no_score_without_weights() -> None:
    """One line says so."""
    view, columns = bins_and_columns()
    signal = MODELS["ridge"]
    with pytest.raises(ConfigError, match="signal three is learned: it has no score without weights"):
        score(signal, None, inputs_of(signal, view, columns), cell_width_ms=WIDTH_MS)


def test_too_few_labels_are_no_fit_and_the_fit_before_stays_in_force() -> None:
    """Scores begin with the first fit that has enough of them."""
    run = run_of("ridge", min_train_bins=330)
    assert [fit.bin for fit in run.fits] == [460, 590]
    assert np.isnan(run.scores()[:460]).all()


def digests_of(name: str, models: Path) -> tuple[str, ...]:
    """Return the names of the weights of a model's run, which are hashes of their bytes."""
    return run_of(name, models).digests


@pytest.mark.slow
def test_one_process_and_four_give_the_same_bytes(tmp_path: Path) -> None:
    """However many threads a process may use: the names of weights are hashes of their content."""
    alone = {name: digests_of(name, tmp_path / "alone") for name in MODELS}
    pool = Parallel(n_jobs=4, backend="loky")
    together = pool(delayed(digests_of)(name, tmp_path / str(place)) for place in range(2) for name in MODELS)
    for place, name in enumerate([*MODELS, *MODELS]):
        assert together[place] == alone[name], name
        assert len(set(alone[name])) == 4


@pytest.mark.parametrize("bins", [700, 3_000])
def test_scores_in_pieces_are_those_of_all_bins_at_once(bins: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit: pieces end where a fit comes into force, or after whole blocks of what a model is given at once."""
    monkeypatch.setattr(learned_run, "_SCORED_BINS", 1_024)
    view, columns = bins_and_columns(bins)
    p = params_of("ridge", refit_every_bins=1_500)
    shown = features_of(MODELS["ridge"], p, view, columns)
    run = LearnedRun.of(MODELS["ridge"], p, shown, view, None)
    expected = run.in_force.scores(shown[view.book_valid], 0)
    np.testing.assert_array_equal(run.outputs(), expected)
    assert len(expected) == view.book_valid.sum()
