"""The health of the feed: its state, and counts of closed, late and recent bins."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

RECENT_SECONDS: Final = 10.0
"""The span over which the rate of bins and recent deadline misses are counted."""

_MOST_RECENT: Final = 100_000


@dataclass
class FeedHealth:
    """Counts and times from which readiness, status and metrics are derived.

    Attributes:
        state: of the feed (`runtime.feeds.feed.State`).
        problem: why the feed has ended, where it did not simply end, or what is known to be wrong with it.
        last_bin_at: when the last bin came, by the monotonic clock.
        bins: since the server began.
        deadline_misses: bins of a live feed that were closed too late, since then.
        late_bins: the same of a replay, which is no fault: a replay may be asked for more than the machine can do.
        recent_bins, recent_misses: when they came, as far back as RECENT_SECONDS.
    """

    state: str = "connecting"
    problem: str | None = None
    late_events: int = 0
    last_event_ns: int | None = None
    last_bin_at: float | None = None
    last_bin_end_ns: int | None = None
    bins: int = 0
    deadline_misses: int = 0
    late_bins: int = 0
    recent_bins: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_RECENT))
    recent_misses: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_RECENT))

    def count(self, now: float, *, is_late: bool, is_live: bool, bin_end_ns: int) -> None:
        """Count a bin of a live feed or of a replay."""
        self.last_bin_at, self.last_bin_end_ns = now, bin_end_ns
        self.bins += 1
        self.recent_bins.append(now)
        if is_late and is_live:
            self.deadline_misses += 1
            self.recent_misses.append(now)
        elif is_late:
            self.late_bins += 1

    def forget(self, now: float) -> None:
        """Drop the times that are no longer recent."""
        for times in (self.recent_bins, self.recent_misses):
            while times and times[0] < now - RECENT_SECONDS:
                times.popleft()
