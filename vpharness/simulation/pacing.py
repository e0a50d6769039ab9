"""The pace of a replay: when each bin is due, and how the server recovers from a stall of the feed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True)
class CatchUp:
    """The recovery from a stall.

    Attributes:
        stall_s: how long the feed stood still.
        bins_at_once: bins that were due when it went on.
        level_after_ms: from then until no bin was overdue any more; None where that was not before the data ended.
        worst_behind_ms: the longest from when a bin was due to its frame, the stall included.
        worst_behind_bins: that in bins.
    """

    stall_s: float
    bins_at_once: int
    level_after_ms: float | None
    worst_behind_ms: float
    worst_behind_bins: int


class Schedule:
    """The times at which the bins of a replay are due: at a speed, or as soon as the one before is done.

    With a stall of `stall_s` seconds the feed stands still at the bin `stall_at`. In a replay without a pace nothing
    would be due meanwhile: there the bins come at the pace in which they happened from the stall until it is made up
    for, and the time of standing still is not waited through.
    """

    def __init__(
        self,
        cell_width_ms: int,
        speed: float | None,
        stall_s: float,
        stall_at: int,
        *,
        now_ns: Callable[[], int] = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Create the schedule with a clock (`now_ns`) and a way to wait (`sleep`, seconds)."""
        self._now_ns, self._sleep = now_ns, sleep
        self._speed, self._stall_ns, self._stall_at = speed, round(stall_s * SECOND_NS), stall_at
        self._period_ns = round(cell_width_ms * 1_000_000 / (speed or 1.0))
        self._first_due_ns: int | None = None
        self._went_on_ns: int | None = None
        self._level_ns: int | None = None
        self._worst_ns = 0

    @property
    def bins_at_once(self) -> int:
        """The number of bins that are due when a stall ends."""
        return self._stall_ns // self._period_ns

    @property
    def is_catching_up(self) -> bool:
        """Whether a stall has not been made up for yet."""
        return self._went_on_ns is not None and self._level_ns is None

    def wait(self, number: int) -> None:
        """Wait until the bin `number` is due, and through the stall where it is at this bin."""
        if number == 0 and self._speed is not None:
            self._first_due_ns = self._now_ns()
        due_ns = self._due_ns(number)
        if due_ns is not None:
            self._wait_until(due_ns)
        if number == self._stall_at and self._stall_ns:
            if due_ns is not None:
                self._wait_until(due_ns + self._stall_ns)
            else:
                self._first_due_ns = self._now_ns() - self._stall_ns - number * self._period_ns
            self._went_on_ns = self._now_ns()

    def done(self, number: int) -> int | None:
        """Record that the frame of a bin is ready; return how long it had been due, ns; None without a pace."""
        due_ns, now_ns = self._due_ns(number), self._now_ns()
        if due_ns is None:
            return None
        if self.is_catching_up:
            self._worst_ns = max(self._worst_ns, now_ns - due_ns)
            if now_ns <= due_ns + self._period_ns:
                self._level_ns = now_ns
                if self._speed is None:
                    self._first_due_ns = None
        return now_ns - due_ns

    def catch_up(self) -> CatchUp | None:
        """Return the recovery from the stall; None where there was none."""
        if self._went_on_ns is None:
            return None
        level_ms = None if self._level_ns is None else (self._level_ns - self._went_on_ns) / 1e6
        return CatchUp(
            self._stall_ns / SECOND_NS,
            self.bins_at_once,
            level_ms,
            self._worst_ns / 1e6,
            self._worst_ns // self._period_ns,
        )

    def _due_ns(self, number: int) -> int | None:
        return None if self._first_due_ns is None else self._first_due_ns + number * self._period_ns

    def _wait_until(self, moment_ns: int) -> None:
        self._sleep(max(0, moment_ns - self._now_ns()) / SECOND_NS)
