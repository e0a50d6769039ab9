"""How the feed and the engine are doing."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

RECENT_SECONDS: Final = 10.0
"""How far back the rate of bins and recent deadline misses look."""

_MOST_RECENT: Final = 100_000


@dataclass
class Condition:
    """How the feed and the engine are doing.

    Attributes:
        state: of the feed (`runtime.feeds.feed.State`).
        problem: why it has ended, where it did not simply end, or what is known to be wrong with it before.
        last_bin_at: when the last bin came, by the monotonic clock.
        bins, deadline_misses: since the server began.
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
    recent_bins: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_RECENT))
    recent_misses: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_RECENT))

    def count(self, now: float, *, is_miss: bool, bin_end_ns: int) -> None:
        """Count a bin."""
        self.last_bin_at, self.last_bin_end_ns = now, bin_end_ns
        self.bins += 1
        self.recent_bins.append(now)
        if is_miss:
            self.deadline_misses += 1
            self.recent_misses.append(now)

    def forget(self, now: float) -> None:
        """Leave behind what is no longer recent."""
        for times in (self.recent_bins, self.recent_misses):
            while times and times[0] < now - RECENT_SECONDS:
                times.popleft()
