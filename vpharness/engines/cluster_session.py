"""The order of works on engines that say of each work what became of it: Ray and Slurm.

Works are begun while there is room, each that ends makes room for the next, and one whose process or machine died is
begun once more for what is left of it, beside the others.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vpharness.engines.call_worker import Event, Kind
from vpharness.engines.calls import MOST_DEATHS, Follower, Work
from vpharness.errors import EngineError


class ClusterSession(Protocol):
    """A cluster that is being worked on."""

    @property
    def can_send(self) -> bool:
        """Whether it can send parcels to processes that do not see the folders of works."""

    @property
    def room(self) -> int:
        """How many works may be begun or wait for a free process at a time."""

    def begin(self, works: Sequence[tuple[int, Work]], *, parcels: bool) -> None:
        """Begin works, each with its place; with their `parcels` where processes may not see the folders."""

    def events(self) -> list[tuple[int, Event]]:
        """Return what has happened to works since the last call, by their places; wait a moment if nothing has."""

    def cancel(self, places: Sequence[int]) -> None:
        """Cancel works that no process has begun, as far as that is possible; no event of them matters any more."""


@dataclass
class _Works:
    """Works on their way.

    Attributes:
        todo: what is to be done for each place.
        waiting: places that have not been handed over.
        flying: places that have, and `begun` those that a process has begun.
        deaths: how many processes died of a place.
        can_send: whether parcels can be sent, and `parcels` whether a process did not see the folders.
    """

    todo: dict[int, Work]
    follower: Follower
    waiting: deque[int]
    can_send: bool
    flying: set[int] = field(default_factory=set)
    begun: set[int] = field(default_factory=set)
    deaths: Counter[int] = field(default_factory=Counter)
    parcels: bool = False

    def take(self, place: int, event: Event) -> None:
        """Process an event."""
        if event.kind is Kind.BEGUN:
            self.begun.add(place)
            self.follower.begun(place)
        elif event.kind is Kind.EMITTED:
            self.follower.emitted(place, event.value)
        else:
            self.flying.discard(place)
            self.begun.discard(place)
            self._over(place, event)

    def _over(self, place: int, event: Event) -> None:
        if event.kind is Kind.ENDED:
            self.follower.ended(place, event.value)
        elif event.kind is Kind.RAISED:
            raise event.value
        elif event.kind is Kind.UNSEEN:
            self._send_parcel(place, event.value)
        elif (rest := self.follower.rest(place)) is not None:
            self.deaths[place] += 1
            if self.deaths[place] >= MOST_DEATHS:
                self.follower.lost(place, event.value)
            else:
                self.todo[place] = rest
                self.waiting.append(place)

    def _send_parcel(self, place: int, host: str) -> None:
        work = self.todo[place]
        if work.elsewhere is None or not self.can_send:
            folders = ", ".join(map(str, work.folders))
            raise EngineError(f"{host} does not see {folders}; put them on a file system that all machines share")
        self.parcels = True
        self.waiting.appendleft(place)


def carry_out_on(session: ClusterSession, works: Sequence[Work], follower: Follower) -> None:
    """Carry out works on a cluster, as `Engine.carry_out` says."""
    on_way = _Works(dict(enumerate(works)), follower, deque(range(len(works))), session.can_send)
    while on_way.waiting or on_way.flying:
        if follower.stopped():
            session.cancel(sorted(on_way.flying - on_way.begun))
            on_way.flying &= on_way.begun
            on_way.waiting.clear()
        next_ones = [on_way.waiting.popleft() for _ in range(min(session.room, len(on_way.waiting)))]
        if next_ones:
            session.begin([(place, on_way.todo[place]) for place in next_ones], parcels=on_way.parcels)
            on_way.flying.update(next_ones)
        for place, event in session.events() if on_way.flying else ():
            if place in on_way.flying:
                on_way.take(place, event)
