"""Messages of books by price level in JSON: collected, and turned into arrays many at a time.

Prices and sizes stay the text of the message until the reader of CSV turns whole columns of them into exact integers.
"""

import re
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from vpharness.events import csv_rows
from vpharness.events.json_lines import MessageError
from vpharness.events.mbo_event import MAX_PRICE
from vpharness.events.price_levels import CHANGES, GAP, LARGEST_SIZE, LEVEL_DTYPE, SNAPSHOT, LevelMessages, levels
from vpharness.events.times import LATEST_NS

LEAST_MICROS: Final = 100_000_000_000_000
"""A time of so many or more is in µs since 1970, and one of fewer in ms: one is before 1973, the other behind 5138."""
_ENOUGH: Final = 1 << 15
"""How many rows or messages are turned into arrays at once, roughly."""

_PRICE_DIGITS: Final = 9
_NO_ROWS: Final = b""
_ANY_LEVELS: Final = msgspec.json.Decoder(list[list[msgspec.Raw]])
_OLD_THIRD: Final = b"[]"
"""Binance once sent an empty list as a third field of each level."""


def rows_text(raw: msgspec.Raw | bytes) -> bytes:
    """Return a JSON list of [price, size] as lines of two fields, `"price","size"`; empty for an empty list.

    Raises MessageError where it is something else.
    """
    text = bytes(raw)
    if text == b"[]":
        return _NO_ROWS
    if b" " in text or b"[]" in text or b"\t" in text or b"\r" in text:
        return _any_rows_text(text)
    if not (text.startswith(b"[[") and text.endswith(b"]]")):
        raise MessageError(f"levels are {text[:60]!r}; expected a list of [price, size]")
    return text[2:-2].replace(b"],[", b"\n")


def _any_rows_text(text: bytes) -> bytes:
    try:
        found = _ANY_LEVELS.decode(text)
    except msgspec.DecodeError as error:
        raise MessageError(f"levels are {text[:60]!r}; expected a list of [price, size]") from error
    pairs = [[bytes(field) for field in level] for level in found]
    pairs = [level[:2] if level[2:] == [_OLD_THIRD] else level for level in pairs]
    if any(len(level) != 2 for level in pairs):
        raise MessageError(f"levels are {text[:60]!r}; expected a list of [price, size]")
    return b"\n".join(map(b",".join, pairs))


def event_ns(stamp: int) -> int:
    """Return a time in ns since 1970 of one in ms or µs, told by its magnitude; MessageError where it cannot be one."""
    time_ns = stamp * (1000 if stamp >= LEAST_MICROS else 1_000_000)
    if not 0 < time_ns <= LATEST_NS:
        raise MessageError(f"has the time {stamp}; expected one in ms or µs since 1970, to 2200")
    return time_ns


class LevelCollector:
    """Messages in the order of a file, until they are taken as arrays."""

    def __init__(self, path: Path, size_digits: int) -> None:
        """Collect messages of a file; sizes are in units of 10**-size_digits."""
        self._path, self._digits = path, size_digits
        self.rows = 0
        self._clear()

    @property
    def is_full(self) -> bool:
        """Whether enough has been collected."""
        return max(self.rows, len(self._times)) >= _ENOUGH

    def changes(self, line: int, ts_ns: int, bids: bytes, asks: bytes) -> None:
        """Add a message of levels that changed; bids and asks are lines of `rows_text`."""
        self._message(CHANGES, ts_ns)
        self._levels(line, bids, is_ask=False)
        self._levels(line, asks, is_ask=True)

    def snapshot(self, ts_ns: int, parts: list[tuple[int, bytes, bytes]]) -> None:
        """Add a restatement of the book: levels with the number of their line, later ones in place of earlier ones."""
        self._message(SNAPSHOT, ts_ns)
        for line, bids, asks in parts:
            self._levels(line, bids, is_ask=False)
            self._levels(line, asks, is_ask=True)

    def gap(self, ts_ns: int) -> None:
        """Record that messages are missing before the next one."""
        self._message(GAP, ts_ns)

    def trade(self, line: int, ts_ns: int, price: bytes, size: bytes, *, is_ask: bool) -> None:
        """Add a trade with the resting orders of a side."""
        self._message(CHANGES, ts_ns)
        self._add(line, price + b"," + size, 1, is_ask, is_trade=True)

    def take(self) -> LevelMessages:
        """Return what has been collected, and begin anew; a SourceError names the line of a number that is none."""
        rows = np.zeros(self.rows, LEVEL_DTYPE)
        if self.rows:
            texts, *columns = zip(*self._parts, strict=True)
            numbers = np.array(columns, np.int64)
            lines, _, is_ask, is_trade, message = np.repeat(numbers, numbers[1], axis=1)
            text = csv_rows.split_rows(self._path, b"\n".join(texts) + b"\n", 2, 0, lines)
            prices = text.decimals(0, "price", _PRICE_DIGITS, -MAX_PRICE, MAX_PRICE)
            rows["size"] = sizes_of(text, 1, self._digits)
            rows["level"] = levels(prices, is_ask == 1)
            rows["message"], rows["is_trade"] = message, is_trade
        found = LevelMessages(np.array(self._times, np.int64), np.array(self._kinds, np.uint8), rows)
        self._clear()
        return found

    def _message(self, kind: int, ts_ns: int) -> None:
        self._times.append(ts_ns)
        self._kinds.append(kind)

    def _levels(self, line: int, text: bytes, *, is_ask: bool) -> None:
        if text:
            self._add(line, text, text.count(b"\n") + 1, is_ask, is_trade=False)

    def _add(self, line: int, text: bytes, count: int, is_ask: bool, *, is_trade: bool) -> None:
        self._parts.append((text, line, count, is_ask, is_trade, len(self._times) - 1))
        self.rows += count

    def _clear(self) -> None:
        self._times: list[int] = []
        self._kinds: list[int] = []
        self._parts: list[tuple[bytes, int, int, bool, bool, int]] = []
        self.rows = 0


def sizes_of(rows: csv_rows.CsvRows, column: int, digits: int) -> NDArray[np.int64]:
    """Return sizes in units of 10**-digits, half up; a SourceError names one that is too large, or rounds to nothing.

    A level whose size is 0 is gone, so that a small size must not become 0.
    """
    sizes = rows.decimals(column, "size", digits, 0, LARGEST_SIZE)
    zero = np.flatnonzero(sizes == 0)
    for row in zero[rows.has_digit(zero, column)].tolist():
        field = rows.field(row, column)
        if re.search(rb"[1-9]", field.lower().partition(b"e")[0]):
            raise rows.error(row, f"size is {field.decode()}, less than half of source.size_unit; give a smaller one")
    return sizes
