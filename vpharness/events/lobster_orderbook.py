"""Rows of a LOBSTER order book file as integers: ask price, ask size, bid price, bid size, level after level.

A file has a row for each message, with up to 200 numbers, so that a day of one stock is gigabytes of text. Rows of
plain whole numbers, which all files have, are read by a kernel; any other text goes the way of all CSV, which reads
what can be read and names the line that cannot.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.compiled import Array, kernel
from vpharness.errors import SourceError
from vpharness.events import csv_rows, input_files
from vpharness.events.mbo_event import MAX_PRICE
from vpharness.prices import TEN_THOUSANDTH

HIGHEST_PRICE: Final = MAX_PRICE // TEN_THOUSANDTH
HIGHEST_SIZE: Final = 1 << 53
COLUMNS_OF_A_LEVEL: Final = 4

_MOST_DIGITS: Final = 17
_ZERO, _NINE, _MINUS, _COMMA, _NEWLINE, _RETURN = b"09-,\n\r"


@kernel
def _read_plain(text: Array, rows: Array) -> int:
    """Fill rows [n, fields] with the whole numbers of a text; return how many rows were of nothing else."""
    place = 0
    for row in range(len(rows)):
        for column in range(rows.shape[1]):
            is_negative = text[place] == _MINUS
            if is_negative:
                place += 1
            begun, value = place, np.int64(0)
            while _ZERO <= text[place] <= _NINE:
                value = 10 * value + (np.int64(text[place]) - _ZERO)
                place += 1
            if place == begun or place > begun + _MOST_DIGITS:
                return row
            if column == rows.shape[1] - 1 and text[place] == _RETURN:
                place += 1
            if text[place] != (_NEWLINE if column == rows.shape[1] - 1 else _COMMA):
                return row
            place += 1
            rows[row, column] = -value if is_negative else value
    return len(rows)


class OrderbookRows:
    """The rows of an open file, taken as many at a time as there are messages."""

    def __init__(self, file: input_files.InputFile) -> None:
        """Read the first block; `levels` is then how many levels a row has."""
        self.path, self._file = file.path, file
        self._blocks = csv_rows.without_header(csv_rows.whole_lines(file))
        self._lines = np.zeros(0, np.int64)
        self._fields = 0
        self._rows = np.zeros((0, 0), np.int64)
        self._rows = self._next()
        if not len(self._rows):
            raise SourceError(f"{self.path}: holds no row of levels")
        self.levels = self._fields // COLUMNS_OF_A_LEVEL

    @property
    def bytes_read(self) -> int:
        """How much of the file has been read, as it lies on disk."""
        return self._file.bytes_read

    def take(self, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the next rows [n, 4 levels], prices in 1e-9, at most `most`, and their lines [n]; none at the end."""
        if not len(self._rows):
            self._rows = self._next()
        taken, lines = self._rows[:most], self._lines[:most]
        self._rows, self._lines = self._rows[most:], self._lines[most:]
        return taken, lines

    def _next(self) -> NDArray[np.int64]:
        for block, line in self._blocks:
            if not self._fields:
                first = block.lstrip(b"\r\n").partition(b"\n")[0]
                self._fields = first.count(b",") + 1 if first else 0
                if self._fields % COLUMNS_OF_A_LEVEL:
                    raise SourceError(
                        f"{self.path}: line {line}: has {self._fields} fields; expected four a level (ask, size, bid, "
                        "size)"
                    )
            if self._fields and len(rows := self._read(block, line)):
                return rows
        return np.zeros((0, self._fields), np.int64)

    def _read(self, block: bytes, line: int) -> NDArray[np.int64]:
        rows = np.empty((block.count(b"\n"), self._fields), np.int64)
        text = np.frombuffer(block + b"\n", np.uint8)  # so that a number always ends before the text does
        self._lines = line + np.arange(len(rows))
        if _read_plain(text, rows) < len(rows) or _are_wrong(rows):
            rows = self._read_any(block, line)
        rows[:, 0::2] *= TEN_THOUSANDTH
        return rows

    def _read_any(self, block: bytes, line: int) -> NDArray[np.int64]:
        """Read rows that are not plain whole numbers within their ranges, or raise the error that names one."""
        parsed = csv_rows.split_rows(self.path, block, self._fields, line, may_be_blank=True)
        rows = np.empty((len(parsed), self._fields), np.int64)
        for column in range(0, self._fields, 2):
            rows[:, column + 1] = parsed.decimals(column + 1, "size", 0, 0, HIGHEST_SIZE)
            # An empty level has the price 9999999999 or its negative.
            rows[:, column] = parsed.decimals(column, "price", 0, -HIGHEST_PRICE, HIGHEST_PRICE)
            wrong = (rows[:, column] < 0) & (rows[:, column + 1] > 0)
            parsed.refuse(wrong, column, "price", f"a whole number from 0 to {HIGHEST_PRICE}")
        self._lines = line + (np.arange(len(parsed)) if parsed.lines is None else parsed.lines)
        return rows


def _are_wrong(rows: NDArray[np.int64]) -> bool:
    """Whether a price or size lies outside of its range."""
    prices, sizes = rows[:, 0::2], rows[:, 1::2]
    outside = (np.abs(prices) > HIGHEST_PRICE) | (sizes < 0) | (sizes > HIGHEST_SIZE) | ((prices < 0) & (sizes > 0))
    return bool(outside.any())


@contextmanager
def opened_rows(path: str) -> Iterator[OrderbookRows]:
    """Open an order book file; the first block of rows is read at once."""
    with input_files.opened(path) as file:
        yield OrderbookRows(file)


def price_twice(row: NDArray[np.int64]) -> int | None:
    """Return a price, in LOBSTER's units, that a row has twice on one side; None where it has none."""
    for side in (row.reshape(-1, COLUMNS_OF_A_LEVEL)[:, :2], row.reshape(-1, COLUMNS_OF_A_LEVEL)[:, 2:]):
        prices, times = np.unique(side[side[:, 1] > 0, 0], return_counts=True)
        if (times > 1).any():
            return int(prices[times > 1][0]) // TEN_THOUSANDTH
    return None
