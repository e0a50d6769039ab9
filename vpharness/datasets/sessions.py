"""Trading sessions: the opening and closing instants of each day, in UTC, from local times, weekdays and a calendar.

A session opens and closes at local times of a time zone; a close at or before the open is the next day's. It is named
after its trading date, the local date on which its last instant lies: what opens on Sunday at 17:00 in Chicago and
closes on Monday at 16:00 is Monday's. Weekdays, and an exchange's calendar of holidays and half days, are those of the
trading date. Local times become UTC with the rules that the zone has on that very day, so a session that spans a change
of the clocks is an hour shorter or longer. A local time that the clocks pass twice is the first of the two; one that
they leave out counts as if they had not been changed yet.
"""

import datetime
import functools
import re
import warnings
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vpharness.errors import ConfigError
from vpharness.events.times import SECOND_NS
from vpharness.parameters import parameter

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_ONE_DAY: Final = datetime.timedelta(days=1)
_LOCAL_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)


@dataclass(frozen=True)
class SessionParameters:
    """How a stream of events is cut into sessions; without times, each file is one."""

    open: str | None = parameter(None, meaning="local time at which a session opens (default: a file is a session)")
    close: str | None = parameter(
        None, meaning="local time at which it closes, on the next day where it is not after the open"
    )
    timezone: str = parameter("UTC", meaning="time zone of these times, such as America/New_York")
    days: list[str] = parameter(
        list(WEEKDAYS), meaning="weekdays of sessions, by the date at their close", choices=WEEKDAYS
    )
    calendar: str | None = parameter(
        None, meaning="calendar of exchange_calendars, such as XNYS: no sessions on holidays, half days close early"
    )
    tolerance_minutes: float = parameter(
        15.0,
        meaning="how long data may begin after a session's open, or end before its close; else it is left out",
        unit="min",
        minimum=0,
        maximum=1440,
    )

    @property
    def by_file(self) -> bool:
        """Whether each file is a session."""
        return self.open is None

    def relations(self) -> Iterator[str]:
        """Yield a sentence for each relation between parameters that does not hold."""
        if (self.open is None) != (self.close is None):
            given, missing = ("open", "close") if self.close is None else ("close", "open")
            yield f"{given} was given without {missing}; a session needs both, or neither: then each file is one"
        for name, text in (("open", self.open), ("close", self.close)):
            if text is not None and _local_time(text) is None:
                yield f"{name} is {text!r}; it must be a local time from 00:00 to 23:59:59, such as 09:30"
        if not self.days:
            yield "days is empty; name at least one weekday, such as [mon,tue]"
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            yield f"timezone is {self.timezone!r}; it must be a time zone's name, such as America/Chicago"
        if self.by_file and self.calendar is not None:
            yield f"calendar is {self.calendar} and there is no open; give open and close, or leave it out"


@dataclass(frozen=True)
class Session:
    """A session: its trading date as its name, and its span [open, close) in ns since the epoch, UTC."""

    name: str
    open_ns: int
    close_ns: int


