"""What a process does with a call that it is sent."""

import contextlib
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vpharness.engines import call_worker
from vpharness.engines.call_worker import Event, Kind, marked, packed, perform
from vpharness.engines.calls import Call, Emit, Work
from vpharness.errors import DatasetError, EngineError


def doubled(number: int, emit: Emit) -> int:
    """Report a number, and return its double."""
    emit(number)
    return 2 * number


def tripled(number: int, parcel: str, emit: Emit) -> str:
    """Do the work of `doubled` in another way."""
    emit(parcel)
    return parcel * number


class OddError(Exception):
    """An error that cannot be pickled as it is."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def failing(kind: type[Exception], *arguments: Any) -> None:
    """Fail."""
    raise kind(*arguments[:-1])


@pytest.fixture(autouse=True)
def process(tmp_path: Path) -> Iterator[None]:
    """Let this process be one of an engine's, and put back what it takes over."""
    path = list(sys.path)
    with contextlib.chdir(tmp_path):
        yield
    sys.path[:] = path


def events_of(work: Work, parcel: Any = None, *, seen: bool = True) -> list[Event]:
    """Return what a work comes to, in a process that sees its folders or does not."""
    found = list[Event]()
    with marked([work]) as markers:
        content = packed(work, markers)
        if not seen:
            for folder in work.folders:
                (folder / markers.name).write_text("another lake's", encoding="utf-8")
        perform(content, None if parcel is None else lambda: parcel, found.append)
    return found


LAKE = (Path("lake"),)


def test_a_call_is_carried_out_and_what_it_reports_is_sent() -> None:
    """In the order in which it happens."""
    found = events_of(Work(Call(doubled, (21,)), LAKE))
    assert found == [Event(Kind.BEGUN), Event(Kind.EMITTED, 21), Event(Kind.ENDED, 42)]
    assert list(Path("lake").iterdir()) == [], "no marker is left"


def test_a_process_that_finds_other_files_touches_none() -> None:
    """It does what is to be done elsewhere, with the parcel; without one it says that it does not see them."""
    work = Work(Call(doubled, (2,)), LAKE, elsewhere=Call(tripled, (3,)))
    assert [event.kind for event in events_of(work, seen=False)] == [Kind.UNSEEN]
    assert events_of(work, "ab", seen=False)[-1] == Event(Kind.ENDED, "ababab")
    assert events_of(work, "ab")[-1] == Event(Kind.ENDED, 4), "where it sees them it needs no parcel"


def test_a_process_without_the_senders_folder_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths would mean something else there."""
    work = Work(Call(doubled, (2,)), LAKE)
    with marked([work]) as markers, monkeypatch.context() as patch:
        patch.setattr(os, "chdir", _gone)
        found = list[Event]()
        perform(packed(work, markers), None, found.append)
    assert [event.kind for event in found] == [Kind.UNSEEN]


def _gone(_folder: str) -> None:
    raise FileNotFoundError


def test_what_a_call_raises_is_sent_as_it_is_where_that_can_be_pickled() -> None:
    """Another error says the same in one line."""
    (_, raised) = events_of(Work(Call(failing, (DatasetError, "dataset a is damaged"))))
    assert isinstance(raised.value, DatasetError)
    (_, raised) = events_of(Work(Call(failing, (OddError, "two", "parts"))))
    assert isinstance(raised.value, EngineError)
    assert str(raised.value) == "OddError: two parts"


def test_a_process_with_other_sources_refuses_to_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its results would not be the same."""
    work = Work(Call(doubled, (2,)), LAKE)
    with marked([work]) as markers:
        content, found = packed(work, markers), list[Event]()
        monkeypatch.setattr(call_worker, "sources_digest", lambda: "another")
        perform(content, None, found.append)
    assert "has another version of vpharness" in str(found[0].value)


def test_a_process_that_lacks_a_module_says_so() -> None:
    """As one where the module of a user's own signal is not installed."""
    work = Work(Call(doubled, (2,)))
    with marked([work]) as markers:
        sender, *rest = pickle.loads(packed(work, markers))  # noqa: S301  # our own bytes
        rest[2] = rest[2].replace(b"tests.engines.test_call_worker", b"tests.engines.absent_from_here")
        found = list[Event]()
        perform(pickle.dumps((sender, *rest)), None, found.append)
    assert "cannot import what the work needs: No module named 'tests.engines.absent_from_here'" in str(found[0].value)
