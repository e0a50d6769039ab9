"""The observer of a feed: its state, the time of its last event, and how many events came too late for their bin."""

import numpy as np

from runtime.engine.bridge import FeedObserved
from runtime.feeds.feed import FeedStep
from vpharness.events.mbo_event import FLAG_SNAPSHOT


class FeedObserver:
    """Tracks the state of a feed, step by step."""

    def __init__(self) -> None:
        """Begin before the first step."""
        self._last_event_ns: int | None = None
        self._complete_ns = self._late_events = 0

    def restart(self) -> None:
        """Let time begin anew, as the feed does: no event is late any more; the count goes on."""
        self._complete_ns = 0

    def observe(self, step: FeedStep) -> FeedObserved:
        """Take in a step, and return what is known of the feed after it."""
        if len(step.events):
            times = step.events["ts_ns"]
            self._last_event_ns = int(times.max())
            # A snapshot restates resting orders from long ago, which are not late.
            is_flow = (step.events["flags"] & FLAG_SNAPSHOT) == 0
            self._late_events += int(np.count_nonzero(is_flow & (times < self._complete_ns)))
        if step.complete_to_ns is not None:
            self._complete_ns = step.complete_to_ns
        return FeedObserved(step.state, self._late_events, self._last_event_ns)
