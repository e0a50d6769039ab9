"""Execution of a plan: group by group, with results written in batches so that a kill costs a second at most."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from vpharness.campaigns.campaign_plan import Group, PlannedRun
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.execute import RunFailure, RunOutcome, execute_many
from vpharness.campaigns.mlflow_runs import tracked_run
from vpharness.campaigns.run_folder import folder_of, sweep_run_folders, write_run_folder, writing_run_folders
from vpharness.campaigns.saving import candidate_rows, save
from vpharness.execution.order_table import keep_latencies
from vpharness.results.audits import AuditKey, AuditRecord, audits_of
from vpharness.results.store import Store, check_writable
from vpharness.results.table_schemas import Labels
from vpharness.results.tracked_run import TrackedRun

FLUSH_SECONDS: Final = 1.0
"""How long a finished run may wait before it is written: what a kill can cost."""
STOP: Final = "stop"
CONTINUE: Final = "continue"


@dataclass(frozen=True)
class RunnerSettings:
    """The settings that all runs of a campaign share.

    Attributes:
        store: where results go.
        outputs: where run folders go.
        labels: what the runs are called.
        save_series: whether scores are kept.
        on_error: whether a failure stops the campaign: "stop" or "continue".
        memory_mb: what the runs on one dataset may keep of what they share, in 2^20 bytes.
    """

    store: Store
    outputs: Path
    labels: Labels
    save_series: bool
    on_error: str
    memory_mb: int


@dataclass
class CampaignProgress:
    """The progress of a campaign: one object, updated as its runs finish.

    Attributes:
        total: runs to be carried out.
        done: runs that are, failed ones included.
        failures: (run id, overrides, error) of the runs that failed.
        best_low: the highest lower end of a net interval so far, ticks, and `best` what has it.
        fits: fits of learned signals to be carried out, and `fitted` how many of them are.
    """

    total: int
    done: int = 0
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    best_low: float = -math.inf
    best: str = ""
    begun: float = field(default_factory=time.monotonic)
    fits: int = 0
    fitted: int = 0

    def add(self, run_id: str, words: str, finished: RunOutcome | RunFailure) -> None:
        """Count a finished run."""
        self.done += 1
        if isinstance(finished, RunFailure):
            self.failures.append((run_id, words, str(finished.error)))
            return
        for candidate in finished.candidates:
            judgement = candidate.judgement
            if judgement is None:
                continue
            low = judgement.figures.net_pnl_ticks_low
            if not judgement.lacks and low > self.best_low:
                self.best_low, self.best = low, f"{finished.spec.signal.name} at {candidate.label}"


ReportProgress = Callable[[CampaignProgress], None]
TrackRuns = Callable[[Sequence[TrackedRun]], None]
"""Called with runs that have just been written to the store."""


def run_groups(
    groups: Sequence[Group],
    settings: RunnerSettings,
    progress: CampaignProgress,
    report: ReportProgress,
    track: TrackRuns | None = None,
) -> None:
    """Execute groups one after the other, counting each finished run in `progress`.

    A run that fails is a row with its error; with on_error="stop" no other is begun after it. Where the work is
    interrupted, what is finished is written before the interruption goes on.

    Raises ResultsError, before any work, where results cannot be written, and DatasetError where a dataset cannot be
    read.
    """
    if groups:
        check_writable(settings.store)
        sweep_run_folders(settings.outputs)
    audits = audits_of(settings.store) if groups else {}
    cache: DatasetCache | None = None
    for group in groups:
        if cache is None or cache.dataset.path != group.dataset.path:
            cache = DatasetCache.of(group.dataset, settings.memory_mb)
            cache.prepare(group.columns)
        _run_group(group, cache, audits, settings, progress, report, track)
        if progress.failures and settings.on_error == STOP:
            return


def _run_group(
    group: Group,
    cache: DatasetCache,
    audits: Mapping[AuditKey, AuditRecord],
    settings: RunnerSettings,
    progress: CampaignProgress,
    report: ReportProgress,
    track: TrackRuns | None,
) -> None:
    by_id = {run.spec.run_id: run for run in group.runs}
    for path, digest in {(run.spec.evaluation.latency_path, run.spec.resolved.latency_digest) for run in group.runs}:
        if path is not None:
            keep_latencies(cache.dataset, path, digest)
    cache.report_fit = partial(_count_fit, progress, report)
    batch: list[RunOutcome | RunFailure] = []
    written, limit = time.monotonic(), max(1, cache.memory_bytes // 4 // (8 * cache.view.n_bins))
    try:
        for finished in execute_many([run.spec for run in group.runs], cache, audits):
            batch.append(finished)
            run_id = finished.spec.run_id
            progress.add(run_id, " ".join(by_id[run_id].job.words), finished)
            report(progress)
            if len(batch) >= limit or time.monotonic() - written >= FLUSH_SECONDS:
                _write(batch, by_id, settings, track)
                batch, written = [], time.monotonic()
            if isinstance(finished, RunFailure) and settings.on_error == STOP:
                return
    finally:
        _write(batch, by_id, settings, track)


def _count_fit(progress: CampaignProgress, report: ReportProgress, done: int, total: int) -> None:
    """Count a fit of a run: its first one adds all that the run needs."""
    progress.fits += total if done == 1 else 0
    progress.fitted += 1
    report(progress)


def _write(
    batch: Sequence[RunOutcome | RunFailure],
    by_id: dict[str, PlannedRun],
    settings: RunnerSettings,
    track: TrackRuns | None,
) -> None:
    """Write the folders of finished runs, then their rows: a run that the store has is there whole."""
    outcomes = [finished for finished in batch if isinstance(finished, RunOutcome)]
    with writing_run_folders(settings.outputs):
        for outcome in outcomes:
            folder = folder_of(settings.outputs, outcome.spec.run_id)
            write_run_folder(outcome, by_id[outcome.spec.run_id].job, folder, save_series=settings.save_series)
    new = [outcome.audited for outcome in outcomes if outcome.audited is not None and outcome.is_audit_new]
    unstored = [each for each in batch if not by_id[each.spec.run_id].stored]
    save(settings.store, unstored, settings.labels, new)
    if track is None:
        return
    campaign = settings.labels.campaign
    track(
        [
            tracked_run(
                outcome.spec,
                by_id[outcome.spec.run_id].job,
                candidate_rows(outcome),
                folder_of(settings.outputs, outcome.spec.run_id),
                campaign,
            )
            for outcome in outcomes
        ]
    )
