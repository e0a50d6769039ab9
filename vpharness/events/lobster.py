"""LOBSTER message files: the events of one Nasdaq stock on one day, in CSV."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date as calendar_date
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError, SourceError
from vpharness.events import csv_rows, input_files
from vpharness.events.event_source import CHUNK_EVENTS, EventStream, require_valid
from vpharness.events.lobster_seed import SEED_ID_BASE, SeededBook
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, EVENT_DTYPE, FILL, FLAG_LAST, MAX_PRICE
from vpharness.parameters import parameter
from vpharness.prices import PRICE_SCALE

READER_VERSION: Final = 1
"""Raised when the same files give other events than before."""

EXCHANGE_ZONE: Final = ZoneInfo("America/New_York")
NANOSECONDS_PER_DAY: Final = 86_400 * 1_000_000_000
PRICE_PER_UNIT: Final = PRICE_SCALE // 10_000
"""LOBSTER's prices are in units of 1e-4 dollars."""

_TIME, _TYPE, _ID, _SIZE, _PRICE, _DIRECTION = range(6)
_FIELDS: Final = 6
_DIGITS_NS: Final = 9
_TYPES: Final = (b"1", b"2", b"3", b"4", b"5", b"6", b"7")
_SUBMITTED, _EXECUTED = 1, 4
_SKIPPED: Final = {5: "skipped_hidden_execution", 6: "skipped_cross_trade", 7: "skipped_trading_halt"}
_DIRECTIONS: Final = (b"1", b"-1")
_SIDE_OF_DIRECTION: Final = np.array([BID, ASK], np.uint8)
_HIGHEST_PRICE: Final = MAX_PRICE // PRICE_PER_UNIT
_HIGHEST_SIZE: Final = 1 << 53

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
    """A LOBSTER message file, with the book it starts from where the order book file is given."""

    default_evict_crossed_ms: ClassVar[int] = 0

    path: str = parameter(meaning="LOBSTER message file (CSV, plain or compressed)")
    date: str = parameter(meaning="trading day of the file, in New York", unit="YYYY-MM-DD")
    tick_size: float = parameter(0.01, meaning="smallest price step", unit="dollars", above=0)
    orderbook_path: str | None = parameter(
        None, meaning="LOBSTER order book file of the same day, to start from the book of its first row"
    )
    instrument: str | None = parameter(None, meaning="name of the stock; else what the file's name begins with")

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on."""
        return {
            "kind": "lobster",
            "version": READER_VERSION,
            "tick_size": self.tick_size,
            "date": self.date,
            "instrument": self._instrument(),
            "sha256": input_files.sha256(self.path),
            "orderbook_sha256": None if self.orderbook_path is None else input_files.sha256(self.orderbook_path),
        }

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the message file; the first row of the order book file is read at once."""
        require_valid(self)
        begin_ns = midnight_ns(self.date)
        book = None if self.orderbook_path is None else _first_book(self.orderbook_path)
        with input_files.opened(self.path) as file:
            stream = EventStream(self._instrument(), 1.0, iter(()), bytes_total=file.bytes_total)
            stream.chunks = _chunks(file, begin_ns, book, stream)
            yield stream

    def _instrument(self) -> str:
        return self.instrument or Path(self.path).name.split("_")[0].split(".")[0]


def midnight_ns(date: str) -> int:
    """Return the time at which a day begins in New York, in ns since the epoch."""
    try:
        day = calendar_date.fromisoformat(date)
    except (ValueError, TypeError):
        day = None
    if day is None or not 1970 < day.year < 2200:
        raise ConfigError(f"source.date is {date!r}; expected the trading day as YYYY-MM-DD")
    midnight = datetime(day.year, day.month, day.day, tzinfo=EXCHANGE_ZONE)
    return int(midnight.timestamp()) * 1_000_000_000


