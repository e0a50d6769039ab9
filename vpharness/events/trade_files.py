"""Files of trades beside a book by price level: CSV as exchanges and vendors offer it, or recorded messages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import csv_rows, input_files
from vpharness.events.level_json import LEAST_MICROS, sizes_of
from vpharness.events.mbo_event import MAX_PRICE
from vpharness.events.price_levels import LEVEL_DTYPE, LevelMessages, levels
from vpharness.events.time_sort import sorted_by_time
from vpharness.events.times import LATEST_NS

TRADE_DTYPE: Final = np.dtype([("ts_ns", np.int64), ("level", np.int64), ("size", np.int64)])
"""A trade: its time, the level whose resting orders it took from, and its quantity."""

_PRICE_DIGITS: Final = 9


@dataclass(frozen=True)
class TradeColumns:
    """Where a CSV file of trades has what is needed.

    Attributes:
        price, size, time, side: places of columns.
        time_digits: decimal digits between the unit of its times and the ns; None for ms or µs, told by magnitude.
        words, on_ask: what the side's column may hold, and whether the resting orders are then asks; None for neither.
        symbol: place of the column of the product's name, where there is one.
    """

    price: int
    size: int
    time: int
    side: int
    time_digits: int | None
    words: tuple[bytes, ...]
    on_ask: tuple[bool | None, ...]
    symbol: int | None = None


@contextmanager
def sorted_trades(
    path: str, read: Callable[[input_files.InputFile], Iterator[NDArray[np.void]]]
) -> Iterator[Iterator[NDArray[np.void]]]:
    """Read a file of trades, and yield its blocks of TRADE_DTYPE in the order of time."""
    with input_files.opened(path) as file, sorted_by_time(read(file), TRADE_DTYPE) as trades:
        yield trades.blocks


def is_json(path: str) -> bool:
    """Return whether a file holds JSON objects rather than CSV, by its first character."""
    with input_files.opened(path) as file:
        return next(file.blocks(1 << 10)).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def trades_of(messages: LevelMessages) -> NDArray[np.void]:
    """Return the trades among messages, as rows of TRADE_DTYPE."""
    rows = messages.rows[messages.rows["is_trade"]]
    trades = np.empty(len(rows), TRADE_DTYPE)
    trades["ts_ns"], trades["level"], trades["size"] = messages.times[rows["message"]], rows["level"], rows["size"]
    return trades


def csv_trades(
    file: input_files.InputFile,
    columns_of: Callable[[list[str]], TradeColumns | None],
    expected: str,
    symbol: str | None,
    size_digits: int,
) -> Iterator[NDArray[np.void]]:
    """Yield the trades of a CSV file.

    `columns_of` finds the columns in the fields of the first line, which may be a header or a row; None refuses the
    file, with what was `expected`.
    """
    lines = csv_rows.whole_lines(file)
    begun = next(lines)
    names, rest = csv_rows.read_header(file, iter([begun]))
    columns = columns_of(names)
    if columns is None:
        raise SourceError(f"{file.path}: line 1: the columns are {', '.join(names)[:200]!r}; expected {expected}")
    has_header = not names[columns.price][:1].isdigit()
    line = 1 + has_header
    for block in filter(None, chain([rest if has_header else begun], lines)):
        rows = csv_rows.split_rows(file.path, block, len(names), line)
        line += len(rows)
        yield _parsed(rows, columns, symbol, size_digits)


def _parsed(rows: csv_rows.CsvRows, columns: TradeColumns, symbol: str | None, size_digits: int) -> NDArray[np.void]:
    """Return the trades of rows; those of another product, and those of neither side, are left out."""
    side = rows.choices(columns.side, "side", columns.words)
    resting = np.array([-1 if is_ask is None else int(is_ask) for is_ask in columns.on_ask])[side]
    prices = rows.decimals(columns.price, "price", _PRICE_DIGITS, -MAX_PRICE, MAX_PRICE)
    trades = np.empty(len(rows), TRADE_DTYPE)
    trades["ts_ns"] = times_of(rows, columns.time, columns.time_digits)
    trades["size"] = sizes_of(rows, columns.size, size_digits)
    trades["level"] = levels(prices, resting == 1)
    kept = resting >= 0
    if columns.symbol is not None and symbol is not None:
        kept &= is_word(rows, columns.symbol, symbol)
    return trades[kept]


def times_of(rows: csv_rows.CsvRows, column: int, digits: int | None) -> NDArray[np.int64]:
    """Return times in ns since 1970, of a unit of 10**digits ns, or of ms or µs, told by magnitude."""
    if digits is not None:
        return rows.decimals(column, "timestamp", digits, 0, LATEST_NS)
    stamps = rows.decimals(column, "timestamp", 0, 0, LATEST_NS // 1000)
    times = np.where(stamps >= LEAST_MICROS, stamps * 1000, np.minimum(stamps, LEAST_MICROS) * 1_000_000)
    rows.refuse(times > LATEST_NS, column, "timestamp", "a time from 1970 to 2200 in ms or µs")
    return times


def is_word(rows: csv_rows.CsvRows, column: int, word: str) -> NDArray[np.bool_]:
    """Return which rows have a word in a column, [rows] bool, in capitals or not."""
    wanted = word.upper().encode()
    same = rows.ends[:, column] - rows.starts[:, column] == len(wanted)
    for place in np.flatnonzero(same)[:1].tolist():  # most files have one product alone
        first = rows.field(place, column)
        alike = same.copy()
        for offset, letter in enumerate(first):
            alike[same] &= rows.text[rows.starts[same, column] + offset] == letter
        same_as_first = alike if first.upper() == wanted else np.zeros_like(alike)
        others = np.flatnonzero(same & ~alike).tolist()
        same_as_first[[row for row in others if rows.field(row, column).upper() == wanted]] = True
        return same_as_first
    return same


def with_trades(batches: Iterator[LevelMessages], trades: Iterator[NDArray[np.void]]) -> Iterator[LevelMessages]:
    """Put each trade before the first message whose time is not before the trade's.

    `trades` are blocks of TRADE_DTYPE in the order of time. The time of messages is the latest one so far: a message
    whose time runs backwards is no earlier than those before it. Trades after the last message explain nothing.
    """
    waiting = np.empty(0, TRADE_DTYPE)
    latest_ns = np.iinfo(np.int64).min
    for batch in batches:
        if not len(batch.times):
            yield batch
            continue
        times = np.maximum(np.maximum.accumulate(batch.times), latest_ns)
        latest_ns = int(times[-1])
        while not len(waiting) or waiting["ts_ns"][-1] <= latest_ns:
            more = next(trades, None)
            if more is None:
                break
            waiting = np.concatenate((waiting, more))
        due = int(np.searchsorted(waiting["ts_ns"], latest_ns, side="right"))
        yield LevelMessages(batch.times, batch.kinds, _merged(batch.rows, times, waiting[:due]))
        waiting = waiting[due:]


def _merged(rows: NDArray[np.void], times: NDArray[np.int64], trades: NDArray[np.void]) -> NDArray[np.void]:
    if not len(trades):
        return rows
    added = np.empty(len(trades), LEVEL_DTYPE)
    added["message"] = np.searchsorted(times, trades["ts_ns"], side="left")
    added["level"], added["size"], added["is_trade"] = trades["level"], trades["size"], True
    joined = np.concatenate((added, rows))
    return joined[np.argsort(joined["message"], kind="stable")]
