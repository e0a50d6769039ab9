"""Sessions by dates: when each opens and closes, over changes of the clocks, half days, holidays and midnight."""

import datetime

import pytest
import yaml

from tests.datasets.session_files import utc
from vpharness.config.search_path import conf_folder
from vpharness.datasets.sessions import SessionParameters, sessions_between, trading_dates
from vpharness.errors import ConfigError
from vpharness.parameters import problems


def preset(name: str) -> SessionParameters:
    """Return the parameters of a file in conf/session."""
    values = yaml.safe_load((conf_folder() / "session" / f"{name}.yaml").read_text(encoding="utf-8"))
    values.pop("_target_")
    return SessionParameters(**values)


LONDON = SessionParameters("08:00", "16:30", "Europe/London", ["mon", "tue", "wed", "thu", "fri"], "XLON")


def hours(parameters: SessionParameters, first: str, last: str) -> dict[str, str]:
    """Return open and close in UTC of the sessions between two dates, by their names."""
    found = sessions_between(parameters, utc(f"{first} 00:00"), utc(f"{last} 23:59"))
    return {each.name: f"{text(each.open_ns)} to {text(each.close_ns)}" for each in found}


def text(time_ns: int) -> str:
    """Return a time in UTC as day and minute."""
    return f"{datetime.datetime.fromtimestamp(time_ns // 10**9, datetime.UTC):%d %H:%M}"


def test_new_york_opens_an_hour_earlier_in_utc_once_its_clocks_have_changed() -> None:
    """In March 2024 on the 10th, a Sunday; in November on the 3rd."""
    assert hours(preset("us_equity"), "2024-03-08", "2024-03-11") == {
        "2024-03-08": "08 14:30 to 08 21:00",
        "2024-03-11": "11 13:30 to 11 20:00",
    }
    assert hours(preset("us_equity"), "2024-11-01", "2024-11-04") == {
        "2024-11-01": "01 13:30 to 01 20:00",
        "2024-11-04": "04 14:30 to 04 21:00",
    }


def test_london_changes_its_clocks_on_other_days_than_new_york() -> None:
    """On 31 March 2024, an Easter Sunday, and 27 October."""
    assert hours(LONDON, "2024-03-27", "2024-04-02") == {
        "2024-03-27": "27 08:00 to 27 16:30",
        "2024-03-28": "28 08:00 to 28 16:30",
        "2024-04-02": "02 07:00 to 02 15:30",
    }
    assert hours(LONDON, "2024-10-25", "2024-10-28") == {
        "2024-10-25": "25 07:00 to 25 15:30",
        "2024-10-28": "28 08:00 to 28 16:30",
    }


def test_a_session_that_spans_a_change_of_the_clocks_is_an_hour_shorter_or_longer() -> None:
    """A day of London has 23 hours on 31 March and 25 on 27 October 2024."""
    days = SessionParameters("00:00", "00:00", "Europe/London")
    lengths = {
        each.name: (each.close_ns - each.open_ns) // (3600 * 10**9)
        for first in ("2024-03-30", "2024-10-26")
        for each in sessions_between(days, utc(f"{first} 12:00"), utc(f"{first} 12:00") + 2 * 86_400 * 10**9)
    }
    assert lengths == {
        "2024-03-30": 24,
        "2024-03-31": 23,
        "2024-04-01": 24,
        "2024-10-26": 24,
        "2024-10-27": 25,
        "2024-10-28": 24,
    }


def test_local_times_that_the_clocks_leave_out_or_pass_twice_have_one_meaning() -> None:
    """What is left out counts as if nothing had changed; of two the first is meant."""
    twice = SessionParameters("01:30", "03:00", "America/New_York")
    assert hours(twice, "2024-11-03", "2024-11-03") == {"2024-11-03": "03 05:30 to 03 08:00"}


def test_half_days_close_early_and_holidays_have_no_session() -> None:
    """The days around Independence Day, Thanksgiving and Christmas 2024 in New York."""
    assert hours(preset("us_equity"), "2024-07-02", "2024-07-05") == {
        "2024-07-02": "02 13:30 to 02 20:00",
        "2024-07-03": "03 13:30 to 03 17:00",
        "2024-07-05": "05 13:30 to 05 20:00",
    }
    assert hours(preset("us_equity"), "2024-11-27", "2024-11-29") == {
        "2024-11-27": "27 14:30 to 27 21:00",
        "2024-11-29": "29 14:30 to 29 18:00",
    }
    assert hours(preset("cme_rth"), "2024-07-02", "2024-07-05") == {
        "2024-07-02": "02 13:30 to 02 20:00",
        "2024-07-03": "03 13:30 to 03 17:00",
        "2024-07-05": "05 13:30 to 05 20:00",
    }


