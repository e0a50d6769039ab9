"""The command `plan`: the runs of a multirun, which of them are done, and the cost of the rest."""

import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpharness.campaigns.campaign_plan import CampaignPlan, Job, PlannedRun, Variant
from vpharness.campaigns.fits import fit_tasks
from vpharness.commands.text.progress_display import expected_span_ns
from vpharness.compiled import is_code_kept
from vpharness.results.session_names import with_session
from vpharness.results.store import META, Store, read

SCORE_BYTES_A_BIN: Final = 12
_KNOWN_ONCE_BUILT: Final = ("done_already", "distinct_scores", "candidates")
_MEGABYTES: Final = "megabytes_of_scores"
_UNKNOWN: Final = "unknown until the dataset is built"

# Measured on two quiet cores, see tests/benchmarks/RESULTS.md; they are less where much else goes on.
COMMAND_SECONDS: Final = 9.0
"""What a command takes beside its runs: importing, ranking, drawing, tracking."""
COMPILE_SECONDS: Final = 8.0
"""What the first run of a signal takes beyond the others."""
COMPILE_LATTICE_SECONDS: Final = 30.0
"""What compiling the lattice engine takes, once."""
RUN_SECONDS_A_BIN: Final = 4e-7
"""A run of a signal that has been compiled: 192 of them on 35,995 bins take 2.8 s."""
BUILD_SECONDS_A_BIN: Final = 1.7e-4
"""Simulating a bin of a market and closing it."""
Speeds = Mapping[str, Sequence[float]]
"""For each signal, the seconds a bin of those of its runs that are in the store."""


@dataclass(frozen=True)
class Estimate:
    """How long a plan would take.

    Attributes:
        minutes: the time; None where the size of a dataset that is to be built is not known.
        basis: what it is worked out from.
        fits: how many fits of learned signals are to be done.
        fit_minutes: the part of the time that they take on one core; None where a model was never measured.
    """

    minutes: float | None
    basis: str
    fits: int = 0
    fit_minutes: float | None = 0.0


def measured_speeds(store: Store) -> Speeds:
    """Return the speeds of the runs that a store has."""
    speeds: dict[str, list[float]] = defaultdict(list)
    for row in read(store, META, ["signal", "status", "seconds", "bins"]):
        if row["status"] == "done" and row["bins"] and row["seconds"]:
            speeds[row["signal"]].append(row["seconds"] / row["bins"])
    return dict(speeds)


def estimate(plan: CampaignPlan, waiting: Sequence[Job], unbuilt: Sequence[Variant], measured: Speeds) -> Estimate:
    """Return how long a plan would take: from measured runs of its signals where there are any, else from constants.

    Args:
        plan: the runs on datasets that are there.
        waiting: the jobs on datasets that are not built yet.
        unbuilt: those datasets.
        measured: how fast runs were before.
    """
    remaining = plan.remaining
    if not remaining and not waiting:
        return Estimate(0.0, "nothing is left to run")
    n_measured = sum(len(measured.get(name, ())) for name in {run.spec.signal.name for run in remaining})
    basis = (
        f"estimated from {n_measured:,} runs of before" if n_measured else "a rough estimate: no run of it is measured"
    )
    to_build = [_bins_of(variant) for variant in unbuilt]
    if None in to_build:
        return Estimate(None, basis)
    bins = sum(each for each in to_build if each)
    signals = len(_signals_of(remaining, waiting))
    seconds = COMMAND_SECONDS + COMPILE_SECONDS * signals + bins * BUILD_SECONDS_A_BIN
    seconds += COMPILE_LATTICE_SECONDS if unbuilt and not is_code_kept("lattice.bins") else 0
    seconds += len(waiting) * RUN_SECONDS_A_BIN * bins / max(len(unbuilt), 1)
    seconds += sum(_speed(measured.get(run.spec.signal.name, ())) * run.spec.dataset.manifest.bins for run in remaining)
    tasks = fit_tasks(remaining)
    fits, fit_minutes = sum(len(task.rows) for task in tasks), _minutes_of([task.seconds for task in tasks])
    # What was measured of runs that fitted holds their fits already; a model that was never measured adds nothing.
    unmeasured = [task.seconds for task in tasks if task.signal.name not in measured]
    seconds += sum(each for each in unmeasured if each is not None)
    return Estimate(seconds / 60, basis, fits, fit_minutes)


def _minutes_of(seconds: Sequence[float | None]) -> float | None:
    return None if None in seconds else sum(each for each in seconds if each is not None) / 60


