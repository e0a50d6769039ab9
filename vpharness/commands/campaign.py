"""A multirun as a campaign: planned whole, carried out together, ranked in the end."""

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from omegaconf import DictConfig

from vpharness import parameters as ranges
from vpharness.campaigns.campaign_plan import CampaignPlan, Job, job_problems, make_plan, variants_of
from vpharness.campaigns.collection_members import sessions_of_datasets
from vpharness.campaigns.runner import CampaignProgress, run_groups
from vpharness.campaigns.workers import run_groups_on
from vpharness.commands.campaign_summary import PlannedCampaign, conclude
from vpharness.commands.campaign_tracking import campaign_tracking, needs_tracking
from vpharness.commands.plan import measured_speeds, print_plan
from vpharness.commands.run import dataset_of, done_in, jobs_on_datasets, locked_plan, run_settings, tidy
from vpharness.commands.text.dataset_facts import print_doubts
from vpharness.commands.text.progress_display import campaign_progress
from vpharness.config.command_schemas import RunCommand
from vpharness.config.composition import HydraFunctions, compose_jobs
from vpharness.config.lake_of_command import lake_of
from vpharness.config.typed_config import command_of, instance
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import Lake
from vpharness.engines.calls import Engine
from vpharness.errors import CampaignError, ConfigError
from vpharness.results.store import CAMPAIGNS, Store, TableRows, append, check_version, read, store_in
from vpharness.results.table_schemas import CAMPAIGNS_SCHEMA, Labels, mark_adaptive
from vpharness.results.tracking import TrackingParameters
from vpharness.results.tracking_process import TrackingProcess

_UNFIT: Final = re.compile(r"[^\w.-]+")


def launch(
    hydra: HydraFunctions,
    master: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    problems: Sequence[str],
    *,
    engine: Engine | None,
    carries_out: bool,
    adaptive: bool,
) -> list[float | None]:
    """Plan jobs, and carry them out.

    Args:
        hydra: what composing needs of Hydra.
        master: the configuration without the overrides of any job.
        job_overrides: the overrides of each job.
        problems: what is known to be wrong with them.
        engine: carries out the plan in other processes; None: this one does.
        carries_out: whether it is carried out, or only described.
        adaptive: whether the sweeper chooses jobs by the results of earlier ones.

    Returns: for each job the highest lower end of the net interval among its candidates, ticks.

    Raises ConfigError, before any work, with everything that is wrong; CampaignError in the end where runs failed.
    """
    command = command_of(master, RunCommand)
    tracking: TrackingParameters = instance(master.tracking, "tracking")
    known = [*ranges.problems(command), *ranges.problems(tracking, "tracking."), *problems]
    if command.information:
        known.append("information=true is of a single run; compare information=CANDIDATE shows it of any candidate")
    lake = lake_of(command)
    settings = run_settings(command, store_in(lake.root), Labels(tracking.experiment_name))
    check_version(settings.store)
    with contextlib.ExitStack() as stack:
        jobs, uncomposed = compose_jobs(job_overrides, hydra)
        refuse_all([*known, *uncomposed, *job_problems(jobs, lake)])
        jobs = list(jobs_on_datasets(jobs, lake))
        unbuilt = [variant for variant in variants_of(jobs) if variant.find(lake) is None]
        waiting = [] if carries_out else [job for job in jobs if job.data in unbuilt]
        ready = jobs if carries_out else [job for job in jobs if job.data not in unbuilt]
        plan, wrong = make_plan(ready, dataset_finder(lake), done_in(settings.store, settings.outputs))
        refuse_all(wrong)
        if not carries_out:
            speeds, sessions = measured_speeds(settings.store), sessions_of_datasets(lake)
            print_plan(plan, waiting, unbuilt, speeds, sessions=sessions, as_json=command.json)
            return []
        name = command.campaign or default_name(tracking, plan.run_ids)
        named = replace(settings, labels=Labels(tracking.experiment_name, name, dict(tracking.tags)))
        campaign = PlannedCampaign(name, plan, named, lake, tracking, command.json)
        campaign = replace(campaign, plan=stack.enter_context(locked_plan(plan, named)))
        if adaptive or command.adaptive:
            mark_adaptive(settings.store, [run.spec.run_id for run in campaign.plan.remaining if not run.stored])
        # MLflow takes seconds to import, while the first runs are carried out: nothing waits for it.
        process = stack.enter_context(TrackingProcess()) if needs_tracking(campaign) else None
        record_start(campaign.settings.store, name, campaign.plan, list(master.hydra.overrides.task))
        lows = _carried_out(campaign, engine, process)
    return _lows_of_jobs(len(job_overrides), jobs, plan.run_ids, lows)


