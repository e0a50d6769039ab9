"""The pipelines of a feed, and the commands that change which models score its bins.

A model of the served lattice is warmed up on the last bins outside the engine, caught up with the bins closed since,
and becomes the champion between two bins once it is ready. A model of another lattice gets a pipeline of its own that
follows the feed beside the served one, and takes its place once it is ready.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from runtime.engine.bridge import (
    MOST_PENDING_EVENTS,
    ChampionChanged,
    EngineCommand,
    EngineEvent,
    FeedRestarted,
    PastJudged,
    PipelineAbandoned,
    StatisticsUpdated,
)
from runtime.engine.models import new_session
from runtime.engine.pipeline import Pipeline, PipelineBin, RunningModel, running_model
from runtime.engine.trades import TradesByBin
from runtime.feeds.feed import FeedFacts, FinishedBin
from vpharness.errors import PromotionError

_RECENT_BINS: Final = 2 * MOST_PENDING_EVENTS
"""Enough to hold every bin that the event loop may not have received yet."""


class Pipelines:
    """The served pipeline, and the one that is getting ready to be served.

    The methods that return a command may be called from any thread; all else belongs to the engine's.

    Attributes:
        served: the pipeline whose bins clients are sent.
        joining: the pipeline that follows the feed until it is ready; None without one.
        is_joining_ready: whether that one has been ready at a bin.
        recent: the last bins of the served pipeline.
        statistics_at: when statistics were last emitted, by the monotonic clock.
    """

    def __init__(self, served: Pipeline, emit: Callable[[EngineEvent], None]) -> None:
        """Begin with the pipeline that is served first; `emit` takes the engine's events, in its thread."""
        self.served, self._emit = served, emit
        self.joining: Pipeline | None = None
        self.is_joining_ready = False
        self.recent: deque[PipelineBin] = deque(maxlen=_RECENT_BINS)
        self.statistics_at = 0.0
        self._epoch = 0

    def add(self, each: RunningModel, bins: Sequence[FinishedBin], next_seq: int, epoch: int) -> EngineCommand:
        """Return the command to score with a model beside the champion; it replaces one of the same name.

        Args:
            each: the model; its session has been shown earlier bins of the pipeline.
            bins: those that it has not been shown yet, up to the one before `next_seq`.
            next_seq: the first bin that the engine itself shows it.
            epoch: the run of bins that they belong to; in another one the command fails.
        """

        def do() -> None:
            missed = self._missed(bins, next_seq, epoch)
            outputs = [(seq, each.past_output(seq, finished)) for seq, finished in missed]
            self.served.others[each.model.name] = each
            self._emit(PastJudged(self.served.number, each.model.name, outputs))

        return EngineCommand(do)

    def remove(self, name: str) -> EngineCommand:
        """Return the command to stop scoring with a model beside the champion."""

        def do() -> None:
            self.served.others.pop(name, None)

        return EngineCommand(do)

    def replace_champion(
        self, each: RunningModel, bins: Sequence[FinishedBin], next_seq: int, epoch: int
    ) -> EngineCommand:
        """Return the command to make a model of the same lattice the champion once it is ready; arguments as for `add`.

        Until then it is shown the bins of the pipeline, and its scores are not reported.
        """
        has_begun = False

        def do() -> bool:
            nonlocal has_begun
            pipeline = self.served
            if not has_begun:
                self._catch_up(each, bins, next_seq, epoch)
                pipeline.coming, has_begun = each, True
            coming = pipeline.coming
            if coming is None or coming.model is not each.model or coming.session.bins_to_go != 0:
                return False
            session, pipeline.coming = pipeline.champion.session, None
            session.take_over(coming.session)
            pipeline.champion = RunningModel(coming.model, session, coming.evaluator)
            self._emit_switch()
            return True

        def undo() -> None:
            coming = self.served.coming
            if coming is not None and coming.model is each.model:
                self.served.coming = None

        return EngineCommand(do, undo)

    def join(self, pipeline: Pipeline) -> EngineCommand:
        """Return the command to let another pipeline follow the feed beside the served one until it is ready.

        Its session has taken in nothing; it begins with the resting orders of the book, once no snapshot is under way.
        """

        def do() -> bool:
            if self.served.champion.session.is_in_snapshot:
                return False
            for _ in pipeline.take(self.served.champion.session.book(), None):
                pass  # a snapshot finishes no bin
            self.joining, self.is_joining_ready = pipeline, False
            return True

        return EngineCommand(do)

    def serve(self, number: int) -> EngineCommand:
        """Return the command to serve a pipeline that is ready."""

        def do() -> None:
            if self.joining is None or self.joining.number != number:
                raise PromotionError(f"pipeline {number} does not follow the feed")
            self.served, self.joining = self.joining, None
            self._new_epoch()
            self._emit_switch()

        return EngineCommand(do)

    def abandon(self, number: int) -> EngineCommand:
        """Return the command to drop a pipeline that is not served yet."""

        def do() -> None:
            if self.joining is not None and self.joining.number == number:
                self.joining = None
            if self.served.number != number:
                self._emit(PipelineAbandoned(number))

        return EngineCommand(do)

    def restart(self, facts: FeedFacts) -> None:
        """Begin anew with fresh sessions of all models."""
        for pipeline in (self.served, self.joining):
            if pipeline is None:
                continue
            pipeline.champion = _renewed(pipeline.champion, facts)
            pipeline.others = {name: _renewed(each, facts) for name, each in pipeline.others.items()}
            pipeline.coming = None if pipeline.coming is None else _renewed(pipeline.coming, facts)
            pipeline.facts, pipeline.queues = facts, {}
            pipeline.trades = TradesByBin.on(pipeline.champion.model.live, facts)
        self.is_joining_ready = False
        self._new_epoch()
        self._emit(FeedRestarted(self._epoch))
        self.emit_statistics()

    def _new_epoch(self) -> None:
        self._epoch += 1
        self.recent.clear()

    def _emit_switch(self) -> None:
        champion, *others = (each.model for each in self.served.running_models)
        self._emit(ChampionChanged(self.served.number, champion, tuple(others), self.served.next_seq, self._epoch))
        self.emit_statistics()

    def _catch_up(self, each: RunningModel, bins: Sequence[FinishedBin], next_seq: int, epoch: int) -> None:
        """Show a session the bins that it has missed; PromotionError where they are no longer kept."""
        for _, (row, grid) in self._missed(bins, next_seq, epoch):
            each.session.take_bin(row, grid)

    def _missed(self, bins: Sequence[FinishedBin], next_seq: int, epoch: int) -> list[tuple[int, FinishedBin]]:
        """Return the bins that a session has missed, with their places; arguments as for `add`."""
        oldest = self.recent[0].seq if self.recent else self.served.next_seq
        if epoch != self._epoch or oldest > next_seq:
            raise PromotionError("the bins that it was shown do not continue")
        since = [(each.seq, (each.scored.row, each.scored.grid)) for each in self.recent if each.seq >= next_seq]
        return [*enumerate(bins, next_seq - len(bins)), *since]

    def emit_statistics(self) -> None:
        """Emit the statistics of all models, and the version that is getting ready."""
        self.statistics_at = time.monotonic()
        coming = self.joining.champion if self.joining is not None else self.served.coming
        on_its_way = None if coming is None else (coming.model.record.version, coming.session.bins_to_go)
        self._emit(StatisticsUpdated(self.served.statistics(), on_its_way))


def _renewed(each: RunningModel, facts: FeedFacts) -> RunningModel:
    """Return a model with a session before the first event of a feed."""
    return running_model(each.model, new_session(each.model, facts), facts, each.what_if)
