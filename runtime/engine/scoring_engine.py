"""The engine: one thread that takes what the feed says through the pipelines, and says what comes of it.

What it is asked for comes as orders, which are carried out between two steps of the feed, one after another.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from runtime.engine.bridge import (
    MOST_PENDING_EVENTS,
    BinClosed,
    ChampionChanged,
    CommandCompleted,
    EngineCommand,
    EngineEvent,
    FeedEnded,
    FeedObserved,
    FeedRestarted,
    PipelineAbandoned,
    PipelineReady,
    StatisticsUpdated,
)
from runtime.engine.models import ServedModel, new_session
from runtime.engine.pipeline import Pipeline, PipelineBin, RunningModel, running_model
from runtime.engine.ring_buffer import FinishedBin
from runtime.engine.trades import TradesByBin
from runtime.feeds.feed import Feed, FeedStep
from vpharness.errors import PromotionError, VpharnessError
from vpharness.events.mbo_event import FLAG_SNAPSHOT

_RECENT_BINS: Final = 2 * MOST_PENDING_EVENTS
"""Bins that the event loop may not have been told of yet are among these."""

_STATISTICS_SECONDS: Final = 1.0


class ScoringEngine:
    """The pipelines of a feed. Orders may be given from any thread; all else belongs to its own."""

    def __init__(self, feed: Feed, pipeline: Pipeline, emit: Callable[[EngineEvent], None]) -> None:
        """Make an engine.

        Args:
            feed: what it follows.
            pipeline: what is served at first; its champion's session has taken in nothing.
            emit: takes what the engine says, in its thread, and may make it wait.
        """
        self._feed, self._pipeline, self._emit = feed, pipeline, emit
        self._joining: Pipeline | None = None
        self._is_ready = self._is_over = False
        self._commands: deque[EngineCommand] = deque()
        self._recent: deque[PipelineBin] = deque(maxlen=_RECENT_BINS)
        self._epoch = 0
        self._counted_at = 0.0
        self._heard: FeedObserved | None = None
        self._last_event_ns: int | None = None
        self._complete_ns, self._late_events = 0, 0

    def run(self, stop: threading.Event) -> None:
        """Follow the feed until it ends or `stop` is set."""
        problem: str | None = "the engine has failed; why stands in the log"
        try:
            for step in self._feed.steps(stop):
                due = time.monotonic()
                self._run_commands()
                self._follow(step, due, stop)
            problem = None
        except VpharnessError as error:
            problem = str(error)
        finally:
            self._is_over = True
            self._emit(FeedEnded(problem))
            while self._commands:
                self._emit(CommandCompleted(self._commands.popleft(), "the feed has ended"))

    def submit(self, command: EngineCommand) -> None:
        """Have an order carried out; it is answered once it is. PromotionError where the feed has ended."""
        self._commands.append(command)
        if self._is_over:
            raise PromotionError("the feed has ended")

    def add(self, each: RunningModel, bins: Sequence[FinishedBin], next_seq: int, epoch: int) -> EngineCommand:
        """Return the order to score with a model beside the champion; one of the same name makes room for it.

        Args:
            each: the model, its session having been shown bins of the pipeline.
            bins: those that it has to be shown yet, the last of which is the one before `next_seq`.
            next_seq: the place in the stream from which on the engine itself knows the bins.
            epoch: which run of bins they are of; in another one the order is answered with a problem.
        """

        def do() -> None:
            self._catch_up(each, bins, next_seq, epoch)
            self._pipeline.others[each.model.name] = each

        return EngineCommand(do)

    def remove(self, name: str) -> EngineCommand:
        """Return the order to stop scoring with a model beside the champion."""

        def do() -> None:
            self._pipeline.others.pop(name, None)

        return EngineCommand(do)

    def replace_champion(
        self, each: RunningModel, bins: Sequence[FinishedBin], next_seq: int, epoch: int
    ) -> EngineCommand:
        """Return the order to make a model of the same lattice the champion once it is ready; as for `add`.

        Until then it is shown the bins of the pipeline, and nobody is told of its scores.
        """
        has_begun = False

        def do() -> bool:
            nonlocal has_begun
            pipeline = self._pipeline
            if not has_begun:
                self._catch_up(each, bins, next_seq, epoch)
                pipeline.coming, has_begun = each, True
            coming = pipeline.coming
            if coming is None or coming.model is not each.model or coming.session.bins_to_go != 0:
                return False
            session, pipeline.coming = pipeline.champion.session, None
            session.take_over(coming.session)
            pipeline.champion = RunningModel(coming.model, session, coming.evaluator)
            self._tell_switch()
            return True

        def undo() -> None:
            coming = self._pipeline.coming
            if coming is not None and coming.model is each.model:
                self._pipeline.coming = None

        return EngineCommand(do, undo)

    def join(self, pipeline: Pipeline) -> EngineCommand:
        """Return the order to have another pipeline follow the feed beside the one that is served, until it is ready.

        Its session has taken in nothing; it begins with what rests in the book, once no snapshot is under way.
        """

        def do() -> bool:
            if self._pipeline.champion.session.is_in_snapshot:
                return False
            for _ in pipeline.take(self._pipeline.champion.session.book(), None):
                pass  # a snapshot finishes no bin
            self._joining, self._is_ready = pipeline, False
            return True

        return EngineCommand(do)

    def serve(self, number: int) -> EngineCommand:
        """Return the order to serve a pipeline that is ready."""

        def do() -> None:
            if self._joining is None or self._joining.number != number:
                raise PromotionError(f"pipeline {number} does not follow the feed")
            self._pipeline, self._joining = self._joining, None
            self._new_epoch()
            self._tell_switch()

        return EngineCommand(do)

    def abandon(self, number: int) -> EngineCommand:
        """Return the order to forget a pipeline, if it is not served yet."""

        def do() -> None:
            if self._joining is not None and self._joining.number == number:
                self._joining = None
            if self._pipeline.number != number:
                self._emit(PipelineAbandoned(number))

        return EngineCommand(do)

    def _run_commands(self) -> None:
        """Carry out the orders that there are; those that have to wait stay."""
        for _ in range(len(self._commands)):
            command = self._commands.popleft()
            problem = None
            if command.is_cancelled:
                problem = "it was called off"
                command.undo()
            try:
                if problem is None and command.do() is False:
                    self._commands.append(command)
                    continue
            except VpharnessError as error:
                problem = str(error)
            self._emit(CommandCompleted(command, problem))

    def _follow(self, step: FeedStep, due: float, stop: threading.Event) -> None:
        if step.state == "restarted":
            self._restart()
        facts = self._feed.facts
        for each in _taken(self._pipeline, step):
            if stop.is_set():
                return
            self._recent.append(each)
            self._emit(BinClosed(each, time.monotonic() - due))
            if facts.speed is None and not facts.live:
                due = time.monotonic()  # as fast as possible, a bin is due once the one before is done
        if self._joining is not None:
            self._follow_joining(self._joining, step, due)
        self._hear(step)
        if time.monotonic() - self._counted_at >= _STATISTICS_SECONDS:
            self._count()

    def _follow_joining(self, pipeline: Pipeline, step: FeedStep, due: float) -> None:
        is_ready = self._is_ready
        for each in _taken(pipeline, step):
            self._emit(BinClosed(each, time.monotonic() - due))
            is_ready |= each.outputs[pipeline.champion.model.name].ready
        if is_ready and not self._is_ready:
            self._is_ready = True
            self._emit(PipelineReady(pipeline.number))

    def _restart(self) -> None:
        """Begin anew with all models that there are."""
        for pipeline in (self._pipeline, self._joining):
            if pipeline is None:
                continue
            pipeline.champion = self._renewed(pipeline.champion.model)
            pipeline.others = {name: self._renewed(each.model) for name, each in pipeline.others.items()}
            pipeline.coming = None if pipeline.coming is None else self._renewed(pipeline.coming.model)
            pipeline.trades = TradesByBin.on(pipeline.champion.model.live, self._feed.facts)
        self._is_ready, self._complete_ns = False, 0
        self._new_epoch()
        self._emit(FeedRestarted(self._epoch))
        self._count()

    def _renewed(self, model: ServedModel) -> RunningModel:
        return running_model(model, new_session(model, self._feed.facts), self._feed.facts)

    def _new_epoch(self) -> None:
        self._epoch += 1
        self._recent.clear()

    def _tell_switch(self) -> None:
        champion, *others = (each.model for each in self._pipeline.running_models)
        self._emit(
            ChampionChanged(self._pipeline.number, champion, tuple(others), self._pipeline.next_seq, self._epoch)
        )
        self._count()

    def _catch_up(self, each: RunningModel, bins: Sequence[FinishedBin], next_seq: int, epoch: int) -> None:
        """Show a session the bins that it has missed; PromotionError where they are no longer known."""
        oldest = self._recent[0].seq if self._recent else self._pipeline.next_seq
        if epoch != self._epoch or oldest > next_seq:
            raise PromotionError("the bins that it was shown do not go on")
        for row, grid in bins:
            each.session.take_bin(row, grid)
        for recent in self._recent:
            if recent.seq >= next_seq:
                each.session.take_bin(recent.scored.row, recent.scored.grid)

    def _count(self) -> None:
        self._counted_at = time.monotonic()
        coming = self._joining.champion if self._joining is not None else self._pipeline.coming
        on_its_way = None if coming is None else (coming.model.record.version, coming.session.bins_to_go)
        self._emit(
            StatisticsUpdated(
                {each.model.name: each.statistics() for each in self._pipeline.running_models}, on_its_way
            )
        )

    def _hear(self, step: FeedStep) -> None:
        if len(step.events):
            times = step.events["ts_ns"]
            self._last_event_ns = int(times.max())
            # A snapshot restates orders of long ago, which is not late.
            is_flow = (step.events["flags"] & FLAG_SNAPSHOT) == 0
            self._late_events += int(np.count_nonzero(is_flow & (times < self._complete_ns)))
        if step.complete_to_ns is not None:
            self._complete_ns = step.complete_to_ns
        heard = FeedObserved(step.state, self._late_events, self._last_event_ns)
        if heard != self._heard:
            self._heard = heard
            self._emit(heard)


def _taken(pipeline: Pipeline, step: FeedStep) -> Iterator[PipelineBin]:
    """Yield the bins that a step finishes in a pipeline."""
    return pipeline.take_bins(step.bins) if step.bins else pipeline.take(step.events, step.complete_to_ns)
