"""The fits that a campaign needs: counted and estimated with its plan, and carried out side by side before its runs.

Runs that differ in what is judged share their fits, and fits that an earlier run has left are not done again: a task is
what one list of fits in the store follows from. Without an engine, or where nothing can be kept, runs fit themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, cast

from vpharness.campaigns.campaign_plan import PlannedRun
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.run_spec import RunSpec
from vpharness.datasets.find import Dataset
from vpharness.engines.calls import Call, Collected, Emit, Engine, Parcel, Work
from vpharness.learning import fit_bins, training_bins
from vpharness.learning.earlier_datasets import EarlierDatasets, labelled_bins
from vpharness.learning.fit_costs import fit_seconds
from vpharness.learning.learned_run import schedule_key
from vpharness.learning.weights_store import read_schedule
from vpharness.signals import LearnedParameters, LearnedSignal, body_scorer, number_of_features, resolve

_PROCESS_BYTES: Final = 600 * 10**6


@dataclass(frozen=True)
class FitTask:
    """All fits of a learned signal with its parameters on a dataset.

    Attributes:
        dataset: the dataset.
        signal_target: "module.name".
        parameters: the signal's.
        earlier: the datasets before, where it is fitted on these.
    """

    dataset: Dataset
    signal_target: str
    parameters: LearnedParameters
    earlier: tuple[Dataset, ...] = ()

    @property
    def signal(self) -> LearnedSignal[Any]:
        """The signal itself."""
        return cast("LearnedSignal[Any]", resolve(self.signal_target))

    @cached_property
    def key(self) -> str:
        """What its fits are kept under."""
        before = EarlierDatasets(self.earlier) if self.earlier else None
        return schedule_key(self.signal, self.parameters, self.dataset.checksum, before)

    @cached_property
    def rows(self) -> list[int]:
        """About how many bins each of its fits has."""
        params, manifest = self.parameters, self.dataset.manifest
        if self.earlier:
            return [labelled_bins(params, [each.manifest.bins for each in self.earlier])]
        places = fit_bins(params, manifest.bins, manifest.cell_width_ms)
        found = [len(training_bins(params, place)) for place in places]
        return [each for each in found if each >= params.min_train_bins]

    @property
    def seconds(self) -> float | None:
        """About how long its fits take; None for a model that has never been measured."""
        manifest = self.dataset.manifest
        ready = body_scorer(self.signal, self.parameters, cell_width_ms=manifest.cell_width_ms, radius=manifest.radius)
        features = number_of_features(ready)
        each = [fit_seconds(self.signal.model, self.parameters, rows, features) for rows in self.rows]
        return None if None in each else sum(one for one in each if one is not None)

    def carry_out(self, report: Callable[[int, int], None] | None = None) -> None:
        """Fit, and keep the weights."""
        before = EarlierDatasets(self.earlier) if self.earlier else None
        cache = _RECENT.of(self.dataset)
        cache.report_fit = report
        cache.learned_run(self.signal, self.parameters, before)


def fit_tasks(runs: Sequence[PlannedRun]) -> list[FitTask]:
    """Return the fits that runs need and the store does not have, each once, in the order of the runs."""
    found: dict[str, FitTask] = {}
    for spec in _one_a_score(run.spec for run in runs if isinstance(run.spec.signal, LearnedSignal)):
        task = FitTask(spec.dataset, spec.signal_target, spec.learned_parameters, spec.earlier)
        models = spec.dataset.models
        if task.key not in found and (models is None or read_schedule(models, task.key) is None):
            found[task.key] = task
    return list(found.values())


def _one_a_score(specs: Any) -> list[RunSpec]:
    """Return a run for each score on each dataset."""
    found: dict[tuple[Any, ...], RunSpec] = {}
    for spec in specs:
        found.setdefault((spec.dataset.path, spec.score_key), spec)
    return list(found.values())


@dataclass
class FitProgress:
    """How far the fits of a campaign have come: `done` of `total`."""

    total: int
    done: int = 0


def fit_side_by_side(engine: Engine, tasks: Sequence[FitTask], report: Callable[[FitProgress], None]) -> None:
    """Carry out fits on an engine; what a process that died, fails or sees no lake leaves undone, the runs do."""
    progress = FitProgress(sum(len(task.rows) for task in tasks))
    # What has been kept is read by whoever needs it, so that only the lake itself needs to be seen.
    works = [
        Work(
            Call(_fit_here, (task,)),
            folders=() if task.dataset.models is None else (task.dataset.models.parent,),
            elsewhere=Call(_not_here, ()),
            parcel=Parcel("no dataset", _nothing),
            cpus=engine.allotment.cpus,
            memory_bytes=engine.allotment.memory_bytes or _PROCESS_BYTES,
        )
        for task in tasks
        if task.dataset.models is not None
    ]
    done: dict[int, int] = {}

    def emitted(place: int, value: Any) -> None:
        progress.done += value - done.get(place, 0)
        done[place] = value
        report(progress)

    if works:
        engine.carry_out(works, Collected(works, emitted))


def _fit_here(task: FitTask, emit: Emit) -> str:
    """Return why fits cannot be done, in words; empty where they are."""
    try:
        task.carry_out(lambda number, _: emit(number))
    except Exception as error:  # the body is its author's code; the runs meet the same, and fail with it
        return f"{type(error).__name__}: {error}"
    return ""


def _not_here(_parcel: Any, _emit: Emit) -> None:
    """Do nothing: a process that does not see the lake cannot keep weights in it."""


def _nothing() -> None:
    return None


@dataclass
class _RecentDataset:
    """The dataset that this process has fitted on last, with its features."""

    cache: DatasetCache | None = field(default=None)

    def of(self, dataset: Dataset) -> DatasetCache:
        """Return a dataset with what its fits share."""
        if self.cache is None or self.cache.dataset.path != dataset.path:
            self.cache = DatasetCache.of(dataset)
        return self.cache


_RECENT: Final = _RecentDataset()
