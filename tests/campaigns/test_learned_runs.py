"""Runs of learned signals: when they score, what they share, what their ids depend on, and what is refused."""

import dataclasses
import importlib.util
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import pytest

from tests.campaigns.market import small_dataset, spec
from vpharness.campaigns.campaign_plan import PlannedRun
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.execute import RunOutcome, execute_many
from vpharness.campaigns.fits import fit_side_by_side, fit_tasks
from vpharness.campaigns.run_spec import spec_problems
from vpharness.datasets.find import Dataset
from vpharness.engines.calls import Allotment, Work
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


class InThisProcess:
    """An engine that carries calls out one after the other, here."""

    allotment = Allotment()

    def carry_out(self, works: Sequence[Work], follower: Any) -> None:
        """Carry out works."""
        for place, work in enumerate(works):
            emit = partial(follower.emitted, place)
            follower.ended(place, work.call.function(*work.call.arguments, emit))


def test_fits_are_counted_and_done_once_before_the_runs(dataset: Dataset) -> None:
    """Runs that differ in what is judged are one task; what has been fitted is none any more, and is read."""
    params = [params_of(l2=l2, refit_every_bins=500) for l2 in (5.0, 6.0)]
    specs = [spec(dataset, TARGET, each, tp_ticks=ticks) for each in params for ticks in (3.0, 4.0)]
    runs = [PlannedRun(cast("Any", None), each) for each in specs]
    tasks = fit_tasks(runs)
    fits = len(range(FIRST, dataset.manifest.bins, 500))
    assert [len(task.rows) for task in tasks] == [fits, fits]
    assert all(task.seconds is not None and 0 < task.seconds < 60 for task in tasks)
    told: list[tuple[int, int]] = []
    fit_side_by_side(cast("Any", InThisProcess()), tasks, lambda now: told.append((now.done, now.total)))
    assert told == [(done, 2 * fits) for done in range(1, 2 * fits + 1)]
    assert fit_tasks(runs) == []
    cache, counted = DatasetCache.of(dataset), [0]
    cache.report_fit = lambda _done, _all: counted.__setitem__(0, counted[0] + 1)
    assert all(isinstance(each, RunOutcome) for each in execute_many(specs, cache))
    assert counted == [0]


def test_a_fit_that_fails_is_left_to_its_run(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine goes on, and nothing is kept."""
    tasks = fit_tasks([PlannedRun(cast("Any", None), spec(dataset, TARGET, params_of(l2=77.0)))])

    def fails(*_: Any) -> None:
        raise ValueError("no luck")

    monkeypatch.setattr(DatasetCache, "learned_run", fails)
    fit_side_by_side(cast("Any", InThisProcess()), tasks, lambda _: None)
    monkeypatch.undo()
    assert len(fit_tasks([PlannedRun(cast("Any", None), spec(dataset, TARGET, params_of(l2=77.0)))])) == 1


def test_a_schedule_by_dataset_wants_a_collection_and_leaves_other_ids_alone(dataset: Dataset) -> None:
    """Without datasets before there is nothing to fit on; the default is no part of what a run is."""
    (sentence,) = spec_problems(spec(dataset, TARGET, params_of(refit_every="dataset")))
    assert "ridge_flow has refit_every=dataset" in sentence
    base = spec(dataset, TARGET, params_of())
    assert "refit_every" not in base.identity["signal"]["parameters"]
    assert "fitted_on" not in base.identity
    fitted = dataclasses.replace(spec(dataset, TARGET, params_of(refit_every="dataset")), earlier=(dataset,))
    assert list(spec_problems(fitted)) == []
    assert fitted.identity["fitted_on"] == [{"id": dataset.manifest.dataset_id, "checksum": dataset.checksum}]
    assert fitted.candidate_ids != base.candidate_ids


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
