"""The engine: one thread that takes what the feed says through the lanes, and hands finished bins to the event loop."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from runtime.feeds.feed import Feed, FeedStep
from runtime.lane import Lane, LaneBin, Watched, watched
from runtime.models import ServedModel, session_on
from runtime.ring import ShownBin
from runtime.trades import Trades
from vpharness.errors import VpharnessError
from vpharness.events.schema import FLAG_SNAPSHOT
from vpharness.live import LiveSession

BINS_UNDER_WAY: Final = 64
"""The most bins that wait for the event loop: at full speed the feed waits for it too."""

_RECENT_BINS: Final = 2 * BINS_UNDER_WAY
_STATISTICS_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Closed:
    """A bin was closed, `late_s` after the feed said that it could be."""

    bin: LaneBin
    late_s: float


@dataclass(frozen=True)
class Switched:
    """From the place `next_seq` on the champion is another model, or that of another lane, with those beside it."""

    lane: int
    champion: ServedModel
    beside: tuple[ServedModel, ...]
    next_seq: int


@dataclass(frozen=True)
class Restarted:
    """Time begins anew: bins that come do not follow those of before."""


@dataclass(frozen=True)
class Heard:
    """What the feed's state is, how many events came too late for their bin, and the time of the last one."""

    state: str
    late_events: int
    last_event_ns: int | None


@dataclass(frozen=True)
class Counted:
    """The statistics of all models, by name."""

    statistics: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Ended:
    """The feed is over; `problem` says why, where it did not simply end."""

    problem: str | None


Said = Closed | Switched | Restarted | Heard | Counted | Ended


class Engine:
    """The lanes of a feed. What its methods ask for, from whatever thread, is done between two steps of the feed."""

    def __init__(self, feed: Feed, lane: Lane, say: Callable[[Said], None]) -> None:
        """Make an engine.

        Args:
            feed: what it follows.
            lane: what is served at first; its champion's session has taken in nothing.
            say: takes what the engine says, in its thread, and may make it wait.
        """
        self._feed, self._lane, self._say = feed, lane, say
        self._joining: Lane | None = None
        self._orders: deque[Callable[[], None]] = deque()
        self._recent: deque[LaneBin] = deque(maxlen=_RECENT_BINS)
        self._counted_at = 0.0
        self._heard: Heard | None = None
        self._last_event_ns: int | None = None
        self._complete_ns, self._late_events = 0, 0

    def run(self, stop: threading.Event) -> None:
        """Follow the feed until it ends or `stop` is set."""
        problem: str | None = "the engine has failed; why stands in the log"
        try:
            for step in self._feed.steps(stop):
                while self._orders:
                    self._orders.popleft()()
                self._follow(step)
            problem = None
        except VpharnessError as error:
            problem = str(error)
        finally:
            self._say(Ended(problem))

    def add(self, model: ServedModel, session: LiveSession, bins: Sequence[ShownBin], next_seq: int) -> None:
        """Score with a model beside the champion; one of the same name makes room for it.

        Args:
            model: the model.
            session: it has been shown bins of the lane.
            bins: those that it has to be shown yet, the last of which is the one before `next_seq`.
            next_seq: the place in the stream from which on the engine itself knows the bins.
        """

        def order() -> None:
            self._catch_up(session, bins, next_seq)
            self._lane.beside[model.name] = watched(model, session, self._feed.facts)

        self._orders.append(order)

    def remove(self, name: str) -> None:
        """Stop scoring with a model beside the champion."""

        def order() -> None:
            self._lane.beside.pop(name, None)

        self._orders.append(order)

    def succeed(self, model: ServedModel, session: LiveSession, bins: Sequence[ShownBin], next_seq: int) -> None:
        """Make a model of the same lattice the champion, from the next bin on; the arguments are those of `add`."""

        def order() -> None:
            lane = self._lane
            self._catch_up(session, bins, next_seq)
            lane.champion.session.take_over(session)
            lane.champion = watched(model, lane.champion.session, lane.facts)
            self._say(_switched_to(lane))

        self._orders.append(order)

    def join(self, lane: Lane) -> None:
        """Have another lane, whose session has taken in nothing, follow the feed, and serve it once it is ready.

        It begins with what rests in the book at that moment.
        """

        def order() -> None:
            for _ in lane.take(self._lane.champion.session.book(), None):
                pass  # a snapshot finishes no bin
            self._joining = lane

        self._orders.append(order)

    def abandon(self) -> None:
        """Forget the lane that is on its way to be served."""

        def order() -> None:
            self._joining = None

        self._orders.append(order)

    def _follow(self, step: FeedStep) -> None:
        if step.state == "restarted":
            self._restart()
        due, facts = time.monotonic(), self._feed.facts
        for each in _taken(self._lane, step):
            self._recent.append(each)
            self._say(Closed(each, time.monotonic() - due))
            if facts.speed is None and not facts.live:
                due = time.monotonic()  # as fast as possible, a bin is due once the one before is done
        if self._joining is not None:
            self._follow_joining(self._joining, step)
        self._hear(step)
        if time.monotonic() - self._counted_at >= _STATISTICS_SECONDS:
            self._counted_at = time.monotonic()
            self._say(Counted({each.model.name: each.judge.statistics() for each in self._lane.watched}))

    def _follow_joining(self, lane: Lane, step: FeedStep) -> None:
        due, is_ready = time.monotonic(), False
        for each in _taken(lane, step):
            self._say(Closed(each, time.monotonic() - due))
            is_ready |= each.readings[lane.champion.model.name].ready
        if is_ready:
            self._lane, self._joining = lane, None
            self._recent.clear()
            self._say(_switched_to(lane))

    def _restart(self) -> None:
        """Begin anew with all models that there are."""
        for lane in (self._lane, self._joining):
            if lane is None:
                continue
            lane.champion = self._renewed(lane.champion.model)
            lane.beside = {name: self._renewed(each.model) for name, each in lane.beside.items()}
            lane.trades = Trades.on(lane.champion.model.live, lane.facts)
        self._recent.clear()
        self._say(Restarted())

    def _renewed(self, model: ServedModel) -> Watched:
        return watched(model, session_on(model, self._feed.facts), self._feed.facts)

    def _catch_up(self, session: LiveSession, bins: Sequence[ShownBin], next_seq: int) -> None:
        """Show a session the bins that it has missed."""
        for row, grid in bins:
            session.take_bin(row, grid)
        for each in self._recent:
            if each.seq >= next_seq:
                session.take_bin(each.scored.row, each.scored.grid)

    def _hear(self, step: FeedStep) -> None:
        if len(step.events):
            times = step.events["ts_ns"]
            self._last_event_ns = int(times.max())
            # A snapshot restates orders of long ago, which is not late.
            is_flow = (step.events["flags"] & FLAG_SNAPSHOT) == 0
            self._late_events += int(np.count_nonzero(is_flow & (times < self._complete_ns)))
        if step.complete_to_ns is not None:
            self._complete_ns = step.complete_to_ns
        heard = Heard(step.state, self._late_events, self._last_event_ns)
        if heard != self._heard:
            self._heard = heard
            self._say(heard)


def _taken(lane: Lane, step: FeedStep) -> Iterator[LaneBin]:
    """Yield the bins that a step finishes in a lane."""
    return lane.take_bins(step.bins) if step.bins else lane.take(step.events, step.complete_to_ns)


def _switched_to(lane: Lane) -> Switched:
    champion, *beside = (each.model for each in lane.watched)
    return Switched(lane.number, champion, tuple(beside), lane.next_seq)