def _chunks(
    file: input_files.InputFile, midnight_ns: int, book: NDArray[np.void] | None, stream: EventStream
) -> Iterator[NDArray[np.void]]:
    seeded = None
    line = 1
    for block in csv_rows.whole_lines(file):
        messages = _parse(csv_rows.split_rows(file.path, block, _FIELDS, line), midnight_ns)
        stream.bytes_read = file.bytes_read
        if line == 1 and book is not None:
            stream.counts["skipped_seeding_message"] += 1  # its effect is in the book already
            seeded = SeededBook(book)
            yield seeded.events(int(messages["ts_ns"][0]))
            messages = messages[1:]
            line += 1
        line += len(messages)
        for kind, reason in _SKIPPED.items():
            stream.counts[reason] += int(np.count_nonzero(messages["type"] == kind))
        messages = messages[messages["type"] <= _EXECUTED]
        if seeded is not None:
            seeded.rename(messages["type"] == _SUBMITTED, messages)
        events = _to_events(messages)
        yield from (events[start : start + CHUNK_EVENTS] for start in range(0, len(events), CHUNK_EVENTS))


def _parse(rows: csv_rows.CsvRows, midnight_ns: int) -> NDArray[np.void]:
    messages = np.empty(len(rows), _MESSAGE_DTYPE)
    messages["type"] = rows.choices(_TYPE, "type", _TYPES) + 1
    messages["ts_ns"] = midnight_ns + rows.decimals(_TIME, "time", _DIGITS_NS, 0, NANOSECONDS_PER_DAY - 1)
    messages["order_id"] = rows.decimals(_ID, "order id", 0, 0, SEED_ID_BASE - 1)
    messages["size"] = rows.decimals(_SIZE, "size", 0, 0, _HIGHEST_SIZE)
    # A halt carries its kind in place of a price, -1 among them; no event is made of it.
    messages["price"] = rows.decimals(_PRICE, "price", 0, -1, _HIGHEST_PRICE) * PRICE_PER_UNIT
    rows.refuse((messages["price"] < 0) & (messages["type"] <= _EXECUTED), _PRICE, "price", "a price of at least 0")
    messages["side"] = _SIDE_OF_DIRECTION[rows.choices(_DIRECTION, "direction", _DIRECTIONS)]
    return messages


def _to_events(messages: NDArray[np.void]) -> NDArray[np.void]:
    """Turn messages of types 1 to 4 into events: an add, a cancel, or a fill and the cancel that takes it out."""
    executed = messages["type"] == _EXECUTED
    source = np.repeat(np.arange(len(messages)), 1 + executed)
    is_fill = executed[source] & (np.diff(source, prepend=-1) > 0)
    events = np.zeros(len(source), EVENT_DTYPE)
    for name in ("ts_ns", "price", "size", "order_id", "side"):
        events[name] = messages[name][source]
    events["action"] = np.where(is_fill, FILL, np.where(messages["type"][source] == _SUBMITTED, ADD, CANCEL))
    events["flags"] = np.where(is_fill, 0, FLAG_LAST)
    return events


def _first_book(path: str) -> NDArray[np.void]:
    """Read the first row of an order book file: ask price, ask size, bid price, bid size, level after level.

    Returns one event a level that is not empty, best levels first, without time.
    """
    with input_files.opened(path) as file:
        line = next(csv_rows.whole_lines(file)).partition(b"\n")[0] + b"\n"
        fields = line.count(b",") + 1
        if fields % 4:
            raise SourceError(f"{file.path}: line 1: has {fields} fields; expected four a level (ask, size, bid, size)")
        rows = csv_rows.split_rows(file.path, line, fields, 1)
        levels: list[tuple[int, ...]] = []
        for column in range(0, fields, 2):
            size = rows.decimals(column + 1, "size", 0, 0, _HIGHEST_SIZE)[0]
            # An empty level has the price 9999999999 or its negative.
            low = 0 if size else -_HIGHEST_PRICE
            price = rows.decimals(column, "price", 0, low, _HIGHEST_PRICE)[0] * PRICE_PER_UNIT
            side = BID if column % 4 else ASK
            if size and any(level[1] == price and level[5] == side for level in levels):
                raise SourceError(
                    f"{file.path}: line 1: has the price {price // PRICE_PER_UNIT} twice on one side; expected it once"
                )
            if size:
                levels.append((0, price, size, 0, ADD, side, 0, 0))
    return np.array(levels, EVENT_DTYPE)
