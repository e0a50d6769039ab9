"""The clock that feeds are paced by. Tests give them one of their own, and never sleep."""

import threading
import time
from typing import Final, Protocol

LONGEST_WAIT_S: Final = 0.1
"""Waits are cut to this: so soon a feed looks again at what it waits for, and at whether it shall stop."""


class FeedClock(Protocol):
    """The time of a feed, and the waiting for it."""

    def now_ns(self) -> int:
        """Return the time of day, in ns since the epoch, UTC; it may be set, back too."""
        ...

    def running_ns(self) -> int:
        """Return a time in ns that only ever goes on, from wherever: for durations."""
        ...

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait for `seconds` or less, unless `stop` is set; return whether it is."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Return the time of day."""
        return time.time_ns()

    def running_ns(self) -> int:
        """Return the time since the machine was started."""
        return time.monotonic_ns()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait, at most LONGEST_WAIT_S."""
        return stop.wait(max(0.0, min(seconds, LONGEST_WAIT_S)))
