"""Execution of a plan in several processes, one group at a time each; results meet in the store.

A group (dataset, signal, runs) is all that a process is given, so that another engine can hand groups to other machines
in the same way.
"""

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from joblib import Parallel, delayed

from vpharness.campaigns.execute import RunFailure
from vpharness.campaigns.plan import Group
from vpharness.campaigns.runner import STOP, CampaignProgress, ReportProgress, RunnerSettings, TrackRuns, run_groups
from vpharness.campaigns.saving import save
from vpharness.errors import CampaignError
from vpharness.results.table_schemas import finished_runs
from vpharness.results.tracked_run import TrackedRun

_BEGUN: Final = "begun"
_ENDED: Final = "ended"
_PROGRESS: Final = "progress"
_TRACK: Final = "track"
_CATCH_UP: Final = "catch up"
_CLOSE: Final = "close"


class Inbox(Protocol):
    """A queue of messages from worker processes."""

    def put(self, message: tuple[str, int, Any]) -> None:
        """Send a message: its kind, the place of the group, and its value."""


@dataclass
class _Listener:
    """The receiver of the workers' messages.

    Attributes:
        progress: of the whole campaign.
        begun, ended: the places of groups.
    """

    progress: CampaignProgress
    report: ReportProgress
    track: TrackRuns | None
    begun: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    _before: dict[int, CampaignProgress] = field(default_factory=dict)
    _caught_up: threading.Event = field(default_factory=threading.Event)
    _over: bool = False

    def follow(self, receive: Callable[[], tuple[str, int, Any]]) -> None:
        """Process messages until the queue is closed."""
        try:
            self._follow(receive)
        finally:
            self._over = True
            self._caught_up.set()

    def _follow(self, receive: Callable[[], tuple[str, int, Any]]) -> None:
        while True:
            what, place, value = receive()
            if what == _CLOSE:
                return
            if what == _TRACK and self.track is not None:
                self.track(value)
            elif what == _PROGRESS:
                self._add(place, value)
            elif what == _BEGUN:
                self.begun.add(place)
                self._before.pop(place, None)
            elif what == _ENDED:
                self.ended.add(place)
            elif what == _CATCH_UP:
                self._caught_up.set()

    def catch_up(self, inbox: Inbox) -> None:
        """Wait until every message sent so far has been processed."""
        self._caught_up.clear()
        inbox.put((_CATCH_UP, 0, None))
        if not self._over:
            self._caught_up.wait()

    def _add(self, place: int, now: CampaignProgress) -> None:
        before = self._before.get(place, CampaignProgress(0))
        self.progress.done += now.done - before.done
        self.progress.failures += now.failures[len(before.failures) :]
        if now.best_low > self.progress.best_low:
            self.progress.best_low, self.progress.best = now.best_low, now.best
        self._before[place] = now
        self.report(self.progress)


def run_groups_in_processes(
    groups: Sequence[Group],
    settings: RunnerSettings,
    progress: CampaignProgress,
    report: ReportProgress,
    track: TrackRuns | None,
    processes: int,
) -> None:
    """Execute groups as `run_groups` does, in several processes.

    Where a process dies, the groups that were being carried out are tried again, each alone, for what the store does
    not have of them yet; a group whose process dies again fails, and the others go on.

    Args:
        groups: the work.
        settings: the same for all of them.
        progress: counts the finished runs.
        report: is called, in a thread, as progress goes on.
        track: is called, in a thread, with runs that are in the store.
        processes: how many; -1: one for each core.
    """
    with multiprocessing.get_context("spawn").Manager() as manager:
        inbox = manager.Queue()
        listener = _Listener(progress, report, track)
        thread = threading.Thread(target=listener.follow, args=(inbox.get,))
        thread.start()
        try:
            _run_all(groups, settings, inbox, listener, processes)
        finally:
            inbox.put((_CLOSE, 0, None))
            thread.join()


def _run_all(
    groups: Sequence[Group], settings: RunnerSettings, inbox: Inbox, listener: _Listener, processes: int
) -> None:
    waiting = dict(enumerate(groups))
    while waiting and not _stopped(settings, listener.progress):
        died = _attempt(waiting, settings, inbox, processes)
        listener.catch_up(inbox)
        begun = listener.begun - listener.ended
        # A process may die before it says what it has begun: then it may have been any of them.
        suspects = (begun or set(waiting)) if died else set()
        for place in sorted(suspects):
            rest = _rest(groups[place], settings, listener.progress)
            if rest.runs and _attempt({place: rest}, settings, inbox, 1):
                listener.catch_up(inbox)
                _fail(_rest(groups[place], settings, listener.progress), settings, inbox, place)
            listener.ended.add(place)
        if not died:
            return
        unended = {place: groups[place] for place in waiting if place not in listener.ended}
        # A process that died after its group was in the store has not said so.
        rests = {place: _rest(group, settings, listener.progress) for place, group in unended.items()}
        waiting = {place: rest for place, rest in rests.items() if rest.runs}


def _attempt(groups: dict[int, Group], settings: RunnerSettings, inbox: Inbox, processes: int) -> bool:
    """Execute groups; return whether a worker process died."""
    try:
        calls = (delayed(_work)(place, group, settings, inbox) for place, group in groups.items())
        Parallel(n_jobs=processes, backend="loky", batch_size=1, pre_dispatch="all")(calls)
    except BrokenProcessPool:
        return True
    return False


def _work(place: int, group: Group, settings: RunnerSettings, inbox: Inbox) -> None:
    """Execute one group, in a worker process."""
    inbox.put((_BEGUN, place, None))

    def report(progress: CampaignProgress) -> None:
        inbox.put((_PROGRESS, place, replace(progress, failures=list(progress.failures))))

    def track(runs: Sequence[TrackedRun]) -> None:
        inbox.put((_TRACK, place, runs))

    run_groups([group], settings, CampaignProgress(len(group.runs)), report, track)
    inbox.put((_ENDED, place, None))


def _rest(group: Group, settings: RunnerSettings, progress: CampaignProgress) -> Group:
    """Return the runs of a group that are neither stored nor failed."""
    finished = finished_runs(settings.store) | {run_id for run_id, _, _ in progress.failures}
    return replace(group, runs=tuple(run for run in group.runs if run.spec.run_id not in finished))


def _fail(group: Group, settings: RunnerSettings, inbox: Inbox, place: int) -> None:
    """Record the runs of a group as failed, since its process died each time."""
    error = CampaignError("the process that carried it out died, twice; look for a lack of memory")
    failures = [RunFailure(run.spec, error) for run in group.runs]
    save(settings.store, failures, settings.labels)
    progress = CampaignProgress(len(failures), len(failures))
    progress.failures = [(run.spec.run_id, " ".join(run.job.words), str(error)) for run in group.runs]
    inbox.put((_BEGUN, place, None))
    inbox.put((_PROGRESS, place, progress))


def _stopped(settings: RunnerSettings, progress: CampaignProgress) -> bool:
    return settings.on_error == STOP and bool(progress.failures)
