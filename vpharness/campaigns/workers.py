"""Execution of a plan in other processes or on other machines, one group at a time each; results meet in the store.

A group (dataset, signal, runs) is all that a process is given. One that sees the lake reads and writes there itself;
one that does not is sent the dataset's files, and sends its results back (see `travel`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vpharness.campaigns.campaign_plan import Group
from vpharness.campaigns.execute import RunFailure
from vpharness.campaigns.fits import FitProgress, fit_side_by_side, fit_tasks
from vpharness.campaigns.runner import STOP, CampaignProgress, ReportProgress, RunnerSettings, TrackRuns, run_groups
from vpharness.campaigns.saving import save
from vpharness.campaigns.travel import (
    GroupResults,
    dataset_parcel,
    known_audits,
    latencies_of,
    progress_emitter,
    require_same_ids,
    run_group_elsewhere,
    store_results,
)
from vpharness.engines.calls import Allotment, Call, Emit, Engine, Work
from vpharness.errors import CampaignError
from vpharness.results.audits import AuditKey, AuditRecord, audits_of
from vpharness.results.table_schemas import finished_runs
from vpharness.results.tracked_run import TrackedRun

_PROCESS_BYTES: Final = 600 * 10**6
"""Python, JAX with a compiled signal, and Arrow; see tests/benchmarks/RESULTS.md."""
_BYTES_A_BIN_AND_RUN: Final = 64
_MEGABYTE: Final = 2**20


def run_groups_on(
    engine: Engine,
    groups: Sequence[Group],
    settings: RunnerSettings,
    progress: CampaignProgress,
    report: ReportProgress,
    track: TrackRuns | None,
) -> None:
    """Execute groups as `run_groups` does, on an engine.

    Where a process dies, the group that it carried out is tried again, for what the store does not have of it yet; a
    group whose process dies again fails, and the others go on.

    Args:
        engine: what carries them out.
        groups: the work.
        settings: the same for all of them.
        progress: counts the finished runs.
        report: is called as progress goes on, in one thread at a time.
        track: is called, likewise, with runs that are in the store.
    """
    tasks = fit_tasks([run for group in groups for run in group.runs])

    def fitted(now: FitProgress) -> None:
        progress.fits, progress.fitted = now.total, now.done
        report(progress)

    if tasks:
        # Groups are by signal and dataset: fits of one group would otherwise follow one another in one process.
        fit_side_by_side(engine, tasks, fitted)
        progress.fits = progress.fitted  # what could not be fitted is left to the runs
    follower = GroupFollower(groups, settings, progress, report, track, engine.allotment)
    engine.carry_out([follower.work_of(group) for group in groups], follower)


@dataclass
class GroupFollower:
    """The follower of groups: it adds up their progress, and stores what processes that do not see the lake send.

    Attributes:
        groups: the work, whose places are those of the engine's works.
        settings: the same for all of them.
        progress: of the whole campaign.
        allotment: what each group is given.
    """

    groups: Sequence[Group]
    settings: RunnerSettings
    progress: CampaignProgress
    report: ReportProgress
    track: TrackRuns | None
    allotment: Allotment
    _audits: Mapping[AuditKey, AuditRecord] = field(init=False)
    _before: dict[int, CampaignProgress] = field(default_factory=dict)  # of each place's present attempt
    _runs: dict[int, int] = field(default_factory=dict)  # how many it was given

    def __post_init__(self) -> None:
        """Read the audits that there are."""
        self._audits = audits_of(self.settings.store)

    def work_of(self, group: Group) -> Work:
        """Return a group as an engine's work."""
        ids = tuple(run.spec.run_id for run in group.runs)
        memory, travel = self.allotment.memory_bytes, self.allotment.travel_bytes
        return Work(
            Call(run_group_here, (group, ids, self.settings)),
            folders=(self.settings.store.root, self.settings.outputs),
            elsewhere=Call(run_group_elsewhere, (group, ids, self.settings, known_audits(group, self._audits))),
            parcel=dataset_parcel(group.dataset, travel, latencies_of(group)),
            cpus=self.allotment.cpus,
            memory_bytes=group_bytes(group, self.settings.memory_mb) if memory is None else memory,
        )

    def begun(self, place: int) -> None:
        """Count the runs of a group from the beginning."""
        self._before.pop(place, None)

    def emitted(self, place: int, value: Any) -> None:
        """Take a group's progress, its runs that are in the store, or its results from a machine that has no store."""
        if isinstance(value, CampaignProgress):
            self._add(place, value)
        elif isinstance(value, GroupResults):
            tracked = store_results(value, self.groups[place], self.settings)
            if self.track is not None:
                self.track(tracked)
        elif self.track is not None:
            self.track(value)

    def ended(self, place: int, value: Any) -> None:
        """Do nothing: what a group has come to has been reported."""

    def rest(self, place: int) -> Work | None:
        """Return the runs of a group that are neither stored nor failed."""
        left = self._left(place)
        # What was reported of runs that are not stored is withdrawn, and what is stored counts whoever reported it.
        given = self._runs.get(place, len(self.groups[place].runs))
        self.progress.done += given - len(left.runs) - self._before.pop(place, CampaignProgress(0)).done
        self._runs[place] = len(left.runs)
        return self.work_of(left) if left.runs else None

    def _left(self, place: int) -> Group:
        finished = finished_runs(self.settings.store) | {run_id for run_id, _, _ in self.progress.failures}
        group = self.groups[place]
        return replace(group, runs=tuple(run for run in group.runs if run.spec.run_id not in finished))

    def lost(self, place: int, why: str) -> None:
        """Record the runs of a group as failed, since its process died each time."""
        group, error = self._left(place), CampaignError(why)
        save(self.settings.store, [RunFailure(run.spec, error) for run in group.runs], self.settings.labels)
        failures = [(run.spec.run_id, " ".join(run.job.words), str(error)) for run in group.runs]
        self.begun(place)
        self._add(place, CampaignProgress(len(failures), len(failures), failures))

    def stopped(self) -> bool:
        """Whether a run has failed, and that is to stop the campaign."""
        return self.settings.on_error == STOP and bool(self.progress.failures)

    def _add(self, place: int, now: CampaignProgress) -> None:
        before = self._before.get(place, CampaignProgress(0))
        self.progress.done += now.done - before.done
        self.progress.failures += now.failures[len(before.failures) :]
        if now.best_low > self.progress.best_low:
            self.progress.best_low, self.progress.best = now.best_low, now.best
        self._before[place] = now
        self.report(self.progress)


def run_group_here(group: Group, ids: Sequence[str], settings: RunnerSettings, emit: Emit) -> None:
    """Execute one group in a process that sees the lake; `ids` are those of its runs."""
    require_same_ids(group, ids)

    def track(runs: Sequence[TrackedRun]) -> None:
        emit(tuple(runs))

    run_groups([group], settings, CampaignProgress(len(group.runs)), progress_emitter(emit), track)


def group_bytes(group: Group, memory_mb: int) -> int:
    """Return about how much memory executing a group takes.

    That is a process, its columns once and again while they are computed, and what its runs share: series and outcomes
    of each bin, which `memory_mb` limits.
    """
    manifest = group.dataset.manifest
    column = 8 * manifest.bins * manifest.cells
    columns = max(1, len(group.runs[0].spec.signal.columns)) * column
    shared = columns + _BYTES_A_BIN_AND_RUN * manifest.bins * len(group.runs)
    return _PROCESS_BYTES + 2 * column + min(shared, memory_mb * _MEGABYTE)
