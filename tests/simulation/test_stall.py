"""A schedule says when bins are due, and after a stall how long it takes to be level again; time is the test's own."""

from dataclasses import dataclass, field

import pytest

from vpharness.simulation.pacing import Schedule

MS = 1_000_000


@dataclass
class Time:
    """A time that passes when it is told to."""

    now: int = 7_000 * MS
    slept_ms: list[float] = field(default_factory=list)

    def now_ns(self) -> int:
        """Return it."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.slept_ms.append(round(seconds * 1e3, 6))
        self.now += round(seconds * 1e9)


def replayed(schedule: Schedule, clock: Time, bins: int, work_ms: int) -> list[int | None]:
    """Work for some time at each bin; return for how long each had been due when it was done, ms."""
    overdue = []
    for number in range(bins):
        schedule.wait(number)
        clock.now += work_ms * MS
        late_ns = schedule.done(number)
        overdue.append(None if late_ns is None else late_ns // MS)
    return overdue


def schedule_of(clock: Time, speed: float | None, stall_s: float, stall_at: int) -> Schedule:
    """Return a schedule of bins of 100 ms."""
    return Schedule(100, speed, stall_s, stall_at, now_ns=clock.now_ns, sleep=clock.sleep)


def test_as_fast_as_possible_nothing_is_due_and_nothing_waits() -> None:
    """Bins follow one another."""
    clock = Time()
    schedule = schedule_of(clock, None, 0.0, 5)
    assert replayed(schedule, clock, 20, work_ms=3) == [None] * 20
    assert (clock.now, clock.slept_ms, schedule.catch_up()) == (7_060 * MS, [], None)


@pytest.mark.parametrize(("speed", "period_ms"), [(1.0, 100), (10.0, 10)])
def test_at_a_pace_each_bin_is_due_a_period_after_the_one_before(speed: float, period_ms: int) -> None:
    """However long the work takes, as long as it is shorter."""
    clock = Time()
    assert replayed(schedule_of(clock, speed, 0.0, 5), clock, 20, work_ms=3) == [3] * 20
    assert clock.now == (7_000 + 19 * period_ms + 3) * MS


def test_work_that_is_too_slow_falls_behind_further_and_further() -> None:
    """A bin that waits for the one before is overdue by that as well."""
    clock = Time()
    assert replayed(schedule_of(clock, 10.0, 0.0, 5), clock, 4, work_ms=13) == [13, 16, 19, 22]


def test_a_stall_at_a_pace_is_waited_through_and_made_up_for() -> None:
    """Bins 5 to 9 and the one due at its end: six bins of 20 ms of work, and level when no bin is overdue."""
    clock = Time()
    schedule = schedule_of(clock, 1.0, 0.5, 5)
    overdue = replayed(schedule, clock, 20, work_ms=20)
    # Each bin makes up for 80 ms; at the seventh what is overdue is no longer than a period.
    assert overdue == [20] * 5 + [520, 440, 360, 280, 200, 120, 40] + [20] * 8
    found = schedule.catch_up()
    assert found is not None
    assert (found.stall_s, found.bins_at_once, found.level_after_ms) == (0.5, 5, 140.0)
    assert (found.worst_behind_ms, found.worst_behind_bins) == (520.0, 5)


def test_a_stall_without_a_pace_is_the_same_but_is_not_waited_through() -> None:
    """The bins come at once, those behind them when they happen, and then all as fast as before."""
    clock = Time()
    schedule = schedule_of(clock, None, 0.5, 5)
    overdue = replayed(schedule, clock, 20, work_ms=20)
    assert overdue == [None] * 5 + [520, 440, 360, 280, 200, 120, 40] + [None] * 8
    found = schedule.catch_up()
    assert found is not None
    assert (found.level_after_ms, found.worst_behind_ms, found.bins_at_once) == (140.0, 520.0, 5)
    assert sum(clock.slept_ms) == 0.0


def test_a_stall_that_is_not_made_up_for_before_the_data_end_says_so() -> None:
    """Nothing is made of what was not seen."""
    clock = Time()
    schedule = schedule_of(clock, None, 0.5, 5)
    replayed(schedule, clock, 8, work_ms=20)
    found = schedule.catch_up()
    assert found is not None
    assert (found.level_after_ms, found.worst_behind_ms) == (None, 520.0)