def test_globex_trades_from_sunday_evening_to_friday_with_a_daily_break_at_16_chicago() -> None:
    """A session is its trading date's: Monday's opens on Sunday; the clocks change within the week of 10 March."""
    assert hours(preset("cme_globex"), "2024-03-08", "2024-03-15") == {
        "2024-03-08": "07 23:00 to 08 22:00",
        "2024-03-11": "10 22:00 to 11 21:00",
        "2024-03-12": "11 22:00 to 12 21:00",
        "2024-03-13": "12 22:00 to 13 21:00",
        "2024-03-14": "13 22:00 to 14 21:00",
        "2024-03-15": "14 22:00 to 15 21:00",
    }


def test_globex_closes_at_noon_of_chicago_on_thanksgiving_and_not_at_all_on_good_friday() -> None:
    """As the exchange's calendar has it."""
    assert hours(preset("cme_globex"), "2024-11-28", "2024-11-29") == {
        "2024-11-28": "27 23:00 to 28 18:00",
        "2024-11-29": "28 23:00 to 29 18:00",
    }
    assert "2024-03-29" not in hours(preset("cme_globex"), "2024-03-27", "2024-04-01")


def test_a_utc_day_ends_at_midnight_and_is_named_after_the_day_that_it_is() -> None:
    """Every day of the week, named after its own date and not that of its last instant's end."""
    assert hours(preset("utc_day"), "2024-03-09", "2024-03-10") == {
        "2024-03-09": "09 00:00 to 10 00:00",
        "2024-03-10": "10 00:00 to 11 00:00",
    }


def test_sessions_are_those_that_share_time_with_a_span() -> None:
    """A close is not part of a session, an open is."""
    close = utc("2024-03-11 20:00")
    assert sessions_between(preset("us_equity"), close, close) == []
    assert len(sessions_between(preset("us_equity"), close - 1, close)) == 1
    opens = utc("2024-03-11 13:30")
    assert len(sessions_between(preset("us_equity"), opens, opens)) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"open": "09:30"}, "open was given without close"),
        ({"open": "9.30", "close": "16:00"}, "open is '9.30'; it must be a local time"),
        ({"open": "09:30", "close": "24:00"}, "close is '24:00'"),
        ({"open": "09:30", "close": "16:00", "timezone": "America/Gotham"}, "timezone is 'America/Gotham'"),
        ({"open": "09:30", "close": "16:00", "timezone": "../../etc/passwd"}, "it must be a time zone's name"),
        ({"open": "09:30", "close": "16:00", "days": ["monday"]}, "days is 'monday'; it must be one of mon, tue"),
        ({"open": "09:30", "close": "16:00", "days": []}, "days is empty"),
        ({"calendar": "XNYS"}, "calendar is XNYS and there is no open"),
        ({"tolerance_minutes": -1.0}, "tolerance_minutes is -1.0"),
    ],
)
def test_a_session_that_makes_no_sense_is_refused_in_a_sentence(given: dict[str, object], told: str) -> None:
    """Whatever is missing or not possible."""
    assert told in "; ".join(problems(SessionParameters(**given)))  # type: ignore[arg-type]  # values of many types


def test_a_calendar_that_there_is_not_is_refused_with_one_that_there_is() -> None:
    """By its name; and dates that it does not reach."""
    unknown = SessionParameters("09:30", "16:00", "America/New_York", calendar="XNYX")
    with pytest.raises(ConfigError, match=r"session\.calendar is 'XNYX'; did you mean XNYS"):
        hours(unknown, "2024-03-11", "2024-03-11")


def test_trading_dates_leave_weekends_and_holidays_out() -> None:
    """Of a week with Independence Day."""
    dates = trading_dates("XNYS", datetime.date(2024, 7, 1), datetime.date(2024, 7, 8))
    assert [day.day for day in dates] == [1, 2, 3, 5, 8]
