"""Runs of learned signals: when they score, what they share, what their ids depend on, and what is refused."""

import dataclasses
import importlib.util
from typing import Any

import numpy as np
import pytest

from tests.campaigns.market import small_dataset, spec
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.execute import RunOutcome, execute_many
from vpharness.campaigns.run_spec import spec_problems
from vpharness.datasets.find import Dataset
from vpharness.errors import ConfigError
from vpharness.signals import resolve
from vpharness.simulation.inputs import DatasetInput
from vpharness.simulation.simulate import SimulationSettings, simulate

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


def test_the_first_run_of_features_that_look_ahead_fails_its_audit(dataset: Dataset) -> None:
    """Also with a single fit, whose weights do not change since its labels reach further than the features do."""
    target = "tests.learning.test_audit.ahead"
    (found,) = execute_many([spec(dataset, target, resolve(target).parameters())], DatasetCache.of(dataset), {})
    assert isinstance(found, RunOutcome)
    assert found.audited is not None
    assert not found.audited.passed
    assert not found.audited.undecided
    assert "its features at bin" in found.audited.failed
    assert "its score at bin" in found.audited.failed
    assert "weights" not in found.audited.failed


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


def test_a_simulation_crosses_the_refits_of_the_run(dataset: Dataset) -> None:
    """Bin by bin, with the weights of the newest fit at each: scores and fires are those of the run over all bins."""
    asked = spec(dataset, TARGET, params_of())
    evaluation = asked.evaluation.resolve(dataset.manifest.cell_width_ms)
    wanted = SimulationSettings(budget_ms=100.0, fields=("v_add",))
    report = simulate(DatasetInput(dataset), resolve(TARGET), params_of(), evaluation, asked.split, wanted)
    assert report.differences == []
    assert report.bins == dataset.manifest.bins
    assert sum(report.n_fires.values()) > 0
    never = params_of(first_fit_bins=50_000)
    with pytest.raises(ConfigError, match=r"ridge_flow is never fitted on these .* bins: its first fit is at"):
        simulate(DatasetInput(dataset), resolve(TARGET), never, evaluation, asked.split, wanted)
