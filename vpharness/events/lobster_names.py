"""What the names of LOBSTER's files say: stock, day, kind and levels, such as MSFT_2012-06-21_message_50.csv."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date as calendar_date
from pathlib import Path
from typing import Final

from vpharness.errors import ConfigError, SourceError
from vpharness.events.many_files import Paths, files_of

MESSAGE_SUFFIXES: Final = (".csv", ".csv.gz", ".csv.xz", ".csv.zst")
_DAY: Final = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)")
_KIND: Final = re.compile(r"(?<![A-Za-z])(message|orderbook)(?=_|\.|$)")


@dataclass(frozen=True)
class DayFiles:
    """The files of one stock on one day: messages, and levels where there are any."""

    path: str
    orderbook_path: str | None
    date: str
    notes: tuple[str, ...] = ()


def instrument_of(path: str) -> str:
    """Return what a file's name begins with."""
    return Path(path).name.split("_")[0].split(".")[0]


def days_of(path: Paths, date: str | None, orderbook_path: str | None) -> list[DayFiles]:
    """Return the days that the parameters name.

    Of a folder or a glob the files are taken whose names say that they are message files, each with the order book file
    that has its name but for the kind; of a list all that are no order book files. A single file has the order book
    file that is given. A day that is not given is read from the name. Raises SourceError or ConfigError where there is
    no message file, several stocks, or no day.
    """
    found = files_of(path, MESSAGE_SUFFIXES)
    is_single = isinstance(path, str) and found == [path]
    if is_single:
        _require_messages(found[0])
        return [_day(found[0], orderbook_path, date)]
    kinds = ("message",) if isinstance(path, str) else ("message", None)
    messages = [each for each in found if _kind_of(each) in kinds]
    if not messages:
        alone = any(_kind_of(each) == "orderbook" for each in found)
        holds = "order book files alone" if alone else "no file that is named as LOBSTER's are"
        raise SourceError(
            f"{path!r}: holds {holds}; expected message files, such as MSFT_2012-06-21_34200000_57600000_message_50.csv"
        )
    _require_one_stock(messages)
    if len(messages) > 1 and (orderbook_path is not None or date is not None):
        given = "orderbook_path" if orderbook_path is not None else "date"
        raise ConfigError(
            f"source.{given} is of one day, and source.path names {len(messages)} message files; leave it out: each "
            "day's is found by the file's name"
        )
    return [_day(each, orderbook_path or _partner(each), date) for each in messages]


def _kind_of(path: str) -> str | None:
    kinds = _KIND.findall(Path(path).name)
    return kinds[-1] if kinds else None


def _require_messages(path: str) -> None:
    """Raise SourceError for a file whose name says that it is an order book file."""
    if _kind_of(path) == "orderbook":
        beside = _KIND.sub("message", Path(path).name)
        raise SourceError(
            f"{path}: this is the order book file; give the message file as source.path ({beside}), and this one as "
            "source.orderbook_path"
        )


def _partner(path: str) -> str | None:
    """Return the order book file that lies beside a message file under the same name but for the kind."""
    place = Path(path).expanduser()
    stem = _KIND.sub("orderbook", place.name).split(".csv")[0]
    beside = [place.with_name(f"{stem}{suffix}") for suffix in MESSAGE_SUFFIXES] if _kind_of(path) == "message" else []
    return next((str(each) for each in beside if each.is_file()), None)


def _require_one_stock(paths: Sequence[str]) -> None:
    stocks = sorted({instrument_of(path) for path in paths})
    if len(stocks) > 1:
        listed = ", ".join(stocks[:10])
        raise SourceError(
            f"source.path names files of several stocks: {listed}; choose one with a glob such as FOLDER/{stocks[0]}_*"
        )


def _day(path: str, orderbook_path: str | None, date: str | None) -> DayFiles:
    named = _DAY.search(Path(path).name)
    if date is None and named is None:
        raise ConfigError(f"source.date must be given as YYYY-MM-DD: the name {Path(path).name!r} holds no day")
    given = date if date is not None or named is None else named[1]
    notes = []
    if date is not None and named is not None and _is_day(named[1]) and named[1] != date:
        notes.append(f"source.date is {date}, and the file is named {Path(path).name}: is that the right day?")
    if orderbook_path is None:
        beside = _partner(path)
        hint = f"{Path(beside).name} lies beside it" if beside else "download the order book file with it"
        notes.append(
            "without the order book file best prices may be wrong: messages do not say what happens outside of the "
            f"file's levels; add source.orderbook_path=… ({hint})"
        )
    return DayFiles(path, orderbook_path, str(given), tuple(notes))


def _is_day(text: str) -> bool:
    try:
        calendar_date.fromisoformat(text)
    except ValueError:
        return False
    return True