def _lows_of_jobs(
    n_jobs: int, jobs: Sequence[Job], run_ids: Sequence[str], lows: Mapping[str, float]
) -> list[float | None]:
    """Return for each job of the sweep the highest lower end of its run, or of its runs on a collection's datasets."""
    found: list[float | None] = [None] * n_jobs
    for job, run_id in zip(jobs, run_ids, strict=True):
        low, before = lows.get(run_id), found[job.number]
        if low is not None:
            found[job.number] = low if before is None else max(before, low)
    return found


def record_start(store: Store, name: str, plan: CampaignPlan, overrides: Sequence[str]) -> None:
    """Record the start of a campaign in the store, unless nothing is left to run and its runs are recorded already."""
    run_ids = plan.ids
    known = [] if plan.remaining else read(store, CAMPAIGNS)
    if any(row["campaign"] == name and set(run_ids) <= set(row["run_ids"]) for row in known):
        return
    row = {
        "campaign": name,
        "created_ns": time.time_ns(),
        "words": overrides,
        "run_ids": run_ids,
    }
    append(store, TableRows(CAMPAIGNS, [row], CAMPAIGNS_SCHEMA))


def _carried_out(campaign: PlannedCampaign, engine: Engine | None, process: TrackingProcess | None) -> dict[str, float]:
    """Carry out a campaign and print its results; return the best lower end of each run."""
    plan, settings = campaign.plan, campaign.settings
    progress = CampaignProgress(len(plan.remaining))
    with campaign_tracking(campaign, progress, process) as tracked:
        with campaign_progress(progress) as report:
            if engine is not None:
                run_groups_on(engine, plan.groups(), settings, progress, report, tracked.put)
            else:
                run_groups(plan.groups(), settings, progress, report, tracked.put)
        lows = conclude(campaign, progress, tracked)
    print_doubts(run.spec.dataset for run in plan.runs)
    tidy(settings.store)
    refuse_failures(progress)
    return lows


def refuse_failures(progress: CampaignProgress) -> None:
    """Raise CampaignError with the runs that failed, if there are any."""
    if progress.failures:
        listed = "".join(f"\n  {run_id} ({overrides}): {error}" for run_id, overrides, error in progress.failures)
        raise CampaignError(f"{len(progress.failures)} of {progress.total} runs failed:{listed}")


def refuse_all(problems: Sequence[str]) -> None:
    """Raise one ConfigError with everything that is wrong with a campaign, a line each."""
    if len(problems) == 1:
        raise ConfigError(problems[0])
    if problems:
        listed = "".join(f"\n  {problem}" for problem in dict.fromkeys(problems))
        raise ConfigError(f"{len(problems)} errors in this campaign; nothing has been run:{listed}")


def dataset_finder(lake: Lake) -> Callable[[Job], Dataset]:
    """Return how to find the dataset of a job: each is looked for, or built, once."""
    named: dict[str, Dataset] = {}
    found: list[tuple[object, Dataset]] = []

    def of(job: Job) -> Dataset:
        if isinstance(job.data, str):
            if job.data not in named:
                named[job.data] = dataset_of(job, lake)
            return named[job.data]
        known = next((dataset for data, dataset in found if data == job.data), None)
        if known is None:
            known = dataset_of(job, lake)
            found.append((job.data, known))
        return known

    return of


def default_name(tracking: TrackingParameters, parts: Sequence[str]) -> str:
    """Return the name of a campaign that was given none: the same parts are the same campaign, whenever it starts."""
    digest = hashlib.sha256("".join(sorted(parts)).encode()).hexdigest()[:8]
    return f"{_UNFIT.sub('_', tracking.experiment_name)}-{digest}"
