"""The plan of a campaign: every run, checked and frozen before the first one begins."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vpharness.campaigns.memo import ObjectMemo
from vpharness.campaigns.run_spec import RunSpec, parameter_problems, spec_problems
from vpharness.datasets.collection import find_collection
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.grid_columns import chosen_columns
from vpharness.datasets.lake import Lake
from vpharness.datasets.variants import find_variant
from vpharness.errors import VpharnessError
from vpharness.evaluation import EvaluationParameters, SplitParameters
from vpharness.events.event_source import Source
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.parameters import problems
from vpharness.signals import SignalParameters


@dataclass(frozen=True)
class Variant:
    """A dataset given by its source and lattice, to be built where the lake does not hold it yet."""

    source: Source
    lattice: LatticeParameters
    start_ns: int | None
    end_ns: int | None
    columns: tuple[str, ...] = field(default=tuple(GRID_COLUMNS), compare=False)  # what is stored, where it is built

    def find(self, lake: Lake) -> Dataset | None:
        """Return the dataset if it has been built. Raises SourceError where the source cannot be read."""
        return find_variant(lake, self.source, self.lattice, start_ns=self.start_ns, end_ns=self.end_ns)


def variant_of(
    source: Source, lattice: LatticeParameters, start_ns: int | None, end_ns: int | None, columns: object
) -> Variant:
    """Return a dataset to be built, storing `columns`: what `dataset.columns` says, or None for all.

    Raises ConfigError where there is no such column.
    """
    return Variant(source, lattice, start_ns, end_ns, chosen_columns(columns))


@dataclass(frozen=True)
class CollectionName:
    """A collection of the lake as a user names it: `ID` is its newest version, `ID@3` the third."""

    name: str


@dataclass(frozen=True)
class Job:
    """One run as requested: its configuration, before its dataset is known.

    Attributes:
        number: its place among the jobs of the campaign; those on the datasets of one collection share it.
        words: the overrides that make it: typed after `python -m vpharness` they give the same run alone, or together
            with those on the other datasets of its collection.
        config: the whole configuration as plain values.
        data: the id of a dataset in the lake, what is to be built, or a collection, in whose place
            `collection_jobs.expanded` puts its datasets.
        signal_target: "module.name".
        parameters, evaluation, split: as in `RunSpec`; jobs that have equal ones share the objects.
        earlier: the datasets before, on which a signal with refit_every=dataset is fitted.
    """

    number: int
    words: tuple[str, ...]
    config: Mapping[str, Any]
    data: str | Variant | CollectionName
    signal_target: str
    parameters: SignalParameters
    evaluation: EvaluationParameters
    split: SplitParameters
    earlier: tuple[str, ...] = ()

    def on(self, dataset: Dataset, memo: ObjectMemo, earlier: tuple[Dataset, ...] = ()) -> RunSpec:
        """Return the run on its dataset, fitted on earlier ones; `memo` holds what it has in common with others."""
        return RunSpec(dataset, self.signal_target, self.parameters, self.evaluation, self.split, memo, earlier)


@dataclass(frozen=True)
class PlannedRun:
    """One distinct run, and the first job that requested it."""

    job: Job
    spec: RunSpec
    stored: bool = False  # the store has it, and only its folder is missing


@dataclass(frozen=True)
class Group:
    """The runs of one signal on one dataset: the unit of work, which can be pickled and executed in any process."""

    dataset: Dataset
    signal_target: str
    runs: tuple[PlannedRun, ...]
    columns: tuple[str, ...] = ()  # of the grid, that this and the other groups on the dataset read


@dataclass(frozen=True)
class CampaignPlan:
    """The distinct runs of a campaign, and which of them are done.

    Attributes:
        runs: the distinct runs, in the order in which they were asked for.
        run_ids: for each job the id of its run.
        done: the ids of those that have results already.
    """

    runs: tuple[PlannedRun, ...]
    run_ids: tuple[str, ...]
    done: frozenset[str]

    @property
    def remaining(self) -> tuple[PlannedRun, ...]:
        """The runs that are still to be executed."""
        return tuple(run for run in self.runs if run.spec.run_id not in self.done)

    @property
    def ids(self) -> list[str]:
        """The ids of its distinct runs."""
        return [run.spec.run_id for run in self.runs]

    def refreshed(self, finished: Mapping[str, bool]) -> "CampaignPlan":
        """Return the plan updated with the runs finished meanwhile; `finished` as in `make_plan`."""
        runs = tuple(replace(run, stored=run.spec.run_id in finished) for run in self.runs)
        return replace(self, runs=runs, done=frozenset(run_id for run_id in self.ids if finished.get(run_id)))

    def groups(self) -> list[Group]:
        """Return the remaining runs as groups, dataset by dataset and signal by signal."""
        found: dict[tuple[Path, str], list[PlannedRun]] = {}
        for run in self.remaining:
            found.setdefault((run.spec.dataset.path, run.spec.signal_target), []).append(run)
        order = {path: place for place, path in enumerate(dict.fromkeys(path for path, _ in found))}
        columns: dict[Path, dict[str, None]] = {path: {} for path in order}
        for (path, _), runs in found.items():
            columns[path].update(dict.fromkeys(runs[0].spec.signal.columns))
        return [
            Group(runs[0].spec.dataset, target, tuple(runs), tuple(columns[path]))
            for (path, target), runs in sorted(found.items(), key=lambda item: order[item[0][0]])
        ]


def variants_of(jobs: Sequence[Job]) -> list[Variant]:
    """Return the distinct datasets that jobs want built, in their order."""
    found: list[Variant] = []
    for job in jobs:
        if isinstance(job.data, Variant) and job.data not in found:
            found.append(job.data)
    return found


def job_problems(jobs: Sequence[Job], lake: Lake) -> list[str]:
    """Return every distinct problem of jobs that is visible before any dataset is built."""
    found: dict[str, None] = {}
    memo = ObjectMemo()
    for parameters, evaluation, split in _distinct(jobs, lambda job: (job.parameters, job.evaluation, job.split)):
        found |= dict.fromkeys(parameter_problems(parameters, evaluation, split, memo))
    named = [job.data for job in jobs if isinstance(job.data, str)]
    named += [dataset_id for job in jobs for dataset_id in job.split.test_datasets]
    for dataset_id in dict.fromkeys(named):
        try:
            find_dataset(lake, dataset_id)
        except VpharnessError as error:
            found[str(error)] = None
    for name in dict.fromkeys(job.data.name for job in jobs if isinstance(job.data, CollectionName)):
        try:
            find_collection(lake, name)
        except VpharnessError as error:
            found[str(error)] = None
    for variant in variants_of(jobs):
        found |= dict.fromkeys([*problems(variant.source, "source."), *problems(variant.lattice, "lattice.")])
        try:
            variant.find(lake)
        except VpharnessError as error:
            found[str(error)] = None
    return list(found)


def make_plan(
    jobs: Sequence[Job], dataset_of: Callable[[Job], Dataset], finished: Mapping[str, bool]
) -> tuple[CampaignPlan, list[str]]:
    """Return the plan of jobs that have no `job_problems`, and the remaining problems of its runs.

    Args:
        jobs: the requested runs.
        dataset_of: from a job to its dataset.
        finished: the ids of runs that the store has, and whether their folders are there as well.
    """
    runs: dict[str, PlannedRun] = {}
    run_ids: list[str] = []
    known: dict[tuple[object, ...], str] = {}
    wrong: dict[str, None] = {}
    memo = ObjectMemo()
    for job in jobs:
        dataset = dataset_of(job)
        # Jobs share what they have in common, so that looking at the objects themselves is enough.
        parts = (id(dataset), id(job.parameters), id(job.evaluation), id(job.split), job.earlier)
        if parts not in known:
            spec = job.on(dataset, memo, tuple(dataset_of(replace(job, data=each)) for each in job.earlier))
            found = list(spec_problems(spec))
            wrong |= dict.fromkeys(found)
            known[parts] = "" if found else spec.run_id
            runs.setdefault(known[parts], PlannedRun(job, spec, known[parts] in finished))
        run_ids.append(known[parts])
    return CampaignPlan(
        tuple(runs.values()), tuple(run_ids), frozenset(run_id for run_id in runs if finished.get(run_id))
    ), list(wrong)


def _distinct(jobs: Sequence[Job], parts_of: Callable[[Job], tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the parts of jobs, those that are the same objects once."""
    seen = set()
    for job in jobs:
        parts = parts_of(job)
        key = tuple(map(id, parts))
        if key not in seen:
            seen.add(key)
            yield parts
