"""LOBSTER message files: the events of one Nasdaq stock, a day a file, in CSV; with the order book file of the day."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date as calendar_date
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError, SourceError
from vpharness.events import csv_rows, input_files, many_files, times
from vpharness.events.event_source import CHUNK_EVENTS, EventStream, require_valid
from vpharness.events.lobster_following import FollowedBook, RowOrderError
from vpharness.events.lobster_levels import STANDING_ID_BASE
from vpharness.events.lobster_names import DayFiles, days_of, instrument_of
from vpharness.events.lobster_orderbook import (
    HIGHEST_PRICE,
    HIGHEST_SIZE,
    OrderbookRows,
    opened_rows,
    price_twice,
)
from vpharness.events.many_files import PATHS_MEANING, Paths
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, EVENT_DTYPE, FILL, FLAG_LAST, HALT, NO_SIDE, RESUME
from vpharness.parameters import parameter
from vpharness.prices import TEN_THOUSANDTH

READER_VERSION: Final = 1
"""Raised when the same message file alone gives other events than before."""
FOLLOWING_VERSION: Final = 2
"""Raised when the same message file with its order book file gives other events than before."""

NANOSECONDS_PER_DAY: Final = 86_400 * 1_000_000_000

_TIME, _TYPE, _ID, _SIZE, _PRICE, _DIRECTION = range(6)
_FIELDS: Final = 6
_FIELDS_OF_NEWER_FILES: Final = 7
_DIGITS_NS: Final = 9
_TYPES: Final = (b"1", b"2", b"3", b"4", b"5", b"6", b"7")
_SUBMITTED, _EXECUTED, _TRADING_STATE = 1, 4, 7
_LOWEST_ID: Final = -4
"""Cross trades have no order, and the ids -1 to -4 for their kinds."""
_HALTED, _TRADING = -1, 1
"""What the price of a message of type 7 says; 0 says that quoting is resumed, and trading not yet."""
_SKIPPED: Final = {5: "skipped_hidden_execution", 6: "skipped_cross_trade"}
_SKIPPED_STATE: Final = "skipped_trading_halt"
_DIRECTIONS: Final = (b"1", b"-1")
_SIDE_OF_DIRECTION: Final = np.array([BID, ASK], np.uint8)
_SET_RIGHT: Final = "levels_set_right"
_FEW_SET_RIGHT: Final = 10
_SHARE_SET_RIGHT: Final = 0.01
"""More levels than these that had to be set right, of the messages, are a note."""
_ENOUGH_MESSAGES: Final = 100
_MOST_SET_RIGHT: Final = 0.5
"""Of so many messages and more, a larger share cannot be of the same day."""
_STATE_LINE: Final = re.compile(rb'(?:\A|\n)[^,\n]*,\s*"?7"?\s*,')

_MESSAGE_DTYPE: Final = np.dtype(
    [
        ("ts_ns", np.int64),
        ("price", np.int64),
        ("size", np.int64),
        ("order_id", np.uint64),
        ("type", np.uint8),
        ("side", np.uint8),
    ],
    align=True,
)


@dataclass(frozen=True)
class LobsterSource:
    """LOBSTER message files, with the book of their order book files where these are given."""

    default_evict_crossed_ms: ClassVar[int] = 0

    path: Paths = parameter(
        meaning=f"LOBSTER message file (CSV, plain or compressed), {PATHS_MEANING}; each with its order book file"
    )
    date: str | None = parameter(
        None, meaning="trading day of the file, in New York; else the one in its name", unit="YYYY-MM-DD"
    )
    tick_size: float = parameter(0.01, meaning="smallest price step", unit="dollars", above=0)
    orderbook_path: str | None = parameter(
        None, meaning="LOBSTER order book file of the same day, whose rows the book follows"
    )
    instrument: str | None = parameter(None, meaning="name of the stock; else what the file's name begins with")

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on."""
        days = self._days_in_order()
        follows = any(day.orderbook_path is not None for day in days)
        values: dict[str, Any] = {
            "kind": "lobster",
            "version": FOLLOWING_VERSION if follows else READER_VERSION,
            "tick_size": self.tick_size,
            "date": [day.date for day in days],
            "instrument": self._instrument(days[0].path),
            "sha256": [input_files.sha256(day.path) for day in days],
            "orderbook_sha256": [
                None if (book := day.orderbook_path) is None else input_files.sha256(book) for day in days
            ],
        }
        if len(days) == 1:
            values |= {name: values[name][0] for name in ("date", "sha256", "orderbook_sha256")}
        if not follows and any(_tells_of_halts(day.path) for day in days):
            values["halts"] = True  # which earlier versions passed over
        return values

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the message files, one after another; the first row of an order book file is read at once."""
        require_valid(self)
        days = {day.path: day for day in self._days()}
        with many_files.opened_in_order(list(days), lambda path: self._opened(days[path]), is_new_book=True) as stream:
            yield stream

    @contextmanager
    def _opened(self, day: DayFiles) -> Iterator[EventStream]:
        begin_ns = trading_day_ns(day.date)
        with ExitStack() as stack:
            rows = None if day.orderbook_path is None else stack.enter_context(opened_rows(day.orderbook_path))
            file = stack.enter_context(input_files.opened(day.path))
            stream = EventStream(self._instrument(day.path), 1.0, iter(()), bytes_total=file.bytes_total)
            stream.notes += day.notes
            stream.chunks = _chunks(file, begin_ns, rows, stream)
            yield stream

    def files(self) -> list[str]:
        """Return the message files that `path` names."""
        return [day.path for day in self._days()]

    def _days(self) -> list[DayFiles]:
        return days_of(self.path, self.date, self.orderbook_path)

    def _days_in_order(self) -> list[DayFiles]:
        days = {day.path: day for day in self._days()}
        return [days[path] for path in many_files.paths_in_order(list(days), lambda path: self._opened(days[path]))]

    def _instrument(self, path: str) -> str:
        return self.instrument or instrument_of(path)


def trading_day_ns(date: str) -> int:
    """Return the time at which a day begins in New York, in ns since the epoch."""
    try:
        day = calendar_date.fromisoformat(date)
    except (ValueError, TypeError):
        day = None
    if day is None or not 1970 < day.year < 2200:
        raise ConfigError(f"source.date is {date!r}; expected the trading day as YYYY-MM-DD")
    return times.midnight_ns(day)


def message_rows(file: input_files.InputFile, holding: re.Pattern[bytes] | None = None) -> Iterator[csv_rows.CsvRows]:
    """Yield the rows of a file block by block, only blocks that hold a pattern where one is given.

    A row has six fields or, in newer files, seven, the last of which says nothing.
    """
    fields = 0
    for block, line in csv_rows.without_header(csv_rows.whole_lines(file)):
        if not fields and (first := block.lstrip(b"\r\n").partition(b"\n")[0]):
            fields = _FIELDS_OF_NEWER_FILES if first.count(b",") == _FIELDS else _FIELDS
        if fields and (holding is None or holding.search(block)):
            yield csv_rows.split_rows(file.path, block, fields, line, may_be_blank=True)


def message_times(rows: csv_rows.CsvRows, trading_day_ns: int) -> NDArray[np.int64]:
    """Return the times of messages in ns since the epoch, [n]."""
    return trading_day_ns + rows.decimals(_TIME, "time", _DIGITS_NS, 0, NANOSECONDS_PER_DAY - 1)


def _tells_of_halts(path: str) -> bool:
    """Whether a message file has events of halts: messages of type 7 that say more than that quoting is resumed."""
    with input_files.opened(path) as file:
        return any(_is_state(_parse(rows, 0)).any() for rows in message_rows(file, _STATE_LINE))


def _chunks(
    file: input_files.InputFile, trading_day_ns: int, rows: OrderbookRows | None, stream: EventStream
) -> Iterator[NDArray[np.void]]:
    book, seen = None, 0
    for block in _messages(file, trading_day_ns):
        messages = block
        seen += len(messages)
        stream.bytes_read = file.bytes_read
        if rows is not None and book is None:
            book = _begun(rows, stream)
            yield book.snapshot(int(messages["ts_ns"][0]))
            # The first message is in that row already, but for what it says of trading.
            yield from _cut(_to_events(messages[:1][_is_state(messages[:1])])[0])
            messages = messages[1:]
        for kind, reason in _SKIPPED.items():
            stream.counts[reason] += int(np.count_nonzero(messages["type"] == kind))
        stream.counts[_SKIPPED_STATE] += int(
            np.count_nonzero((messages["type"] == _TRADING_STATE) & ~_is_state(messages))
        )
        if rows is None or book is None:
            yield from _cut(_to_events(messages)[0])
        else:
            yield from _followed(book, rows, messages, file, stream)
            _require_agreement(rows, file, seen, stream)
    if rows is not None and (set_right := stream.counts[_SET_RIGHT]) > max(_FEW_SET_RIGHT, _SHARE_SET_RIGHT * seen):
        stream.notes.append(
            f"the book had to be set right by {rows.path.name} {set_right} times in {seen} messages of "
            f"{file.path.name}, which should be rare: are both of the same stock and day?"
        )
    if rows is not None and len(rows.take(1)[0]):
        stream.notes.append(
            f"{rows.path.name} has more rows than {file.path.name} has messages: are they of the same day and levels?"
        )


def _require_agreement(rows: OrderbookRows, file: input_files.InputFile, seen: int, stream: EventStream) -> None:
    """Raise SourceError where the rows so far contradict about every other message."""
    set_right = stream.counts[_SET_RIGHT]
    if seen >= _ENOUGH_MESSAGES and set_right > _MOST_SET_RIGHT * seen:
        raise SourceError(
            f"{rows.path}: contradicts {file.path.name}: its rows set {set_right} levels right in {seen} messages; "
            "expected the order book file of the same stock and day, with a row for each message: give that one with "
            "source.orderbook_path"
        )


def _cut(events: NDArray[np.void]) -> Iterator[NDArray[np.void]]:
    return (events[start : start + CHUNK_EVENTS] for start in range(0, len(events), CHUNK_EVENTS))


def _begun(rows: OrderbookRows, stream: EventStream) -> FollowedBook:
    """Return the book of the first row."""
    (row,), (line,) = rows.take(1)
    if (twice := price_twice(row)) is not None:
        raise SourceError(f"{rows.path}: line {line}: has the price {twice} twice on one side; expected it once")
    stream.counts["skipped_seeding_message"] += 1
    return FollowedBook(row, stream.counts)


def _followed(
    book: FollowedBook,
    rows: OrderbookRows,
    messages: NDArray[np.void],
    file: input_files.InputFile,
    stream: EventStream,
) -> Iterator[NDArray[np.void]]:
    """Yield the events of messages, and those that set the book right by each one's row."""
    events, first = _to_events(messages)
    done = 0
    while done < len(messages):
        levels, lines = rows.take(len(messages) - done)
        if not len(levels):
            _note_missing_rows(rows, file, int(messages["ts_ns"][done]), stream)
        end = done + (len(levels) or len(messages) - done)
        try:
            for part in book.events(messages[done:end], first[done : end + 1], events, levels):
                yield from (cut.copy() for cut in _cut(part))
        except RowOrderError as error:
            raise SourceError(
                f"{rows.path}: line {lines[error.row]}: its prices are not in order; expected asks that ascend and "
                "bids that descend, level after level"
            ) from None
        done = end


