"""Event times: the range that is possible, the longest gap allowed, and their text form."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from vpharness.errors import SourceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECOND_NS: Final = 1_000_000_000
_DAY_S: Final = 86_400
LATEST_NS: Final = 7_258_118_400 * SECOND_NS
"""The year 2200: what lies behind it is no time of an event."""


EXCHANGE_ZONE: Final = ZoneInfo("America/New_York")
"""Where the days of American stock exchanges begin."""


def midnight_ns(day: date) -> int:
    """Return the time at which a day begins in New York, in ns since the epoch."""
    return int(datetime(day.year, day.month, day.day, tzinfo=EXCHANGE_ZONE).timestamp()) * SECOND_NS


def time_text(time_ns: int) -> str:
    """Return a time as ISO 8601 to the millisecond."""
    return datetime.fromtimestamp(time_ns // 1_000_000 / 1000, UTC).isoformat(timespec="milliseconds")


def latest_time(
    times: "NDArray[Any]",
    latest_ns: int | None,
    longest_gap_ns: int,
    name: Callable[[int], str],
    advice: str,
    start_ns: int | None = 0,
) -> int | None:
    """Return the latest time of a feed after its next events, after checking that their times are possible.

    Every bin of a gap is written or served, so a gap that is too long is two feeds, or a broken clock.

    Args:
        times: [n] int64, ns, in the order of the feed; they may run backwards.
        latest_ns: the latest time before them; None before the first event.
        longest_gap_ns: the longest that a feed may be silent.
        name: from a place in `times` to what an error calls it.
        advice: what to do about a gap.
        start_ns: a gap counts from here on alone; None where nothing has started yet.

    Raises SourceError at a time before 1970 or after 2200, and at a gap that is longer.
    """
    import numpy as np  # noqa: PLC0415  # commands that only write a time should not wait for it

    if not len(times):
        return latest_ns
    impossible = np.flatnonzero((times < 0) | (times > LATEST_NS))
    if len(impossible):
        index = int(impossible[0])
        raise SourceError(f"{name(index)} has the time {times[index]} ns; expected one from 1970 to 2200")
    first = int(times[0]) if latest_ns is None else latest_ns
    latest = np.maximum.accumulate(np.concatenate(([first], times)))
    gaps = np.diff(np.maximum(latest, LATEST_NS if start_ns is None else start_ns))
    widest = int(np.argmax(gaps))
    if gaps[widest] > longest_gap_ns:
        before, after = time_text(int(latest[widest])), time_text(int(latest[widest + 1]))
        raise SourceError(
            f"{name(widest)} comes {_duration(int(gaps[widest]))} after the one before it, at {after} after {before}; "
            f"a gap of at most {_duration(longest_gap_ns)} is expected: {advice}"
        )
    return int(latest[-1])


def _duration(duration_ns: int) -> str:
    seconds = duration_ns / SECOND_NS
    return f"{seconds / _DAY_S:.1f} days" if seconds >= _DAY_S else f"{seconds / 3600:.1f} hours"
