"""A multirun whose values are proposed by the results of those before: batches of runs, ranked together in the end."""

import contextlib
import dataclasses
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vpharness import parameters as ranges
from vpharness.campaigns.adaptive_search import ProposedRun, SearchSettings, SearchSpace, search
from vpharness.campaigns.campaign_plan import CampaignPlan, Job, PlannedRun, job_problems, make_plan
from vpharness.campaigns.collection_jobs import expanded
from vpharness.campaigns.runner import CampaignProgress, ReportProgress, RunnerSettings, run_groups
from vpharness.campaigns.workers import run_groups_on
from vpharness.commands.campaign import dataset_finder, default_name, record_start, refuse_all, refuse_failures
from vpharness.commands.campaign_summary import PlannedCampaign, conclude
from vpharness.commands.campaign_tracking import campaign_tracking, needs_tracking
from vpharness.commands.run import done_in, locked_plan, run_settings, tidy
from vpharness.commands.text.dataset_facts import print_doubts
from vpharness.commands.text.progress_display import campaign_progress
from vpharness.config.command_schemas import RunCommand
from vpharness.config.composition import HydraFunctions, compose_jobs
from vpharness.config.lake_of_command import lake_of
from vpharness.config.typed_config import command_of, instance
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import Lake
from vpharness.engines.calls import Engine
from vpharness.results.ledger_reader import read_ledger
from vpharness.results.ranking import judged, restricted
from vpharness.results.store import Store, check_version, store_in
from vpharness.results.table_schemas import Labels, mark_adaptive, rows_of_runs
from vpharness.results.tracking import TrackingParameters
from vpharness.results.tracking_process import TrackingProcess


