"""The scoring engine: one thread that takes the feed's events through a pipeline and emits scored bins.

Commands from the event loop are carried out between two steps of the feed, one after another, so a switch of models
always falls between two bins. While another lattice gets ready, a second pipeline follows the feed beside the first.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from runtime.engine.bridge import (
    BinClosed,
    CommandCompleted,
    EngineCommand,
    EngineEvent,
    FeedEnded,
    FeedObserved,
    PipelineReady,
)
from runtime.engine.feed_observer import FeedObserver
from runtime.engine.pipeline import Pipeline, PipelineBin
from runtime.engine.pipelines import Pipelines
from runtime.feeds.feed import Feed, FeedStep
from vpharness.errors import PromotionError, VpharnessError

_STATISTICS_SECONDS: Final = 1.0
_REST: Final = 2.0
"""How much longer than it has worked for a bin the engine of a replay without a pace rests beside other feeds."""
_LONGEST_REST_S: Final = 1.0


class ScoringEngine:
    """Runs the pipelines of a feed. Commands may be submitted from any thread; all else belongs to its own."""

    def __init__(
        self, feed: Feed, pipeline: Pipeline, emit: Callable[[EngineEvent], None], *, has_neighbours: bool = False
    ) -> None:
        """Make an engine.

        Args:
            feed: what it follows.
            pipeline: what is served at first; its champion's session has taken in nothing.
            emit: takes the engine's events, in its thread, and may make it wait.
            has_neighbours: whether there are other feeds in this process: a replay as fast as possible then rests after
                each bin, so that they need not wait for it.
        """
        self._feed, self._emit, self._has_neighbours = feed, emit, has_neighbours
        self.pipelines = Pipelines(pipeline, emit)
        """The pipelines, and the commands that change them."""
        self._is_over = False
        self._commands: deque[EngineCommand] = deque()
        self._observer = FeedObserver()
        self._observed: FeedObserved | None = None

    def run(self, stop: threading.Event) -> None:
        """Follow the feed until it ends or `stop` is set."""
        problem: str | None = "the engine has failed; the log has the reason"
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
            self._emit(FeedEnded(problem, was_stopped=problem is None and stop.is_set()))
            while self._commands:
                self._emit(CommandCompleted(self._commands.popleft(), "the feed has ended"))

    def submit(self, command: EngineCommand) -> None:
        """Queue a command; `CommandCompleted` answers it. Raises PromotionError where the feed has ended."""
        self._commands.append(command)
        if self._is_over:
            raise PromotionError("the feed has ended")

    def _run_commands(self) -> None:
        """Carry out the queued commands; those that are not done yet stay in the queue."""
        for _ in range(len(self._commands)):
            command = self._commands.popleft()
            problem = None
            if command.is_cancelled:
                problem = "it was cancelled"
                command.undo()
            try:
                if problem is None and command.do() is False:
                    self._commands.append(command)
                    continue
            except VpharnessError as error:
                problem = str(error)
            self._emit(CommandCompleted(command, problem))

    def _follow(self, step: FeedStep, due: float, stop: threading.Event) -> None:
        """Take a step through the pipelines, and emit the bins that it closes; `due` is when they could be closed."""
        pipelines, facts = self.pipelines, self._feed.facts
        if step.state == "restarted":
            self._observer.restart()
            pipelines.restart(facts)
        is_unpaced = facts.speed is None and not facts.live
        for each in _taken(pipelines.served, step):
            if stop.is_set():
                return
            pipelines.recent.append(each)
            self._emit(BinClosed(each, time.monotonic() - due, step.is_stepped))
            if is_unpaced and self._has_neighbours:
                stop.wait(min(_REST * (time.monotonic() - due), _LONGEST_REST_S))
            if is_unpaced:
                due = time.monotonic()  # as fast as possible, a bin is due once the one before is done
        if pipelines.joining is not None:
            self._follow_joining(pipelines.joining, step, due)
        self._observe(step)
        if time.monotonic() - pipelines.statistics_at >= _STATISTICS_SECONDS:
            pipelines.emit_statistics()

    def _follow_joining(self, pipeline: Pipeline, step: FeedStep, due: float) -> None:
        """Take a step through the pipeline that is getting ready; emit its bins, and that it is ready."""
        is_ready = self.pipelines.is_joining_ready
        for each in _taken(pipeline, step):
            self._emit(BinClosed(each, time.monotonic() - due, step.is_stepped))
            is_ready |= each.outputs[pipeline.champion.model.name].ready
        if is_ready and not self.pipelines.is_joining_ready:
            self.pipelines.is_joining_ready = True
            self._emit(PipelineReady(pipeline.number))

    def _observe(self, step: FeedStep) -> None:
        observed = self._observer.observe(step)
        if observed != self._observed:
            self._observed = observed
            self._emit(observed)


def _taken(pipeline: Pipeline, step: FeedStep) -> Iterator[PipelineBin]:
    """Yield the bins that a step finishes in a pipeline."""
    if pipeline.facts.bins is not None:
        return pipeline.take_bins(step.bins, step.events)
    return pipeline.take(step.events, step.complete_to_ns)
