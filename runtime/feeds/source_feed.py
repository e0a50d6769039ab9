"""The feed of a source: a file's events, or a simulated market's, as if they happened now.

Its bins begin with the first record that is no part of a snapshot, or `history_s` before `start`; everything before
that is handed out at once and warms the book up. Bins before `start`, and those before the first with a valid book, are
due at once too. From then on time goes on with the clock whether anything happens or not, bin by bin, so that bins
close when they end. A silence is waited through for `longest_wait_s` at most: then the rest of it, such as the night
between two sessions, is stepped through without waiting; and so is a span without a valid book (`sight.py`), such as a
pre-open. Its bins come out all the same.

Neither the speed nor the steps change a bin: they are those of a dataset that is built from the source.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed import NO_EVENTS, FeedContext, FeedFacts, FeedStep
from runtime.feeds.pace import Pace, SpanReplayParameters, require_in_range, step_bins
from runtime.feeds.sight import BookWatch, Sight
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
            is_paced = self._replay.factor is not None
            watch = BookWatch(self.facts, self._width_ns // NANOSECONDS_PER_MS) if is_paced else None
            for events in self._warm_up(watch):
                if stop.is_set():
                    return
                yield FeedStep(events, None, "live")
            yield from self._paced(watch, stop)
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

    def _warm_up(self, watch: BookWatch | None) -> Iterator[NDArray[np.void]]:
        """Yield what comes before the first bin, which `watch` takes in too; that bin's start is where time begins."""
        ahead, start_ns = self._ahead, self.facts.start_ns
        while start_ns is None and ahead.next_ns() is not None:
            start_ns = ahead.flow_ns()
            if start_ns is None:
                yield _watched(watch, ahead.take_chunk())
        if start_ns is not None:
            self._begin_ns, has_begun = self._edge_ns(start_ns), False
            for events in ahead.take(self._begin_ns):
                has_begun = True
                yield _watched(watch, events)
            if not has_begun and (next_ns := ahead.next_ns()) is not None:
                self._begin_ns = max(self._begin_ns, self._edge_ns(next_ns))  # nothing lies before what there is
        if ahead.next_ns() is None:
            raise SourceError("the source holds nothing but what comes before its first bin; check feed.start")

    def _paced(self, watch: BookWatch | None, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield what comes from the first bin on to the bin of the last event, a window of some bins after another.

        In a window it is known which bins have a valid book: those that have none may have to be stepped through.
        """
        ahead, edge_ns, width_ns, replay = self._ahead, self._begin_ns, self._width_ns, self._replay
        pace, active_ns = Pace(self._clock, replay.factor, edge_ns), edge_ns
        sight = Sight(replay.longest_wait_s, replay.factor, width_ns // NANOSECONDS_PER_MS)
        start_ns = edge_ns if self._start_ns is None else self._edge_ns(self._start_ns)
        while ahead.next_ns() is not None or edge_ns <= ahead.latest_ns:
            end_ns, latest_ns = edge_ns + step_bins(width_ns) * width_ns, ahead.latest_ns
            events = np.concatenate([NO_EVENTS, *ahead.take(end_ns)])
            window = EventsInTime(iter([events]), latest_ns)
            if ahead.next_ns() is None:  # the bin of the last event is the last one
                end_ns = min(end_ns, self._edge_ns(ahead.latest_ns) + width_ns)
            valid = events["ts_ns"][:0] if watch is None else watch.valid_starts_ns(events, end_ns)
            while edge_ns < end_ns:
                next_ns = window.next_ns() or ahead.next_ns() or edge_ns
                is_stepped = pace.pass_over(edge_ns - active_ns, replay.longest_wait_s, next_ns)
                due_ns = self._edge_ns(min(pace.now_ns(), end_ns))
                if watch is not None and (edge_ns < start_ns or sight.is_blind(edge_ns)):
                    at = int(np.searchsorted(valid, edge_ns))
                    due_ns = min(end_ns, max(start_ns, int(valid[at]) if at < len(valid) else end_ns))
                    pace, is_stepped = Pace(self._clock, replay.factor, due_ns), True
                    if due_ns <= edge_ns:
                        sight.saw(edge_ns)  # from here on it keeps pace
                        active_ns = max(active_ns, edge_ns)
                        continue
                if due_ns <= edge_ns:
                    if pace.wait_for(edge_ns + width_ns, stop):
                        return
                    continue
                if stop.is_set():
                    return
                taken = np.concatenate([NO_EVENTS, *window.take(due_ns)])
                yield FeedStep(taken, due_ns, "live", is_stepped=is_stepped)
                for begin_ns in valid[np.searchsorted(valid, edge_ns) : np.searchsorted(valid, due_ns)].tolist():
                    sight.saw(begin_ns + width_ns)
                edge_ns, active_ns = due_ns, max(active_ns, window.latest_ns)
        if watch is not None and not sight.seen_ns and replay.loop:
            pace.rest(replay.longest_wait_s, stop)  # there never was a book: the next pass would begin at once


def _watched(watch: BookWatch | None, events: NDArray[np.void]) -> NDArray[np.void]:
    """Return events that `watch` has taken in."""
    if watch is not None:
        watch.valid_starts_ns(events)
    return events