@dataclass
class _Batches:
    """The batches of a search, as they are carried out.

    Attributes:
        runs: the distinct runs so far, by id.
        run_ids: for each trial that was not refused the id of its run.
        runs_of: by its overrides the ids of its run, or of its runs on the datasets of a collection.
        done: the ids of those that the store had before.
        refused: what is wrong with combinations of values that no run can have, by their overrides.
        progress: of all trials.
    """

    hydra: HydraFunctions
    lake: Lake
    settings: RunnerSettings
    search: SearchSettings
    words: Sequence[str]
    engine: Engine | None
    dataset_of: Callable[[Job], Dataset]
    progress: CampaignProgress
    report: ReportProgress
    runs: dict[str, PlannedRun] = field(default_factory=dict)
    run_ids: list[str] = field(default_factory=list)
    runs_of: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    refused: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def plan(self) -> CampaignPlan:
        """All runs so far."""
        return CampaignPlan(tuple(self.runs.values()), tuple(self.run_ids), frozenset(self.done))

    def evaluate(self, jobs: Sequence[tuple[str, ...]]) -> list[float]:
        """Carry out the jobs of a batch that the store does not have, and return the result of each."""
        good = self._possible(jobs)
        if not good and not self.runs:
            refuse_all(list(self.refused.values()))
        composed, _ = compose_jobs(good, self.hydra)
        on_datasets = expanded(composed, self.lake).jobs
        plan, _ = make_plan(on_datasets, self.dataset_of, done_in(self.settings.store, self.settings.outputs))
        self.progress.total += len(plan.run_ids) - len(good)
        with locked_plan(plan, self.settings) as plan:
            self._carry_out(plan)
        ids_of: dict[tuple[str, ...], list[str]] = {job: [] for job in good}
        for job, run_id in zip(on_datasets, plan.run_ids, strict=True):
            ids_of[good[job.number]].append(run_id)
        self.run_ids += plan.run_ids
        self.runs_of |= {job: tuple(run_ids) for job, run_ids in ids_of.items()}
        failed = {run_id for run_id, _, _ in self.progress.failures}
        rows = rows_of_jobs(
            self.settings.store, [run_ids for run_ids in self.runs_of_jobs(good) if failed.isdisjoint(run_ids)]
        )
        values = {run_ids: self.search.value_of(some) for run_ids, some in rows.items()}
        return [values.get(run_ids, self.search.unrankable_ticks) for run_ids in self.runs_of_jobs(jobs)]

    def runs_of_jobs(self, jobs: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Return the ids of the runs of each job; none of one that was refused."""
        return [self.runs_of.get(job, ()) for job in jobs]

    def _carry_out(self, plan: CampaignPlan) -> None:
        ours = set(plan.ids) - self.runs.keys()
        self.done |= plan.done & ours
        self.runs |= {run.spec.run_id: run for run in plan.runs if run.spec.run_id in ours}
        if not plan.remaining:
            return
        mark_adaptive(self.settings.store, [run.spec.run_id for run in plan.remaining if not run.stored])
        record_start(self.settings.store, self.settings.labels.campaign, plan, self.words)
        if self.engine is None:
            run_groups(plan.groups(), self.settings, self.progress, self.report)
        else:
            run_groups_on(self.engine, plan.groups(), self.settings, self.progress, self.report, None)

    def _possible(self, jobs: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Return those jobs, each once, whose values are possible together."""
        distinct = list(dict.fromkeys(jobs))
        if not self.problems(distinct):
            return distinct
        wrong = {job: "; ".join(self.problems([job])) for job in distinct}
        self.refused |= {job: text for job, text in wrong.items() if text}
        return [job for job in distinct if not wrong[job]]

    def problems(self, jobs: Sequence[tuple[str, ...]]) -> list[str]:
        """Return everything that is wrong with jobs."""
        composed, uncomposed = compose_jobs(jobs, self.hydra)
        if found := [*uncomposed, *job_problems(composed, self.lake)]:
            return found
        return make_plan(expanded(composed, self.lake).jobs, self.dataset_of, {})[1]


def rows_of_jobs(store: Store, several: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """Return the rows of the candidates of jobs, by the ids of their runs; over several datasets, pooled."""
    alone = rows_of_runs(store, [run_ids[0] for run_ids in several if len(run_ids) == 1])
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {
        run_ids: alone[run_ids[0]] for run_ids in several if len(run_ids) == 1
    }
    pooled = {run_id for run_ids in several if len(run_ids) > 1 for run_id in run_ids}
    if not pooled:
        return found
    mine = restricted(read_ledger(store), lambda trial: not pooled.isdisjoint(trial.run_ids))
    ranking = [each for each in mine if each.choosing]
    by_run: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for candidate, judgement in zip(ranking, judged(ranking), strict=True):
        row = {
            "candidate_id": candidate.candidate_id,
            "threshold_label": candidate.first.threshold_label,
            "lacks": "; ".join(map(str, judgement.lacks)),
            **dataclasses.asdict(judgement.figures),
        }
        for run_id in candidate.run_ids:
            by_run[run_id].append(row)
    # Candidates of a job are those of any of its runs on a dataset that trains.
    return found | {
        run_ids: next((by_run[run_id] for run_id in run_ids if by_run[run_id]), [])
        for run_ids in several
        if len(run_ids) > 1
    }


def launch_search(
    hydra: HydraFunctions,
    master: DictConfig,
    space: SearchSpace,
    chosen: SearchSettings,
    problems: Sequence[str],
    *,
    engine: Engine | None,
) -> float | None:
    """Carry out a search, rank its candidates, and print them.

    Args:
        hydra: what composing needs of Hydra.
        master: the configuration without the overrides of any job.
        space: what is searched.
        chosen: how.
        problems: what is known to be wrong.
        engine: carries out runs in other processes; None: this one does.

    Returns: the best value that was found, ticks.

    Raises ConfigError, before any work, with everything that is wrong; CampaignError in the end where runs failed.
    """
    command = command_of(master, RunCommand)
    tracking: TrackingParameters = instance(master.tracking, "tracking")
    lake, words = lake_of(command), list(master.hydra.overrides.task)
    settings = run_settings(command, store_in(lake.root), Labels(tracking.experiment_name))
    check_version(settings.store)
    known = [*ranges.problems(command), *ranges.problems(tracking, "tracking."), *problems]
    refuse_all(known or _wrong_alone(space, hydra, lake))
    name = command.campaign or default_name(tracking, [repr(space), repr(chosen)])
    named = replace(settings, labels=Labels(tracking.experiment_name, name, dict(tracking.tags)))
    progress = CampaignProgress(chosen.n_trials)
    # The name is checked before anything is done.
    campaign = PlannedCampaign(name, CampaignPlan((), (), frozenset()), named, lake, tracking, command.json)
    with campaign_progress(progress) as report:
        batches = _Batches(hydra, lake, named, chosen, words, engine, dataset_finder(lake), progress, report)
        trials = search(space, chosen, batches.evaluate)
    _conclude(replace(campaign, plan=batches.plan), progress)
    _print_summary(trials, batches, chosen, as_json=command.json)
    print_doubts(run.spec.dataset for run in batches.plan.runs)
    tidy(named.store)
    progress.total = len(batches.runs) - len(batches.done)
    refuse_failures(progress)
    return max(trial.value for trial in trials)


def _wrong_alone(space: SearchSpace, hydra: HydraFunctions, lake: Lake) -> list[str]:
    """Return what is wrong with values of a space whatever stands beside them: keys, types, ranges, datasets."""
    composed, uncomposed = compose_jobs(space.samples(), hydra)
    return [*uncomposed, *job_problems(composed, lake)]


def _conclude(campaign: PlannedCampaign, progress: CampaignProgress) -> None:
    """Rank a search's candidates within the whole ledger, track its runs, and print them."""
    ids = {run_id for run_id, _, _ in progress.failures}
    finished = replace(campaign.plan, done=frozenset(run_id for run_id in campaign.plan.ids if run_id not in ids))
    whole = replace(campaign, plan=finished)
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(TrackingProcess()) if needs_tracking(whole) else None
        with campaign_tracking(whole, progress, process) as tracked:
            conclude(campaign, progress, tracked)


def _print_summary(trials: Sequence[ProposedRun], batches: _Batches, chosen: SearchSettings, *, as_json: bool) -> None:
    """Print the result of a search and how its best candidate can be judged: on standard error beside JSON."""
    best = max(trials, key=lambda trial: trial.value)
    file = sys.stderr if as_json else sys.stdout
    n_batches = -(-len(trials) // chosen.batch_size)
    print(
        f"search: {len(trials):,} trials in {n_batches:,} batches by {chosen.sampler}, seed {chosen.seed}; "
        f"{len(batches.runs):,} distinct runs, {len(batches.refused):,} combinations of values refused",
        file=file,
    )
    run_ids = batches.runs_of.get(best.overrides, ())
    found = chosen.best_of(rows_of_jobs(batches.settings.store, [run_ids])[run_ids] if run_ids else [])
    told = "its runs were chosen by looking at results: they get no p adj. and cannot win the ranking"
    if found is None or best.value <= chosen.unrankable_ticks:
        print(f"none of its runs can be ranked\n{told}", file=file)
        return
    print(
        f"best {chosen.objective}: {best.value:.3f} ticks: candidate {found['candidate_id']} "
        f"(at {found['threshold_label']}): {' '.join(best.overrides)}",
        file=file,
    )
    elsewhere = (
        "" if batches.lake.root == Path(os.environ.get("VPHARNESS_LAKE", "lake")) else f"lake={batches.lake.root} "
    )
    print(
        f"{told}; judge the best by its test part, which is counted: python -m vpharness compare {elsewhere}"
        f"candidate={found['candidate_id']} show_test=true; or by walk-forward over days kept for it",
        file=file,
    )
