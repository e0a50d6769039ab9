"""What is tried again where a process dies: only what is not there."""

import queue
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vpharness.campaigns import workers
from vpharness.campaigns.plan import Group
from vpharness.campaigns.runner import CampaignProgress, RunnerSettings
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

    def attempt(
        self, groups: dict[int, Group], _settings: RunnerSettings, inbox: workers.Inbox, _processes: int
    ) -> bool:
        """Save what the first attempt comes to, and die of it; save everything that is asked for later."""
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


def carried_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> CampaignProgress:
    """Carry out the groups with an engine."""
    monkeypatch.setattr(workers, "_attempt", engine.attempt)
    monkeypatch.setattr(workers, "finished_runs", lambda _store: set(engine.stored))
    runs = {
        place: [SimpleNamespace(spec=SimpleNamespace(run_id=each)) for each in ids] for place, ids in GROUPS.items()
    }
    groups: list[Any] = [Group(SimpleNamespace(), "", tuple(each)) for each in runs.values()]  # type: ignore[arg-type]
    settings = RunnerSettings(Store(Path()), Path(), Labels(), False, "continue", 64)
    inbox: queue.Queue[Any] = queue.Queue()
    listener = workers._Listener(CampaignProgress(5), lambda _: None, None)
    thread = threading.Thread(target=listener.follow, args=(inbox.get,))
    thread.start()
    workers._run_all(groups, settings, inbox, listener, 2)
    inbox.put(("close", 0, None))
    thread.join(10)
    return listener.progress


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
    engine = Engine({0: ("b",)}, [("begun", 0, None), ("progress", 0, progress)])
    found = carried_out(engine, monkeypatch)
    assert engine.tried[1:] == [{1: ("c", "d"), 2: ("e",)}]
    assert found.failures == [("a", "words", "error")]


def test_a_listener_that_ended_keeps_nobody_waiting() -> None:
    """As where what it tells of progress fails."""
    inbox: queue.Queue[Any] = queue.Queue()
    listener = workers._Listener(CampaignProgress(1), lambda _: None, None)
    inbox.put(("close", 0, None))
    listener.follow(inbox.get)
    listener.catch_up(inbox)
