"""Runs carried out together say what each says alone."""

import dataclasses
import itertools
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from jax import Array

from tests.campaigns.market import small_dataset, spec
from vpharness.campaigns.campaign_plan import Group, Job, PlannedRun
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.execute import RunFailure, RunOutcome, execute, execute_many
from vpharness.campaigns.run_spec import RunSpec, spec_problems
from vpharness.datasets.find import Dataset
from vpharness.signals import Clock, Grid, SignalParameters, resolve, signal
from vpharness.signals.pfp import Pfp

AXES: dict[str, dict[str, Sequence[Any]]] = {
    "ads": {"blend_scale": (2.0, 3.0), "zscore_window": (50, 60)},
    "ads_pfp_svac": {"composite_weight_pfp": (0.25, 0.3), "pfp_lag_ms": (300, 500)},
    "erd": {},
    "iirc": {},
    "jad": {},
    "msd": {},
    "perm_derivative": {"zscore_window_bins": (60, 90), "zscore_min_periods": (20, 30), "d2_weight": (0.0, 0.2)},
    "pfp": {"lag_bins": (3, 5), "ema_alpha": (0.05, 0.1)},
    "spg": {},
    "svac": {},
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A few minutes of market."""
    return small_dataset(tmp_path_factory.mktemp("lake"))


def target(name: str) -> str:
    """Return where one of the project's signals lies."""
    return f"vpharness.signals.{name}.{name}"


def parameter_sets(name: str) -> Iterator[SignalParameters]:
    """Yield parameter sets of a signal: every number moved a little, or those of AXES."""
    kind = resolve(target(name)).parameters
    axes = AXES[name] or {
        field.name: (getattr(kind(), field.name), getattr(kind(), field.name) * 1.25)
        for field in dataclasses.fields(kind)
        if isinstance(getattr(kind(), field.name), float)
    }
    for values in itertools.product(*axes.values()):
        yield kind(**dict(zip(axes, values, strict=True)))


def assert_alike(together: RunOutcome, alone: RunOutcome) -> None:
    """The scores within the chunk law; the same fires, and with them the same figures, where none is a tie."""
    np.testing.assert_allclose(together.score, alone.score, rtol=0, atol=1e-9)
    for ours, theirs in zip(together.candidates, alone.candidates, strict=True):
        assert ours.candidate_id == theirs.candidate_id
        assert ours.evaluation.threshold == pytest.approx(theirs.evaluation.threshold, abs=1e-9)
        distance = np.abs(np.abs(alone.score) - theirs.evaluation.threshold)
        if np.nanmin(distance) <= 1e-9:
            continue  # a tie: which side it falls on is free
        assert ours.evaluation.fires.signed().tolist() == theirs.evaluation.fires.signed().tolist()
        assert ours.judgement is not None
        assert theirs.judgement is not None
        np.testing.assert_equal(vars(ours.judgement.figures), vars(theirs.judgement.figures))
        assert ours.judgement.p_value == theirs.judgement.p_value


def compared(dataset: Dataset, name: str, kinds: Sequence[str]) -> int:
    """Carry out a small sweep of a signal together and one by one; return how many runs were compared."""
    specs = [
        spec(dataset, target(name), params, cooldown_bins=cooldown, tp_ticks=tp_ticks, kind=kind)
        for params in parameter_sets(name)
        for cooldown, tp_ticks in ((10, 4.0), (20, 2.0))
        for kind in kinds
        if params.thresholds or kind != "none"
    ]
    found = list(execute_many(specs, DatasetCache.of(dataset)))
    assert {each.spec.run_id for each in found} == {each.run_id for each in specs}
    for each in found:
        assert isinstance(each, RunOutcome)
        assert_alike(each, execute(each.spec))
    return len(found)


@pytest.mark.parametrize("name", ["perm_derivative", "pfp"])
def test_runs_together_are_those_alone(dataset: Dataset, name: str) -> None:
    """Scores, fires and figures, for values that share all, some or none of the work."""
    assert compared(dataset, name, ["time"]) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("name", AXES)
def test_runs_of_every_signal_together_are_those_alone(dataset: Dataset, name: str) -> None:
    """With and without a split."""
    assert compared(dataset, name, ["time", "none"]) >= 2


def test_little_memory_changes_nothing_but_time(dataset: Dataset) -> None:
    """What is forgotten is worked out again."""
    specs = [spec(dataset, target("pfp"), params) for params in parameter_sets("pfp")]
    roomy = {each.spec.run_id: each for each in execute_many(specs, DatasetCache.of(dataset))}
    for each in execute_many(specs, dataclasses.replace(DatasetCache.of(dataset, memory_mb=0))):
        assert isinstance(each, RunOutcome)
        other = roomy[each.spec.run_id]
        assert isinstance(other, RunOutcome)
        np.testing.assert_array_equal(each.score, other.score)
        assert [vars(c.judgement)["p_value"] for c in each.candidates] == [
            vars(c.judgement)["p_value"] for c in other.candidates
        ]


def test_a_run_that_fails_leaves_the_others_alone(dataset: Dataset) -> None:
    """A score that is nothing but 0 has no quantiles to fire at."""
    kind = resolve(target("pfp")).parameters
    silent = kind(thresholds=[], add_weight=0.0, pull_weight=0.0)
    specs = [spec(dataset, target("pfp"), silent), spec(dataset, target("pfp"), kind())]
    first, second = execute_many(specs, DatasetCache.of(dataset))
    assert isinstance(first, RunFailure)
    assert "the quantiles of |score| over the training part are 0" in str(first.error)
    assert isinstance(second, RunOutcome)


def test_a_group_travels_to_another_process_as_it_is(dataset: Dataset) -> None:
    """It can be pickled, and means the same runs afterwards."""
    run = spec(dataset, target("pfp"), resolve(target("pfp")).parameters())
    assert run.run_id
    job = Job(0, ("signal=pfp",), {}, "d", run.signal_target, run.parameters, run.evaluation, run.split)
    group = Group(dataset, run.signal_target, (PlannedRun(job, run),))
    back = pickle.loads(pickle.dumps(group))  # noqa: S301  # our own bytes
    assert back.runs[0].spec.run_id == run.run_id
    assert isinstance(back.runs[0].spec, RunSpec)


@signal(columns=("v_ad",))
def near_miss(time: Clock, grid: Grid, p: Pfp) -> Array:
    """A signal whose column is misspelt."""
    return grid.v_ad.sum(axis=1)


def test_a_column_that_no_grid_has_is_taken_for_misspelt(dataset: Dataset) -> None:
    """Building the dataset again could not help: the columns that are near are named."""
    wrong = spec(dataset, f"{__name__}.near_miss", near_miss.parameters())
    assert next(spec_problems(wrong)).startswith(
        "signal near_miss reads v_ad, which is no column of a grid; did you mean v_add"
    )
