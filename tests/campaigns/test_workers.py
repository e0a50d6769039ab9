"""What is tried again where a process dies: only what is not there."""

import queue
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vpharness.campaigns import workers
from vpharness.campaigns.campaign_plan import Group
from vpharness.campaigns.runner import CampaignProgress, RunnerSettings
from vpharness.engines import joblib_engine
from vpharness.engines.calls import Allotment, Call, Work
from vpharness.results.store import Store
from vpharness.results.table_schemas import Labels

GROUPS = {0: ("a", "b"), 1: ("c", "d"), 2: ("e",)}


class Engine:
    """Stands for the processes: notes what they are given, saves runs, and leaves messages.

    Attributes:
        stored: the ids of the runs that are in the store.
        tried: the ids of the runs of each group, for each attempt.
    """

    def __init__(self, first: dict[int, tuple[str, ...]], said: list[tuple[str, int, Any]]) -> None:
        self._first, self._said = first, said
        self.stored: set[str] = set()
        self.tried: list[dict[int, tuple[str, ...]]] = []

    def attempt(self, calls: dict[int, Call], inbox: joblib_engine.Inbox, _processes: int) -> bool:
        """Save what the first attempt comes to, and die of it; save everything that is asked for later."""
        groups: dict[int, Group] = {place: call.arguments[0] for place, call in calls.items()}
        self.tried.append({place: tuple(run.spec.run_id for run in group.runs) for place, group in groups.items()})
        if len(self.tried) == 1:
            self.stored |= {run_id for ids in self._first.values() for run_id in ids}
            for message in self._said:
                inbox.put(message)
            return True
        self.stored |= {run_id for ids in self.tried[-1].values() for run_id in ids}
        for place in groups:
            inbox.put(("begun", place, None))
            inbox.put(("ended", place, None))
        return False


class Follower(workers.GroupFollower):
    """A follower of groups that consist of nothing but the ids of their runs."""

    def work_of(self, group: Group) -> Work:
        """Return a work that nobody carries out."""
        return Work(Call(print, (group,)))


def follower_of(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Follower:
    """Return a follower of the groups, in a store that an engine stands for."""
    monkeypatch.setattr(workers, "finished_runs", lambda _store: set(engine.stored))
    monkeypatch.setattr(workers, "audits_of", lambda _store: {})
    runs = {
        place: [SimpleNamespace(spec=SimpleNamespace(run_id=each)) for each in ids] for place, ids in GROUPS.items()
    }
    groups: list[Any] = [Group(SimpleNamespace(), "", tuple(each)) for each in runs.values()]  # type: ignore[arg-type]
    settings = RunnerSettings(Store(Path()), Path(), Labels(), False, "continue", 64)
    return Follower(groups, settings, CampaignProgress(5), lambda _: None, None, Allotment())


def carried_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> CampaignProgress:
    """Carry out the groups with an engine."""
    monkeypatch.setattr(joblib_engine, "_attempt", engine.attempt)
    follower = follower_of(engine, monkeypatch)
    inbox: queue.Queue[Any] = queue.Queue()
    listener = joblib_engine.Listener(follower)
    thread = threading.Thread(target=listener.follow, args=(inbox.get,))
    thread.start()
    joblib_engine.run_all([follower.work_of(group) for group in follower.groups], inbox, listener, 2)
    inbox.put(("close", 0, None))
    thread.join(10)
    return follower.progress


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ({}, []),
        ({0: ("a", "b")}, []),
        ({0: ("a", "b")}, [("begun", 0, None)]),
        ({0: ("a", "b")}, [("begun", 0, None), ("ended", 0, None)]),
        ({0: ("a", "b"), 1: ("c",)}, [("begun", 0, None), ("begun", 1, None)]),
        ({0: ("a", "b"), 1: ("c",), 2: ("e",)}, [("begun", 1, None)]),
        ({0: ("a",), 2: ("e",)}, [("begun", 2, None), ("ended", 2, None), ("begun", 0, None)]),
    ],
)
def test_no_run_that_is_in_the_store_runs_again(
    first: dict[int, tuple[str, ...]], said: list[tuple[str, int, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the process that stored it came to say so, or died before; and every other run is carried out once."""
    engine = Engine(first, said)
    carried_out(engine, monkeypatch)
    later = [run_id for attempt in engine.tried[1:] for ids in attempt.values() for run_id in ids]
    before = {run_id for ids in first.values() for run_id in ids}
    assert sorted(later) == sorted({run_id for ids in GROUPS.values() for run_id in ids} - before)


def test_a_run_that_failed_is_not_tried_again_by_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a row with its error already."""
    progress = CampaignProgress(2, 1, [("a", "words", "error")])
    engine = Engine({0: ("b",)}, [("begun", 0, None), ("emitted", 0, progress)])
    found = carried_out(engine, monkeypatch)
    assert engine.tried[1:] == [{1: ("c", "d"), 2: ("e",)}]
    assert found.failures == [("a", "words", "error")]


def test_what_is_done_is_counted_once_however_often_a_group_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a process reported runs that it did not come to store, or stored runs that it did not come to report."""
    engine = Engine({}, [])
    follower = follower_of(engine, monkeypatch)
    follower.begun(0)
    follower.emitted(0, CampaignProgress(2, 2))
    assert follower.rest(0) is not None
    assert follower.progress.done == 0
    follower.begun(0)
    follower.emitted(0, CampaignProgress(2, 1))
    engine.stored |= {"a", "b"}
    assert follower.rest(0) is None
    assert follower.rest(0) is None
    assert follower.progress.done == 2


def test_a_listener_that_ended_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where what it tells of progress fails."""
    inbox: queue.Queue[Any] = queue.Queue()
    listener = joblib_engine.Listener(follower_of(Engine({}, []), monkeypatch))
    inbox.put(("close", 0, None))
    listener.follow(inbox.get)
    listener.catch_up(inbox)