def _speed(measured: Sequence[float]) -> float:
    """Return the seconds a bin of a run: where few were measured, the one that was compiled first does not count."""
    return statistics.median_low(sorted(measured)[: max(1, len(measured) - 1)]) if measured else RUN_SECONDS_A_BIN


def _bins_of(variant: Variant) -> int | None:
    """Return how many bins a dataset will have; None where that is known only once it is built."""
    span_ns = expected_span_ns(variant.source, variant.start_ns, variant.end_ns)
    return None if span_ns is None else math.ceil(span_ns / (variant.lattice.cell_width_ms * 1e6))


def print_plan(
    plan: CampaignPlan,
    waiting: Sequence[Job],
    unbuilt: Sequence[Variant],
    measured: Speeds,
    *,
    sessions: Mapping[str, str],
    as_json: bool,
) -> None:
    """Print the runs of a plan, which of them are done, and the cost of the rest.

    What depends on datasets that are not built yet is unknown (null in JSON) where there are no others, and of the
    others alone where there are some.

    Args:
        plan: the runs on datasets that are there.
        waiting: the jobs on datasets that are not built yet.
        unbuilt: those datasets.
        measured: how fast runs were before.
        sessions: the names of datasets' sessions, by id.
        as_json: print JSON instead of text.
    """
    facts, time = _facts(plan, waiting, unbuilt), estimate(plan, waiting, unbuilt, measured)
    if as_json:
        runs = []
        for run in plan.runs:
            session = sessions.get(run.spec.dataset.manifest.dataset_id)
            runs.append({"run_id": run.spec.run_id, "words": run.job.words, "session": session})
        facts |= {"estimated_minutes": time.minutes, "estimated_from": time.basis}
        facts |= {"fits": time.fits, "estimated_fit_minutes": time.fit_minutes}
        print(json.dumps({**facts, "runs": runs}, indent=1))
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        text = _UNKNOWN if value is None else f"{value:,}"
        if waiting and value is not None and name in (*_KNOWN_ONCE_BUILT, _MEGABYTES):
            text += ", and those on datasets that are not built yet"
        print(f"{name.replace('_', ' '):<{width}}  {text}")
    print(f"{'minutes':<{width}}  {_minutes_text(time.minutes)} ({time.basis})")
    if time.fits:
        minutes = (
            "unknown: its model was never measured" if time.fit_minutes is None else _minutes_text(time.fit_minutes)
        )
        print(f"{'fits':<{width}}  {time.fits:,} of learned signals; minutes of one core: {minutes}")
    by_group = Counter(
        (group.dataset.manifest.dataset_id, group.runs[0].spec.signal.name, len(group.runs)) for group in plan.groups()
    )
    for dataset_id, name, runs_of_group in by_group:
        runs_text = f"{runs_of_group:,} run{'' if runs_of_group == 1 else 's'}"
        print(f"  {runs_text} of {name} on {with_session(dataset_id, sessions)}")


def _minutes_text(minutes: float | None) -> str:
    if minutes is None:
        return _UNKNOWN
    return "0" if not minutes else "less than 1" if minutes < 1 else f"about {minutes:,.0f}"


def _signals_of(remaining: Sequence[PlannedRun], waiting: Sequence[Job]) -> set[str]:
    return {run.spec.signal_target for run in remaining} | {job.signal_target for job in waiting}


def _facts(plan: CampaignPlan, waiting: Sequence[Job], unbuilt: Sequence[Variant]) -> dict[str, Any]:
    remaining, groups = plan.remaining, plan.groups()
    distinct = [*{repr((job.data, job.signal_target, job.parameters, job.evaluation, job.split)) for job in waiting}]
    scores = {(run.spec.dataset.path, run.spec.score_key) for run in remaining}
    candidates = {candidate_id for run in plan.runs if not run.spec.is_test for candidate_id in run.spec.candidate_ids}
    bins = sum(run.spec.dataset.manifest.bins for run in remaining)
    facts: dict[str, Any] = {
        "jobs": len(plan.run_ids) + len(waiting),
        "distinct_runs": len(plan.runs) + len(distinct),
        "done_already": len(plan.done),
        "to_run": len(remaining) + len(distinct),
        "to_run_on_datasets_not_built_yet": len(distinct),
        "datasets_to_build": len(unbuilt),
        "datasets_to_read": len({group.dataset.path for group in groups}),
        "signals_to_compile": len(_signals_of(remaining, waiting)),
        "distinct_scores": len(scores),
        "candidates": len(candidates),
        _MEGABYTES: round(bins * SCORE_BYTES_A_BIN / 2**20, 1),
    }
    if waiting and not plan.runs:
        facts |= dict.fromkeys((*_KNOWN_ONCE_BUILT, _MEGABYTES))
    return facts
