"""Files of trades beside a book by price level: CSV as exchanges and vendors offer it, or recorded messages."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import csv_rows, input_files, json_lines
from vpharness.events.level_json import LEAST_MICROS, sizes_of
from vpharness.events.many_files import Paths, files_of
from vpharness.events.mbo_event import MAX_PRICE
from vpharness.events.price_levels import LEVEL_DTYPE, LevelMessages, levels
from vpharness.events.time_sort import sorted_by_time
from vpharness.events.times import LATEST_NS

TRADE_DTYPE: Final = np.dtype([("ts_ns", np.int64), ("level", np.int64), ("size", np.int64)])
"""A trade: its time, the level whose resting orders it took from, and its quantity."""

SUFFIXES: Final = (*(f".csv{compression}" for compression in input_files.COMPRESSED), *json_lines.SUFFIXES)
"""What the names of files of trades end in that are taken from a folder."""

ONE_OR_SEVERAL: Final = "one file or, as a list, a glob or a folder, several"

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


@dataclass
class SortedTrades:
    """Trades in the order of time, blocks of TRADE_DTYPE, and those that wait for a message not before them."""

    blocks: Iterator[NDArray[np.void]]
    waiting: NDArray[np.void] = field(default_factory=lambda: np.empty(0, TRADE_DTYPE))
    latest_ns: int = int(np.iinfo(np.int64).min)

    def until(self, time_ns: int) -> NDArray[np.void]:
        """Return the trades up to a time that have not been returned yet."""
        while not len(self.waiting) or self.waiting["ts_ns"][-1] <= time_ns:
            more = next(self.blocks, None)
            if more is None:
                break
            self.waiting = np.concatenate((self.waiting, more))
        due = int(np.searchsorted(self.waiting["ts_ns"], time_ns, side="right"))
        found, self.waiting = self.waiting[:due], self.waiting[due:]
        return found


@contextmanager
def sorted_trades(
    value: Paths, read: Callable[[input_files.InputFile], Iterator[NDArray[np.void]]]
) -> Iterator[SortedTrades]:
    """Read the files of trades that a parameter names, and yield their trades in the order of time."""
    with sorted_by_time(_all_trades(trade_paths(value), read), TRADE_DTYPE) as trades:
        yield SortedTrades(trades.blocks)


def _all_trades(
    paths: Sequence[str], read: Callable[[input_files.InputFile], Iterator[NDArray[np.void]]]
) -> Iterator[NDArray[np.void]]:
    for path in paths:
        with input_files.opened(path) as file:
            yield from read(file)


def trade_paths(value: Paths, key: str = "source.trades_path") -> list[str]:
    """Return the files that a parameter beside `source.path` names."""
    return files_of(value, SUFFIXES, key)


def digests_of(value: Paths | None, key: str = "source.trades_path") -> str | list[str] | None:
    """Return the SHA-256 of one file, or those of several in their own order: the files' order changes nothing."""
    if value is None:
        return None
    digests = sorted(map(input_files.sha256, trade_paths(value, key)))
    return digests if len(digests) > 1 else digests[0]


def is_json(path: Path) -> bool:
    """Return whether a file holds JSON objects rather than CSV, by its first character."""
    with input_files.opened(str(path)) as file:
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


def with_trades(batches: Iterator[LevelMessages], trades: SortedTrades) -> Iterator[LevelMessages]:
    """Put each trade before the first message whose time is not before the trade's.

    The time of messages is the latest one so far: a message whose time runs backwards is no earlier than those before
    it. Trades after the last message explain nothing.
    """
    for batch in batches:
        if not len(batch.times):
            yield batch
            continue
        times = np.maximum(np.maximum.accumulate(batch.times), trades.latest_ns)
        trades.latest_ns = int(times[-1])
        yield LevelMessages(batch.times, batch.kinds, _merged(batch.rows, times, trades.until(trades.latest_ns)))


def _merged(rows: NDArray[np.void], times: NDArray[np.int64], trades: NDArray[np.void]) -> NDArray[np.void]:
    if not len(trades):
        return rows
    added = np.empty(len(trades), LEVEL_DTYPE)
    added["message"] = np.searchsorted(times, trades["ts_ns"], side="left")
    added["level"], added["size"], added["is_trade"] = trades["level"], trades["size"], True
    joined = np.concatenate((added, rows))
    return joined[np.argsort(joined["message"], kind="stable")]
