"""The main job: one signal on one dataset, judged, stored and shown."""

import contextlib
import functools
import shlex
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vpharness.campaigns.campaign_plan import (
    CampaignPlan,
    CollectionName,
    Job,
    PlannedRun,
    Variant,
    job_problems,
    make_plan,
)
from vpharness.campaigns.collection_jobs import expanded
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.mlflow_runs import tracked_run
from vpharness.campaigns.run_folder import FIGURE_FILE, fires_within_memory, folder_of, picture_of
from vpharness.campaigns.runner import CampaignProgress, RunnerSettings, run_groups
from vpharness.commands.compare import informer
from vpharness.commands.text.dataset_facts import print_doubts
from vpharness.commands.text.progress_display import build_progress, expected_span_ns, run_status
from vpharness.commands.text.rankings import print_candidates
from vpharness.config.command_schemas import RunCommand
from vpharness.config.composition import job_of
from vpharness.config.hydra_app import given_overrides
from vpharness.config.lake_of_command import lake_of
from vpharness.config.typed_config import check, check_command, instance
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.sources import renew_note
from vpharness.errors import ConfigError, ResultsError, TrackingError
from vpharness.results.audits import audits_of
from vpharness.results.plots import PlotWriter
from vpharness.results.run_locks import lock_runs
from vpharness.results.store import Store, check_version, check_writable, merge_parts, store_in
from vpharness.results.table_schemas import Labels, finished_runs, mark_adaptive, rows_of_runs
from vpharness.results.tracked_run import is_tracked, without_password
from vpharness.results.tracking import Tracking, TrackingParameters


@dataclass(frozen=True)
class FinishedRun:
    """A run that is in the store: the run, the rows of its candidates, its folder, and where its results are.

    A run on a dataset that is kept for the test has no rows. `was_known` says that the store had it before.
    """

    run: PlannedRun
    rows: Sequence[dict[str, Any]]
    folder: Path
    store: Store
    lake: Lake
    was_known: bool


def run_run(config: DictConfig) -> None:
    """Run a signal over a dataset or the datasets of a collection, judge its fires, and print the ranked results."""
    if instance(config.dataset, "dataset").collection is not None:
        from vpharness.commands.collection_run import run_on_collection  # noqa: PLC0415  # it is made of this module's parts

        run_on_collection(config)
        return
    found = finished_run(config, given_overrides())
    run_id = found.run.spec.run_id
    if found.was_known:
        print(f"run {run_id} is in the store already; its candidates:", file=sys.stderr)
    print_doubts([found.run.spec.dataset])
    if found.run.spec.is_test:
        print(
            f"dataset {found.run.spec.dataset.manifest.dataset_id} is kept for the test: the fires of run {run_id} "
            "are stored, and compare show_test=true judges them"
        )
        return
    informed = informer(found.lake) if config.information else None
    print_candidates(
        found.store, found.lake, [run_id], as_json=bool(config.json), folder=found.folder, information_of=informed
    )
    if not config.json:
        print_tracking(instance(config.tracking, "tracking"), Path(config.outputs))
    tidy(found.store)


def print_tracking(tracking: TrackingParameters, outputs: Path) -> None:
    """Print where runs are tracked, and what opens their pages."""
    if tracking.kind == "none":
        return
    uri = without_password(tracking.uri_in(outputs))
    print(
        f"tracked in {uri}" if uri.startswith("http") else f"tracked: mlflow ui --backend-store-uri {shlex.quote(uri)}"
    )


def finished_run(config: DictConfig, words: Sequence[str]) -> FinishedRun:
    """Carry out the run that a composed configuration stands for, unless the store has it, and return it.

    It is drawn and tracked too; what went wrong with that, and what its audit found, is printed on standard error.

    Args:
        config: the configuration of the command `run`.
        words: the overrides that it was composed from.

    Raises VpharnessError where the run is not possible, has failed, or never fires.
    """
    if instance(config.dataset, "dataset").collection is not None:
        raise ConfigError("dataset.collection was given: a run on a collection is several runs, name one dataset")
    carried = carried_out(config, words)
    (run,), store = carried.plan.runs, carried.settings.store
    if carried.progress.failures:
        raise ConfigError(carried.progress.failures[0][2])
    folder = folder_of(carried.settings.outputs, run.spec.run_id)
    if run.spec.is_test:
        return FinishedRun(run, [], folder, store, carried.lake, carried.was_done > 0)
    rows = rows_of_runs(store, [run.spec.run_id])[run.spec.run_id]
    finish(run, carried.settings, carried.tracking, rows)
    refuse_silence([run], rows, folder)
    print_audit(run, store, folder)
    return FinishedRun(run, rows, folder, store, carried.lake, carried.was_done > 0)


