"""The pace of a replay: up to which recorded time events are due by now."""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from runtime.feeds.feed_clock import FeedClock
from vpharness.config.time_parsing import parse_time_ns
from vpharness.errors import ConfigError
from vpharness.events.times import SECOND_NS, time_text
from vpharness.parameters import parameter, problems

MAX_SPEED: Final = "max"
_STEP_BINS: Final = 32
_STEP_NS: Final = 3600 * SECOND_NS

_HIGHEST_SPEED: Final = 1e6
_EVER_NS: Final = 2**63 - 1


@dataclass(frozen=True)
class ReplayParameters:
    """Parameters that all replayed feeds have in common."""

    speed: str = parameter("1", meaning="a multiple of real time, such as 1 or 10, or max")
    loop: bool = parameter(True, meaning="start again at the end")
    longest_wait_s: float = parameter(
        5.0,
        meaning="longest wait in a silence; the rest of it is stepped through, and its bins close at once",
        unit="s",
        minimum=1.0,
    )

    def relations(self) -> Iterator[str]:
        """Yield an error for an invalid speed."""
        if self.speed != MAX_SPEED and not 0 < _number(self.speed) <= _HIGHEST_SPEED:
            yield f"speed is {self.speed!r}; it must be a number above 0, up to {_HIGHEST_SPEED:g}, or {MAX_SPEED}"

    @property
    def factor(self) -> float | None:
        """The speed as a number; None for as fast as possible."""
        return None if self.speed == MAX_SPEED else _number(self.speed)


@dataclass(frozen=True)
class SpanReplayParameters(ReplayParameters):
    """A replay of a span of what there is."""

    start: str | None = parameter(None, meaning="where it begins to keep pace: ISO 8601 with zone, or ns since 1970")
    end: str | None = parameter(None, meaning="end of the span: ISO 8601 with zone, or ns since 1970")
    history_s: float = parameter(
        120.0,
        meaning="how much before feed.start is stepped through at once, so that page and models begin with a history",
        unit="s",
        minimum=0.0,
        maximum=86_400.0,
    )

    @property
    def history_ns(self) -> int:
        """How much before the start is stepped through, ns."""
        return round(self.history_s * SECOND_NS)

    def span_ns(self) -> tuple[int | None, int | None]:
        """Return start and end in ns; a ConfigError says what is wrong with them."""
        start_ns, end_ns = parse_time_ns(self.start, "feed.start"), parse_time_ns(self.end, "feed.end")
        if start_ns is not None and end_ns is not None and start_ns >= end_ns:
            raise ConfigError(
                f"feed.start is {time_text(start_ns)} and feed.end is {time_text(end_ns)}; start must lie before end"
            )
        return start_ns, end_ns


def require_in_range(parameters: ReplayParameters) -> None:
    """Raise ConfigError, naming everything at once, where parameters of the group `feed` are out of range."""
    if found := problems(parameters, "feed."):
        raise ConfigError("; ".join(found))


def step_bins(cell_width_ns: int) -> int:
    """Return the most bins that one step completes: a few are on the way at once, and `stop` is looked at in between.

    They span an hour at most, or a single bin: a session takes time that leaps for a clock that is wrong.
    """
    return max(1, min(_STEP_BINS, _STEP_NS // cell_width_ns))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


class Pace:
    """A clock that runs `speed` times as fast as the one it is made from, beginning at a moment of what is replayed."""

    def __init__(self, clock: FeedClock, speed: float | None, moment_ns: int) -> None:
        """Begin now; with the speed None every moment is due."""
        self._clock, self._speed = clock, speed
        self._moment_ns, self._at_ns = moment_ns, clock.running_ns()

    def now_ns(self) -> int:
        """Return the latest moment that is due."""
        if self._speed is None:
            return _EVER_NS
        return self._moment_ns + int((self._clock.running_ns() - self._at_ns) * self._speed)

    def wait_for(self, moment_ns: int, stop: threading.Event) -> bool:
        """Wait for a moment, or less; return whether `stop` is set."""
        seconds = 0.0 if self._speed is None else (moment_ns - self.now_ns()) / (SECOND_NS * self._speed)
        return stop.is_set() if seconds <= 0 else self._clock.wait(stop, seconds)

    def rest(self, seconds: float, stop: threading.Event) -> None:
        """Wait for so long: before a pass in which nothing was waited for begins again."""
        until_ns = self._clock.running_ns() + round(seconds * SECOND_NS)
        while (left_ns := until_ns - self._clock.running_ns()) > 0:
            if self._speed is None or self._clock.wait(stop, left_ns / SECOND_NS):
                return

    def pass_over(self, silent_ns: int, longest_wait_s: float, moment_ns: int) -> bool:
        """Make a moment due now, where the silence before it has lasted longer than the longest wait; return whether.

        `silent_ns` is how long nothing has happened, in the time of what is replayed.
        """
        if self._speed is None or silent_ns < longest_wait_s * SECOND_NS * self._speed:
            return False
        if moment_ns > self.now_ns():
            self._moment_ns, self._at_ns = moment_ns, self._clock.running_ns()
        return True
