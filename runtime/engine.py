"""The engine: one thread that takes what the feed says through the lanes, and says what comes of it.

What it is asked for comes as orders, which are carried out between two steps of the feed, one after another.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from runtime.feeds.feed import Feed, FeedStep
from runtime.handover import SAID_AT_ONCE
from runtime.lane import Lane, LaneBin, Watched, watched
from runtime.models import ServedModel, session_on
from runtime.orders import Order
from runtime.ring import ShownBin
from runtime.sayings import Abandoned, Answered, Closed, Counted, Ended, Heard, Ready, Restarted, Said, Switched
from runtime.trades import Trades
from vpharness.errors import PromotionError, VpharnessError
from vpharness.events.mbo_event import FLAG_SNAPSHOT

_RECENT_BINS: Final = 2 * SAID_AT_ONCE
"""Bins that the event loop may not have been told of yet are among these."""

_STATISTICS_SECONDS: Final = 1.0


class Engine:
    """The lanes of a feed. Orders may be given from any thread; all else belongs to its own."""

    def __init__(self, feed: Feed, lane: Lane, say: Callable[[Said], None]) -> None:
        """Make an engine.

        Args:
            feed: what it follows.
            lane: what is served at first; its champion's session has taken in nothing.
            say: takes what the engine says, in its thread, and may make it wait.
        """
        self._feed, self._lane, self._say = feed, lane, say
        self._joining: Lane | None = None
        self._is_ready = self._is_over = False
        self._orders: deque[Order] = deque()
        self._recent: deque[LaneBin] = deque(maxlen=_RECENT_BINS)
        self._epoch = 0
        self._counted_at = 0.0
        self._heard: Heard | None = None
        self._last_event_ns: int | None = None
        self._complete_ns, self._late_events = 0, 0

    def run(self, stop: threading.Event) -> None:
        """Follow the feed until it ends or `stop` is set."""
        problem: str | None = "the engine has failed; why stands in the log"
        try:
            for step in self._feed.steps(stop):
                due = time.monotonic()
                self._obey()
                self._follow(step, due, stop)
            problem = None
        except VpharnessError as error:
            problem = str(error)
        finally:
            self._is_over = True
            self._say(Ended(problem))
            while self._orders:
                self._say(Answered(self._orders.popleft(), "the feed has ended"))

    def give(self, order: Order) -> None:
        """Have an order carried out; it is answered once it is. PromotionError where the feed has ended."""
        self._orders.append(order)
        if self._is_over:
            raise PromotionError("the feed has ended")

    def add(self, each: Watched, bins: Sequence[ShownBin], next_seq: int, epoch: int) -> Order:
        """Return the order to score with a model beside the champion; one of the same name makes room for it.

        Args:
            each: the model, its session having been shown bins of the lane.
            bins: those that it has to be shown yet, the last of which is the one before `next_seq`.
            next_seq: the place in the stream from which on the engine itself knows the bins.
            epoch: which run of bins they are of; in another one the order is answered with a problem.
        """

        def do() -> None:
            self._catch_up(each, bins, next_seq, epoch)
            self._lane.beside[each.model.name] = each

        return Order(do)

    def remove(self, name: str) -> Order:
        """Return the order to stop scoring with a model beside the champion."""

        def do() -> None:
            self._lane.beside.pop(name, None)

        return Order(do)

    def succeed(self, each: Watched, bins: Sequence[ShownBin], next_seq: int, epoch: int) -> Order:
        """Return the order to make a model of the same lattice the champion once it is ready; as for `add`.

        Until then it is shown the bins of the lane, and nobody is told of its scores.
        """
        has_begun = False

        def do() -> bool:
            nonlocal has_begun
            lane = self._lane
            if not has_begun:
                self._catch_up(each, bins, next_seq, epoch)
                lane.coming, has_begun = each, True
            coming = lane.coming
            if coming is None or coming.model is not each.model or coming.session.bins_to_go != 0:
                return False
            session, lane.coming = lane.champion.session, None
            session.take_over(coming.session)
            lane.champion = Watched(coming.model, session, coming.judge)
            self._tell_switch()
            return True

        def undo() -> None:
            coming = self._lane.coming
            if coming is not None and coming.model is each.model:
                self._lane.coming = None

        return Order(do, undo)

    def join(self, lane: Lane) -> Order:
        """Return the order to have another lane follow the feed beside the one that is served, until it is ready.

        Its session has taken in nothing; it begins with what rests in the book, once no snapshot is under way.
        """

        def do() -> bool:
            if self._lane.champion.session.is_in_snapshot:
                return False
            for _ in lane.take(self._lane.champion.session.book(), None):
                pass  # a snapshot finishes no bin
            self._joining, self._is_ready = lane, False
            return True

        return Order(do)

    def serve(self, number: int) -> Order:
        """Return the order to serve a lane that is ready."""

        def do() -> None:
            if self._joining is None or self._joining.number != number:
                raise PromotionError(f"lane {number} does not follow the feed")
            self._lane, self._joining = self._joining, None
            self._new_epoch()
            self._tell_switch()

        return Order(do)

    def abandon(self, number: int) -> Order:
        """Return the order to forget a lane, if it is not served yet."""

        def do() -> None:
            if self._joining is not None and self._joining.number == number:
                self._joining = None
            if self._lane.number != number:
                self._say(Abandoned(number))

        return Order(do)

    def _obey(self) -> None:
        """Carry out the orders that there are; those that have to wait stay."""
        for _ in range(len(self._orders)):
            order = self._orders.popleft()
            problem = None
            if order.is_called_off:
                problem = "it was called off"
                order.undo()
            try:
                if problem is None and order.do() is False:
                    self._orders.append(order)
                    continue
            except VpharnessError as error:
                problem = str(error)
            self._say(Answered(order, problem))

    def _follow(self, step: FeedStep, due: float, stop: threading.Event) -> None:
        if step.state == "restarted":
            self._restart()
        facts = self._feed.facts
        for each in _taken(self._lane, step):
            if stop.is_set():
                return
            self._recent.append(each)
            self._say(Closed(each, time.monotonic() - due))
            if facts.speed is None and not facts.live:
                due = time.monotonic()  # as fast as possible, a bin is due once the one before is done
        if self._joining is not None:
            self._follow_joining(self._joining, step, due)
        self._hear(step)
        if time.monotonic() - self._counted_at >= _STATISTICS_SECONDS:
            self._count()

    def _follow_joining(self, lane: Lane, step: FeedStep, due: float) -> None:
        is_ready = self._is_ready
        for each in _taken(lane, step):
            self._say(Closed(each, time.monotonic() - due))
            is_ready |= each.readings[lane.champion.model.name].ready
        if is_ready and not self._is_ready:
            self._is_ready = True
            self._say(Ready(lane.number))

    def _restart(self) -> None:
        """Begin anew with all models that there are."""
        for lane in (self._lane, self._joining):
            if lane is None:
                continue
            lane.champion = self._renewed(lane.champion.model)
            lane.beside = {name: self._renewed(each.model) for name, each in lane.beside.items()}
            lane.coming = None if lane.coming is None else self._renewed(lane.coming.model)
            lane.trades = Trades.on(lane.champion.model.live, self._feed.facts)
        self._is_ready, self._complete_ns = False, 0
        self._new_epoch()
        self._say(Restarted(self._epoch))
        self._count()

    def _renewed(self, model: ServedModel) -> Watched:
        return watched(model, session_on(model, self._feed.facts), self._feed.facts)

    def _new_epoch(self) -> None:
        self._epoch += 1
        self._recent.clear()

    def _tell_switch(self) -> None:
        champion, *beside = (each.model for each in self._lane.watched)
        self._say(Switched(self._lane.number, champion, tuple(beside), self._lane.next_seq, self._epoch))
        self._count()

    def _catch_up(self, each: Watched, bins: Sequence[ShownBin], next_seq: int, epoch: int) -> None:
        """Show a session the bins that it has missed; PromotionError where they are no longer known."""
        oldest = self._recent[0].seq if self._recent else self._lane.next_seq
        if epoch != self._epoch or oldest > next_seq:
            raise PromotionError("the bins that it was shown do not go on")
        for row, grid in bins:
            each.session.take_bin(row, grid)
        for recent in self._recent:
            if recent.seq >= next_seq:
                each.session.take_bin(recent.scored.row, recent.scored.grid)

    def _count(self) -> None:
        self._counted_at = time.monotonic()
        coming = self._joining.champion if self._joining is not None else self._lane.coming
        on_its_way = None if coming is None else (coming.model.record.version, coming.session.bins_to_go)
        self._say(Counted({each.model.name: each.statistics() for each in self._lane.watched}, on_its_way))

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