@dataclass(frozen=True)
class CarriedOut:
    """A plan that has been carried out, and how many of its runs were done before."""

    plan: CampaignPlan
    progress: CampaignProgress
    settings: RunnerSettings
    tracking: TrackingParameters
    lake: Lake
    was_done: int


def carried_out(config: DictConfig, words: Sequence[str]) -> CarriedOut:
    """Carry out the run of a composed configuration, or those on the datasets of a collection, unless done."""
    command = check_command(config, RunCommand)
    lake = lake_of(command)
    store = store_in(lake.root)
    check_version(store)
    _refuse_axes(config)
    tracking: TrackingParameters = instance(config.tracking, "tracking")
    check(tracking=tracking)
    job = job_of(config, words)
    refuse_problems(job_problems([job], lake))
    jobs = jobs_on_datasets([job], lake)
    datasets = {job.data: dataset_of(job, lake) for job in jobs if isinstance(job.data, str)}
    settings = run_settings(command, store, Labels(tracking.experiment_name, tags=dict(tracking.tags)))

    def found(job: Job) -> Dataset:
        if not isinstance(job.data, str):
            return dataset_of(job, lake)
        # Datasets that a run is fitted on need not be run on.
        return datasets.get(job.data) or datasets.setdefault(job.data, dataset_of(job, lake))

    plan, wrong = make_plan(jobs, found, done_in(store, settings.outputs))
    refuse_problems(wrong)
    with locked_plan(plan, settings) as plan:
        was_done = len(plan.done)
        if command.adaptive:
            mark_adaptive(store, [run.spec.run_id for run in plan.remaining])
        progress = CampaignProgress(len(plan.remaining))
        with contextlib.ExitStack() as stack:
            if plan.remaining:
                stack.enter_context(run_status())
            run_groups(plan.groups(), settings, progress, lambda _: None)
    return CarriedOut(plan, progress, settings, tracking, lake, was_done)


def jobs_on_datasets(jobs: Sequence[Job], lake: Lake) -> Sequence[Job]:
    """Return jobs with those on collections replaced by those on their datasets; what is left out is printed."""
    found = expanded(jobs, lake)
    for note in found.notes:
        print(f"vpharness: {note}", file=sys.stderr)
    return found.jobs


def tidy(store: Store) -> None:
    """Merge the parts of the store where they are many; a failure is printed, and nothing is lost."""
    try:
        merge_parts(store)
    except ResultsError as error:
        print(f"vpharness: {error}", file=sys.stderr)


def done_in(store: Store, outputs: Path) -> dict[str, bool]:
    """Return the ids of the runs that the store has, and whether their folders are there as well."""
    return {run_id: folder_of(outputs, run_id).is_dir() for run_id in finished_runs(store)}


@contextlib.contextmanager
def locked_plan(plan: CampaignPlan, settings: RunnerSettings) -> Iterator[CampaignPlan]:
    """Yield the refreshed plan while holding the locks of its runs, so that no other process executes them."""
    if not plan.remaining:
        yield plan
        return
    check_writable(settings.store)

    def waiting() -> None:
        print("vpharness: another process is running the same; waiting for it", file=sys.stderr, flush=True)

    with lock_runs(settings.store, plan.ids, waiting):
        yield plan.refreshed(done_in(settings.store, settings.outputs))


def refuse_problems(problems: Sequence[str]) -> None:
    """Raise one ConfigError with all problems, if there are any."""
    if problems:
        raise ConfigError("; ".join(problems))


def run_settings(command: RunCommand, store: Store, labels: Labels) -> RunnerSettings:
    """Return the settings that all runs of a command share."""
    return RunnerSettings(
        store, Path(command.outputs), labels, command.save_series, command.on_error, command.memory_mb
    )