def _note_missing_rows(rows: OrderbookRows, file: input_files.InputFile, time_ns: int, stream: EventStream) -> None:
    if not any(note.startswith(rows.path.name) for note in stream.notes):
        stream.notes.append(
            f"{rows.path.name} ends before {file.path.name}: from {times.time_text(time_ns)} on the book follows the "
            "messages alone; are they of the same day and levels?"
        )


def _messages(file: input_files.InputFile, trading_day_ns: int) -> Iterator[NDArray[np.void]]:
    """Yield the messages of a file."""
    found = False
    for rows in message_rows(file):
        messages = _parse(rows, trading_day_ns)
        if len(messages):
            found = True
            yield messages
    if not found:
        raise SourceError(f"{file.path}: holds no message")


def _parse(rows: csv_rows.CsvRows, trading_day_ns: int) -> NDArray[np.void]:
    messages = np.empty(len(rows), _MESSAGE_DTYPE)
    messages["type"] = rows.choices(_TYPE, "type", _TYPES) + 1
    is_order = messages["type"] <= _EXECUTED
    messages["ts_ns"] = message_times(rows, trading_day_ns)
    order_ids = rows.decimals(_ID, "order id", 0, _LOWEST_ID, STANDING_ID_BASE - 1)
    rows.refuse((order_ids < 0) & is_order, _ID, "order id", "an id of at least 0")
    messages["order_id"] = np.maximum(order_ids, 0)
    messages["size"] = rows.decimals(_SIZE, "size", 0, 0, HIGHEST_SIZE)
    prices = rows.decimals(_PRICE, "price", 0, -1, HIGHEST_PRICE)
    rows.refuse((prices < 0) & is_order, _PRICE, "price", "a price of at least 0")
    messages["price"] = prices * TEN_THOUSANDTH
    messages["side"] = _SIDE_OF_DIRECTION[rows.choices(_DIRECTION, "direction", _DIRECTIONS)]
    return messages


