"""Runs of learned signals: when they score, what they share, what their ids depend on, and what is refused."""

import dataclasses
import importlib.util
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tests.campaigns.market import small_dataset, spec
from vpharness.campaigns import collection_jobs
from vpharness.campaigns.campaign_plan import CollectionName, Job, PlannedRun
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.execute import RunOutcome, execute_many
from vpharness.campaigns.fits import fit_side_by_side, fit_tasks
from vpharness.campaigns.run_spec import spec_problems
from vpharness.campaigns.saving import save
from vpharness.datasets.find import Dataset
from vpharness.engines.calls import Allotment, Work
from vpharness.errors import ConfigError, PromotionError
from vpharness.evaluation import SplitParameters
from vpharness.promotion.selection import select_candidate
from vpharness.results.ledger_reader import read_ledger
from vpharness.results.ranking import rank
from vpharness.results.store import Store
from vpharness.results.table_schemas import Labels
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


def test_runs_that_are_fitted_on_other_days_before_do_not_share_scores(
    dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Carried out together, as by a campaign over two collections, each has the scores that it has alone."""
    days = [small_dataset(tmp_path_factory.mktemp("before"), seed=seed) for seed in (1, 2)]
    asked = spec(dataset, TARGET, params_of(refit_every="dataset", min_train_bins=500))
    both = [dataclasses.replace(asked, earlier=(day,)) for day in days]
    assert len({each.score_key for each in both}) == 2
    assert len({each.audit_key for each in both}) == 2
    together = list(execute_many(both, DatasetCache.of(dataset)))
    alone = [next(iter(execute_many([each], DatasetCache.of(dataset)))) for each in both]
    for one, other in zip(together, alone, strict=True):
        assert isinstance(one, RunOutcome)
        assert isinstance(other, RunOutcome)
        np.testing.assert_array_equal(one.score, other.score)
    assert not np.array_equal(alone[0].score, alone[1].score, equal_nan=True)  # type: ignore[union-attr]  # looked at


def test_what_trains_is_fitted_on_no_day_that_is_kept_for_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day in the middle that is kept is left out of the fits behind it; the fits of a kept day have all before it."""
    ids = ["day1", "day2", "day3", "day4"]
    days = SimpleNamespace(name="days@1", dataset_ids=ids)
    monkeypatch.setattr(collection_jobs, "find_collection", lambda *_: days)
    monkeypatch.setattr(
        collection_jobs, "find_dataset", lambda *_: SimpleNamespace(manifest=SimpleNamespace(bins=2_400))
    )

    def histories(split: SplitParameters) -> dict[object, tuple[str, ...]]:
        parameters = params_of(refit_every="dataset", thresholds=[0.05])
        config: dict[str, Any] = {"dataset": {}}
        evaluation = spec(cast("Any", None), TARGET, parameters).evaluation
        job = Job(0, (), config, CollectionName("days"), TARGET, parameters, evaluation, split)
        found = collection_jobs.expanded([job], cast("Any", None)).jobs
        return {each.data: each.earlier for each in found}

    kept = SplitParameters(kind="datasets", test_datasets=["day2", "day4"])
    assert kept.by_dataset
    assert histories(kept) == {
        "day2": ("day1",),
        "day3": ("day1",),
        "day4": ("day1", "day2", "day3"),
    }
    in_time = {"day2": ("day1",), "day3": ("day1", "day2"), "day4": ("day1", "day2", "day3")}
    assert histories(SplitParameters(kind="time", train_share=0.5)) == in_time


def test_a_candidate_that_is_fitted_again_on_other_days_is_tried_once_more(
    dataset: Dataset, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The first run stands for it, in whatever order rows lie; the other one wins nothing, and counts in the family."""
    days = tuple(small_dataset(tmp_path_factory.mktemp("before"), seed=seed) for seed in (1, 2))
    thresholds = {"thresholds": [0.05], "refit_every": "dataset", "min_train_bins": 500}
    asked = spec(dataset, TARGET, params_of(**thresholds), kind="none")
    runs = [dataclasses.replace(asked, earlier=some) for some in (days[:1], days, days[1:])]
    assert runs[0].candidate_ids == runs[1].candidate_ids != runs[2].candidate_ids
    store = Store(tmp_path / "store")
    for each in runs[:2]:
        save(store, list(execute_many([each], DatasetCache.of(dataset))), Labels("learned"))
    (found,) = read_ledger(store)
    assert [trial.run_id for trial in found.trials] == [runs[0].run_id]
    assert [trial.run_id for each in found.refitted for trial in each.trials] == [runs[1].run_id]
    assert found.run_ids == (runs[0].run_id, runs[1].run_id)
    assert found.refitted[0].first.fires.digest != found.first.fires.digest
    (ranked,) = rank([found])
    assert (ranked.family.n_evaluated, ranked.family.n_runs) == (2, 2)
    (alone,) = rank([dataclasses.replace(found, refitted=())])
    assert alone.family.n_evaluated == 1
    assert (ranked.p_adjusted or 1.0) >= (alone.p_adjusted or 0.0)
    with pytest.raises(PromotionError, match="was fitted on other datasets than the first run of the same candidate"):
        select_candidate(store, [found], runs[1].run_id, None)


def test_the_first_run_of_features_that_look_ahead_fails_its_audit(dataset: Dataset) -> None:
    """Also with a single fit, whose weights do not change since its labels reach further than the features do."""
    target = "tests.learning.test_fits_audit.ahead"
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