def dataset_of(job: Job, lake: Lake) -> Dataset:
    """Find the dataset of a job in the lake, or build it."""
    if isinstance(job.data, CollectionName):
        raise TypeError("a job on a collection is one on each of its datasets: `jobs_on_datasets` makes them")
    if not isinstance(job.data, Variant):
        return find_dataset(lake, job.data)
    variant = job.data
    if known := variant.find(lake):
        renew_note(lake, known.manifest.content_id, variant.source)
        return known
    from vpharness.datasets.dataset_build import build  # noqa: PLC0415  # the lattice engine, which takes a second to load

    with build_progress(expected_span_ns(variant.source, variant.start_ns, variant.end_ns)) as report:
        built = build(
            lake,
            variant.source,
            variant.lattice,
            start_ns=variant.start_ns,
            end_ns=variant.end_ns,
            columns=variant.columns,
            report=report,
        )
    return Dataset(built.path, built.manifest, lake.cache, lake.models)


def _refuse_axes(config: DictConfig) -> None:
    if config.sweep is None:
        return
    if config.sweep.universal or any(config.sweep.per_signal.values()):
        name = config.tracking.experiment_name
        raise ConfigError(
            f"experiment {name} has axes to sweep; one run has one value of each: "
            f"python -m vpharness -m experiment={name}"
        )


def refuse_silence(runs: Sequence[PlannedRun], rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """Raise ConfigError where no threshold has ever fired: the runs are in the store, and there is nothing to rank."""
    if any(row["n_fires"] for row in rows):
        return
    spec, labels = runs[0].spec, ", ".join(dict.fromkeys(row["threshold_label"] for row in rows))
    where = f"dataset {spec.dataset.manifest.dataset_id}" if len(runs) == 1 else f"{len(runs)} datasets"
    raise ConfigError(
        f"signal {spec.signal.name} never fires on {where}, in the part that is "
        f"judged, at the thresholds {labels}; compare them with the scores in {folder}, and give lower "
        "signal.thresholds or a longer dataset"
    )


def print_audit(run: PlannedRun, store: Store, folder: Path) -> None:
    """Print on standard error where the audit failed, and where fires lie inside the signal's memory."""
    audited = audits_of(store).get(run.spec.audit_key)
    if audited is None:
        return
    name = run.spec.signal.name
    if audited.undecided:
        print(f"vpharness: the {audited.kind} audit of signal {name} is {audited.failed}", file=sys.stderr)
    elif not audited.passed:
        print(f"vpharness: signal {name} fails the {audited.kind} audit: {audited.failed}", file=sys.stderr)
    within, fires = fires_within_memory(folder)
    if not within:
        return
    told = f"vpharness: {within} of the {fires} judged fires"
    if audited.memory_bins is None:
        print(f"{told} may depend on where the data began: {name} is not shown to forget it", file=sys.stderr)
    else:
        print(
            f"{told} lie within the memory of {name}, {audited.memory_bins} valid bins, where a score still depends on "
            f"where the data began; give eval.warmup_bins={audited.memory_bins} or more",
            file=sys.stderr,
        )


@functools.lru_cache(maxsize=8)
def _painter_of(_thread: int) -> PlotWriter:
    """Return the one writer of pictures of a thread: the axes of its figure take half of the time to make."""
    return PlotWriter()


def finish(
    run: PlannedRun,
    settings: RunnerSettings,
    tracking: TrackingParameters,
    rows: Sequence[dict[str, Any]],
    *,
    draws: bool = True,
) -> None:
    """Draw and track a run that is in the store: a failure of tracking is printed, and nothing is lost."""
    spec, folder = run.spec, folder_of(settings.outputs, run.spec.run_id)
    wanted = tracking.kind != "none" and not is_tracked(folder, tracking.uri_in(settings.outputs))
    drawn = not draws or (folder / FIGURE_FILE).exists()
    if drawn and not wanted:
        return
    if not drawn:
        cache = DatasetCache.of(spec.dataset)
        picture = picture_of(spec, cache.view, cache.bin_seq, rows, folder)
        _painter_of(threading.get_ident()).draw(picture, folder / FIGURE_FILE)
    if wanted:
        try:
            Tracking(tracking, settings.outputs).log(tracked_run(spec, run.job, rows, folder, ""))
        except TrackingError as error:
            print(f"vpharness: {error}", file=sys.stderr)
