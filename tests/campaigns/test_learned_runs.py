"""Runs of learned signals: when they score, what they share, what their ids depend on, and what is refused."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.campaigns.market import small_dataset, spec
from tests.commands.test_cli import in_process
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.execute import RunOutcome, execute_many
from vpharness.campaigns.run_spec import spec_problems
from vpharness.datasets.find import Dataset
from vpharness.signals import resolve

TARGET = "vpharness.signals.ridge_flow.ridge_flow"
FIRST, EVERY = 900, 600


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A few minutes of market, with a folder for weights."""
    folder = tmp_path_factory.mktemp("lake")
    return dataclasses.replace(small_dataset(folder), models=folder / "models")


def params_of(**values: Any) -> Any:
    """Return parameters that are fitted within the dataset."""
    return resolve(TARGET).parameters(**{"first_fit_bins": FIRST, "refit_every_bins": EVERY, **values})


def test_runs_of_a_learned_signal_share_its_fits_and_pass_their_audit(dataset: Dataset) -> None:
    """Scores begin with the first fit; another evaluation, in another process, reads the weights that are there."""
    assert dataset.models is not None
    one, other = (spec(dataset, TARGET, params_of(), tp_ticks=ticks) for ticks in (3.0, 4.0))
    assert list(spec_problems(one)) == []
    first, second = execute_many([one, other], DatasetCache.of(dataset), {})
    assert isinstance(first, RunOutcome)
    assert isinstance(second, RunOutcome)
    assert np.isnan(first.score[:FIRST]).all()
    assert np.isfinite(first.score[FIRST:][first.view.book_valid[FIRST:]]).all()
    assert first.audited is not None
    assert first.audited.passed, first.audited.failed
    assert second.audited == first.audited
    kept = {path.name for path in dataset.models.iterdir()}
    assert len(kept) == 1 + len(range(FIRST, dataset.manifest.bins, EVERY))
    (again,) = execute_many([one], DatasetCache.of(dataset))
    assert isinstance(again, RunOutcome)
    np.testing.assert_array_equal(again.score, first.score)
    assert {path.name for path in dataset.models.iterdir()} == kept
    (more,) = execute_many([spec(dataset, TARGET, params_of(l2=1.0))], DatasetCache.of(dataset))
    assert isinstance(more, RunOutcome)
    assert len(list(dataset.models.iterdir())) == 2 * len(kept) - 1


def test_ids_depend_on_label_schedule_model_and_seed(dataset: Dataset) -> None:
    """Each of them makes another run and another candidate, and so does another version of what fits."""
    base = spec(dataset, TARGET, params_of())
    others: list[dict[str, Any]] = [
        {"seed": 1},
        {"l2": 1.0},
        {"horizon_bins": 21},
        {"embargo_bins": 5},
        {"refit_every_bins": 700},
    ]
    specs = [base, *(spec(dataset, TARGET, params_of(**each)) for each in others)]
    assert len({each.run_id for each in specs}) == len(specs)
    assert len({each.candidate_ids[0] for each in specs}) == len(specs)
    assert base.identity["code"]["model"]["model"] == "ridge"
    assert set(base.identity["code"]["model"]["packages"]) == {"numpy", "jax"}


def test_what_cannot_be_fitted_is_said_before_any_work(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset that is too short for the first fit, and a package that is not installed."""
    short = spec(dataset, TARGET, params_of(first_fit_bins=50_000))
    (sentence,) = spec_problems(short)
    assert "signal ridge_flow is never fitted on dataset" in sentence
    assert "is first tried at bin 50000 (signal.first_fit_bins)" in sentence
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (sentence,) = spec_problems(spec(dataset, TARGET, params_of()))
    assert sentence == "the model ridge needs safetensors, threadpoolctl: pip install 'vpharness[learn]'"


def test_what_learned_signals_cannot_do_yet_is_refused_in_one_line(tmp_path: Path) -> None:
    """Before any work: nothing is built."""
    run = in_process(tmp_path, "online-sim", "signal=ridge_flow", "source.minutes=4", "tracking=none")
    assert run.returncode == 2
    assert "signal ridge_flow is learned (ridge), and learned signals cannot be simulated live yet" in run.stderr
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "lake").exists()