def sessions_between(parameters: SessionParameters, first_ns: int, last_ns: int) -> list[Session]:
    """Return the sessions that share time with the span [first_ns, last_ns], in the order of time.

    Raises ConfigError where the calendar is unknown or does not reach so far.
    """
    zone = zoneinfo.ZoneInfo(parameters.timezone)
    first = (_EPOCH + datetime.timedelta(seconds=first_ns // SECOND_NS)).astimezone(zone).date() - 2 * _ONE_DAY
    last = (_EPOCH + datetime.timedelta(seconds=last_ns // SECOND_NS)).astimezone(zone).date() + 2 * _ONE_DAY
    hours = _calendar_hours(parameters.calendar, first.year, last.year) if parameters.calendar is not None else None
    found = []
    day = first
    while day <= last:
        session = _session_opening_on(parameters, zone, day, hours)
        if session is not None and session.open_ns <= last_ns and session.close_ns > first_ns:
            found.append(session)
        day += _ONE_DAY
    return found


def _session_opening_on(
    parameters: SessionParameters,
    zone: zoneinfo.ZoneInfo,
    day: datetime.date,
    hours: Mapping[str, tuple[int, int]] | None,
) -> Session | None:
    """Return the session that opens on a local day, or None where there is none."""
    opens, closes = _local_time(parameters.open or ""), _local_time(parameters.close or "")
    assert opens is not None  # noqa: S101  # checked with the parameters
    assert closes is not None  # noqa: S101
    close_day = day if closes > opens else day + _ONE_DAY
    # A session until midnight has its last instant on the day before.
    date = close_day - _ONE_DAY if closes == datetime.time() else close_day
    if WEEKDAYS[date.weekday()] not in parameters.days:
        return None
    open_ns, close_ns = _utc_ns(day, opens, zone), _utc_ns(close_day, closes, zone)
    if hours is not None:
        if date.isoformat() not in hours:
            return None
        exchange_open_ns, exchange_close_ns = hours[date.isoformat()]
        open_ns, close_ns = max(open_ns, exchange_open_ns), min(close_ns, exchange_close_ns)
    return Session(date.isoformat(), open_ns, close_ns) if open_ns < close_ns else None


def _local_time(text: str) -> datetime.time | None:
    """Return a time of day such as 9:30 or 16:00:00; None for any other text."""
    found = _LOCAL_TIME.fullmatch(text)
    try:
        return None if found is None else datetime.time(int(found[1]), int(found[2]), int(found[3] or 0))
    except ValueError:
        return None


def _utc_ns(day: datetime.date, time: datetime.time, zone: zoneinfo.ZoneInfo) -> int:
    """Return the instant of a local time, ns since the epoch."""
    moment = datetime.datetime.combine(day, time, zone).astimezone(datetime.UTC)
    return round((moment - _EPOCH).total_seconds()) * SECOND_NS


@functools.lru_cache(maxsize=8)
def _calendar_hours(
    name: str, first_year: int, last_year: int, key: str = "session.calendar"
) -> Mapping[str, tuple[int, int]]:
    """Return when an exchange opens and closes, UTC ns, on each of its trading dates of some whole years.

    Raises ConfigError for a calendar that there is not, or that does not reach so far.
    """
    from exchange_calendars import get_calendar, get_calendar_names  # noqa: PLC0415  # imports pandas
    from exchange_calendars.errors import CalendarError, InvalidCalendarName  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            # What its own code may no longer ask of pandas is nothing that a user can mend.
            warnings.simplefilter("ignore", DeprecationWarning)
            calendar = get_calendar(name, start=f"{first_year}-01-01", end=f"{last_year}-12-31")
    except InvalidCalendarName:
        from vpharness.wording import did_you_mean  # noqa: PLC0415

        raise ConfigError(
            f"{key} is {name!r}; {did_you_mean(name, get_calendar_names())}it must be a calendar of "
            "exchange_calendars, such as XNYS, XLON or CMES"
        ) from None
    except (CalendarError, ValueError) as error:
        raise ConfigError(
            f"{key} {name} does not reach over {first_year} to {last_year}: {' '.join(str(error).split())}"
        ) from error
    opens, closes = (times.dt.as_unit("ns") for times in (calendar.opens, calendar.closes))
    instants = zip(opens.index, opens.array.asi8, closes.array.asi8, strict=True)
    return {day.date().isoformat(): (int(open_ns), int(close_ns)) for day, open_ns, close_ns in instants}


def trading_dates(calendar: str, first: datetime.date, last: datetime.date) -> list[datetime.date]:
    """Return the trading dates of an exchange's calendar from one date to another, both included.

    Raises ConfigError where the calendar is unknown or does not reach so far.
    """
    hours = _calendar_hours(calendar, first.year, last.year, "calendar")
    return [day for day in map(datetime.date.fromisoformat, hours) if first <= day <= last]