def _is_state(messages: NDArray[np.void]) -> NDArray[np.bool_]:
    """Return which messages say that trading is halted, or has been resumed."""
    return (messages["type"] == _TRADING_STATE) & np.isin(
        messages["price"], (_HALTED * TEN_THOUSANDTH, _TRADING * TEN_THOUSANDTH)
    )


def _to_events(messages: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Return the events of messages, and the place of each message's first one, [n + 1].

    A submission is an add, a cancel a cancel, an execution a fill and the cancel that takes it out, and a halt and its
    end are what they are; all else is no event.
    """
    is_state = _is_state(messages)
    executed = messages["type"] == _EXECUTED
    numbers = np.where(messages["type"] <= _EXECUTED, 1 + executed, is_state.astype(np.int64))
    first = np.concatenate(([0], np.cumsum(numbers)))
    source = np.repeat(np.arange(len(messages)), numbers)
    is_fill = executed[source] & (np.diff(source, prepend=-1) > 0)
    events = np.zeros(len(source), EVENT_DTYPE)
    for name in ("ts_ns", "price", "size", "order_id", "side"):
        events[name] = messages[name][source]
    events["action"] = np.where(is_fill, FILL, np.where(messages["type"][source] == _SUBMITTED, ADD, CANCEL))
    events["flags"] = np.where(is_fill, 0, FLAG_LAST)
    states = events[is_state[source]]
    states["action"] = np.where(states["price"] < 0, HALT, RESUME)
    states["price"], states["size"], states["order_id"], states["side"] = 0, 0, 0, NO_SIDE
    events[is_state[source]] = states
    return events, first
