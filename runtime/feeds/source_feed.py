"""The feed of a source: a file's events, or a simulated market's, as if they happened now.

Its bins begin with the first record that is no part of a snapshot, or `history_s` before `start`; everything before
that is handed out at once and warms the book up. Nor is anything waited for before the first bin with a valid book, and
before `start`: there time begins. From then on it goes on with the clock whether anything happens or not, bin by bin,
so that bins close when they end. A silence is waited through for `longest_wait_s` at most: then the rest of it, such as
the night between two sessions, is stepped through without waiting. Its bins come out all the same.

Neither the speed nor the steps change a bin: they are those of a dataset that is built from the source.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed import NO_EVENTS, FeedContext, FeedFacts, FeedStep
from runtime.feeds.opening import BookWatch, opening_steps
from runtime.feeds.pace import Pace, SpanReplayParameters, require_in_range, step_bins
from vpharness.datasets.intake import Intake, taken_in
from vpharness.errors import ConfigError, SourceError
from vpharness.events.event_source import Source
from vpharness.events.in_time import EventsInTime
from vpharness.prices import tick_size_to_price

NANOSECONDS_PER_MS = 1_000_000


@dataclass(frozen=True)
class SourceReplayParameters(SpanReplayParameters):
    """Replay the source of the group `source`."""

    @contextmanager
    def open(self, context: FeedContext) -> Iterator["SourceFeed"]:
        """Open the source and read its first events."""
        require_in_range(self)
        if context.source is None:
            raise ConfigError("feed=source needs a source: source=dbn, lobster, itch, bitstamp, synthetic, or your own")
        with ExitStack() as stack:
            yield SourceFeed(self, context, context.source, stack)


class SourceFeed:
    """A source that is open."""

    def __init__(self, replay: SourceReplayParameters, context: FeedContext, source: Source, stack: ExitStack) -> None:
        """Open the source, and have `stack` close it."""
        self._replay, self._source, self._stack = replay, source, stack
        self._clock, self._width_ns = context.clock, context.cell_width_ms * NANOSECONDS_PER_MS
        self._start_ns, self._end_ns = replay.span_ns()
        self.facts = FeedFacts(
            kind="source",
            instrument="",
            tick_size=source.tick_size,
            size_unit=1.0,
            default_evict_crossed_ms=source.default_evict_crossed_ms,
            live=False,
            speed=replay.factor,
            start_ns=None if self._start_ns is None else self._start_ns - replay.history_ns,
        )
        self._ahead = self._opened()

    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield the source's events when they are due."""
        while not stop.is_set():
            watch = BookWatch(self.facts, self._width_ns // NANOSECONDS_PER_MS)
            for events in self._warm_up(watch):
                if stop.is_set():
                    return
                yield FeedStep(events, None, "live")
            yield from self._opening(watch, stop)
            yield from self._paced(stop)
            if stop.is_set():
                return
            if not self._replay.loop:
                yield FeedStep(NO_EVENTS, None, "ended")
                return
            self._ahead = self._opened()
            yield FeedStep(NO_EVENTS, None, "restarted")

    def _opened(self) -> EventsInTime:
        """Open the source, from its beginning, in place of the one that is open."""
        self._stack.close()
        stream = self._stack.enter_context(self._source.open())
        self.facts = replace(self.facts, instrument=stream.instrument, size_unit=stream.size_unit)
        ahead = EventsInTime(taken_in(stream, Intake(tick_size_to_price(self._source.tick_size), self._end_ns)))
        if ahead.next_ns() is None:
            raise SourceError("the source holds no events before the end of the span: expected market-by-order events")
        return ahead

    def _edge_ns(self, time_ns: int) -> int:
        """Return the start of the bin that a time lies in."""
        return time_ns // self._width_ns * self._width_ns

    def _warm_up(self, watch: BookWatch) -> Iterator[NDArray[np.void]]:
        """Yield what comes before the first bin, which `watch` takes in too; that bin's start is where time begins."""
        ahead, start_ns = self._ahead, self.facts.start_ns
        while start_ns is None and ahead.next_ns() is not None:
            start_ns = ahead.flow_ns()
            if start_ns is None:
                events = ahead.take_chunk()
                watch.first_bin_ns(events)
                yield events
        if start_ns is not None:
            self._begin_ns, has_begun = self._edge_ns(start_ns), False
            for events in ahead.take(self._begin_ns):
                has_begun = True
                watch.first_bin_ns(events)
                yield events
            if not has_begun and (next_ns := ahead.next_ns()) is not None:
                self._begin_ns = max(self._begin_ns, self._edge_ns(next_ns))  # nothing lies before what there is
        if ahead.next_ns() is None:
            raise SourceError("the source holds nothing but what comes before its first bin; check feed.start")

    def _opening(self, watch: BookWatch, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield what comes before there is a book to see, and the history before the start, all of it due at once."""
        ahead, width_ns = self._ahead, self._width_ns
        step_ns = step_bins(width_ns) * width_ns
        if self._replay.factor is None:
            return
        for step in opening_steps(ahead, watch, self._begin_ns, step_ns, width_ns):
            if stop.is_set():
                return
            self._begin_ns = step.complete_to_ns or self._begin_ns
            yield step
        start_ns = self._begin_ns if self._start_ns is None else self._edge_ns(self._start_ns)
        while self._begin_ns < start_ns and ahead.next_ns() is not None and not stop.is_set():
            self._begin_ns = min(self._begin_ns + step_ns, start_ns)
            yield FeedStep(np.concatenate([NO_EVENTS, *ahead.take(self._begin_ns)]), self._begin_ns, "live")

    def _paced(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield what comes from where time begins on to the bin of the last event."""
        ahead, edge_ns, width_ns = self._ahead, self._begin_ns, self._width_ns
        pace, active_ns = Pace(self._clock, self._replay.factor, edge_ns), edge_ns
        if ahead.next_ns() is None and edge_ns > ahead.latest_ns and self._replay.loop:
            pace.rest(self._replay.longest_wait_s, stop)  # there never was a book
        while (next_ns := ahead.next_ns()) is not None or edge_ns <= ahead.latest_ns:
            if next_ns is not None:
                pace.pass_over(edge_ns - active_ns, self._replay.longest_wait_s, next_ns)
            due_ns = self._edge_ns(min(pace.now_ns(), edge_ns + step_bins(width_ns) * width_ns))
            if due_ns <= edge_ns:
                if pace.wait_for(edge_ns + width_ns, stop):
                    return
                continue
            if stop.is_set():
                return
            held = NO_EVENTS
            for events in ahead.take(due_ns):
                if len(held):
                    yield FeedStep(held, None, "live")
                held = events
            if ahead.next_ns() is None:  # the bin of the last event is the last one
                due_ns = min(due_ns, self._edge_ns(ahead.latest_ns) + width_ns)
            yield FeedStep(held, due_ns, "live")
            edge_ns, active_ns = due_ns, max(active_ns, ahead.latest_ns)
