"""The order of works on a cluster: room, deaths, machines that see no files, and stopping."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vpharness.engines.call_worker import Event, Kind
from vpharness.engines.calls import (
    Allotment,
    Call,
    Collected,
    Follower,
    Parcel,
    Work,
    call_values,
    carry_out_each,
)
from vpharness.engines.cluster_session import carry_out_on
from vpharness.errors import DatasetError, EngineError


def work(name: str, *, elsewhere: bool = False) -> Work:
    """Return a work that stands for a name."""
    call = Call(print, (name,))
    return Work(call, (Path("lake"),), call if elsewhere else None, Parcel(name, lambda: name))


@dataclass
class FakeCluster:
    """A cluster of which each work comes to what is written down for it, attempt by attempt.

    Attributes:
        fates: for each place what its attempts come to; those of no place end.
        at_a_time: how many works it takes.
        can_send: whether it sends parcels.
        begun: the places in the order in which they were begun, and whether with parcels.
        most: how many were on their way at a time.
    """

    fates: dict[int, list[Event]]
    at_a_time: int = 2
    can_send: bool = True
    begun: list[tuple[int, bool]] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    most: int = 0
    _flying: list[int] = field(default_factory=list)

    @property
    def room(self) -> int:
        """How many more works it takes."""
        return self.at_a_time - len(self._flying)

    def begin(self, works: Sequence[tuple[int, Work]], *, parcels: bool) -> None:
        """Begin works."""
        for place, each in works:
            self.begun.append((place, parcels))
            self.works.append(each)
            self._flying.append(place)
        self.most = max(self.most, len(self._flying))

    def events(self) -> list[tuple[int, Event]]:
        """Let the first of the works on their way come to its end."""
        place = self._flying.pop(0)
        fate = self.fates[place].pop(0) if self.fates.get(place) else Event(Kind.ENDED, f"value of {place}")
        reported = [] if fate.kind is Kind.UNSEEN else [(place, Event(Kind.BEGUN)), (place, Event(Kind.EMITTED, 1))]
        return [*reported, (place, fate)]

    def cancel(self, places: Sequence[int]) -> None:
        """Cancel works."""
        self.cancelled += places
        self._flying = [place for place in self._flying if place not in places]


@dataclass(frozen=True)
class FakeEngine:
    """An engine on a fake cluster."""

    cluster: FakeCluster

    @property
    def allotment(self) -> Allotment:
        """What it gives."""
        return Allotment()

    def carry_out(self, works: Sequence[Work], follower: Follower) -> None:
        """Carry out works."""
        carry_out_on(self.cluster, works, follower)


DIED = Event(Kind.DIED, "its machine died, twice")


def test_every_work_is_carried_out_once_and_no_more_than_there_is_room_for() -> None:
    """Their values come in the order of the works, and what they report with their places."""
    cluster, emitted = FakeCluster({}, at_a_time=2), list[tuple[int, Any]]()
    works = [work(name) for name in "abcde"]
    found = call_values(FakeEngine(cluster), works, lambda place, value: emitted.append((place, value)))
    assert found == [f"value of {place}" for place in range(5)]
    assert [place for place, _ in cluster.begun] == list(range(5))
    assert cluster.most == 2
    assert sorted(emitted) == [(place, 1) for place in range(5)]


def test_a_work_whose_process_died_is_begun_once_more_beside_the_others() -> None:
    """It does not wait for them, nor they for it."""
    cluster = FakeCluster({1: [DIED]}, at_a_time=2)
    assert len(call_values(FakeEngine(cluster), [work(name) for name in "abcd"])) == 4
    assert sorted(place for place, _ in cluster.begun) == [0, 1, 1, 2, 3]


def test_a_work_whose_process_died_twice_is_given_up_and_the_others_go_on() -> None:
    """The error says how many, and why."""
    follower = Collected(works := [work(name) for name in "abc"])
    carry_out_on(FakeCluster({0: [DIED, DIED]}), works, follower)
    assert follower.values == {1: "value of 1", 2: "value of 2"}
    assert follower.given_up == {0: "its machine died, twice"}
    with pytest.raises(EngineError, match="1 of 3 pieces of work were given up: its machine died, twice"):
        call_values(FakeEngine(FakeCluster({0: [DIED, DIED]})), works)


def test_what_is_repeated_is_what_is_left() -> None:
    """A work of which nothing is left is not begun again."""

    class Halving(Collected):
        def rest(self, place: int) -> Work | None:
            return work("half") if place == 0 else None

    cluster = FakeCluster({0: [DIED], 1: [DIED]})
    carry_out_on(cluster, works := [work("whole"), work("done")], Halving(works))
    assert [each.call.arguments[0] for each in cluster.works] == ["whole", "done", "half"]


def test_what_a_call_raises_ends_everything() -> None:
    """It arrives as what it is."""
    cluster = FakeCluster({1: [Event(Kind.RAISED, DatasetError("dataset a is damaged"))]})
    with pytest.raises(DatasetError, match="dataset a is damaged"):
        call_values(FakeEngine(cluster), [work(name) for name in "abcd"])


def test_a_process_that_sees_no_files_is_sent_them() -> None:
    """From then on works go out with their parcels; what was sent without comes back unharmed, and counts no death."""
    unseen = Event(Kind.UNSEEN, "node7")
    cluster = FakeCluster({0: [unseen], 1: [unseen]})
    assert len(call_values(FakeEngine(cluster), [work(name, elsewhere=True) for name in "abc"])) == 3
    assert cluster.begun == [(0, False), (1, False), (0, True), (1, True), (2, True)]


@pytest.mark.parametrize(("elsewhere", "can_send"), [(False, True), (True, False)])
def test_a_process_that_sees_no_files_and_cannot_be_sent_them_is_an_error(*, elsewhere: bool, can_send: bool) -> None:
    """It names the machine and what is to be shared."""
    cluster = FakeCluster({0: [Event(Kind.UNSEEN, "node7")]}, can_send=can_send)
    with pytest.raises(EngineError, match="node7 does not see lake; put them on a file system that all machines share"):
        call_values(FakeEngine(cluster), [work("a", elsewhere=elsewhere)])


def test_after_a_stop_nothing_is_begun() -> None:
    """What has been handed over and not begun is cancelled."""

    class Stopping(Collected):
        def stopped(self) -> bool:
            return bool(self.values)

    cluster = FakeCluster({}, at_a_time=3)
    follower = Stopping([work(name) for name in "abcdef"])
    carry_out_on(cluster, follower.works, follower)
    assert follower.values == {0: "value of 0"}
    assert cluster.cancelled == [1, 2]
    assert len(cluster.begun) == 3


def test_outcomes_are_passed_on_as_they_come() -> None:
    """That of a call that ends its process each time is what is said for it."""
    found = dict[int, Any]()
    cluster = FakeCluster({0: [DIED, DIED], 2: [DIED]})
    carry_out_each(FakeEngine(cluster), print, ["a", "b", "c"], lambda each: f"{each} died", found.__setitem__)
    assert found == {0: "a died", 1: "value of 1", 2: "value of 2"}
