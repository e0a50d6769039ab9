"""Tardis.dev's normalised order books by price level (incremental_book_L2) and trades, in CSV.

The columns are documented at https://docs.tardis.dev/downloadable-csv-files: exchange, symbol, timestamp,
local_timestamp, is_snapshot, side, price, amount; times in µs. Rows of one timestamp and local_timestamp are one
message of the exchange. A row of a snapshot behind one that is none begins a new book.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import csv_rows, input_files, many_files
from vpharness.events.event_source import EventStream, require_valid
from vpharness.events.level_json import sizes_of
from vpharness.events.level_source import (
    WITHOUT_TRADES,
    LevelBooks,
    level_chunks,
    size_unit_parameter,
    unit_problems,
)
from vpharness.events.many_files import PATHS_MEANING, Paths
from vpharness.events.mbo_event import MAX_PRICE
from vpharness.events.price_levels import CHANGES, LEVEL_DTYPE, SNAPSHOT, LevelMessages, levels
from vpharness.events.size_units import size_digits
from vpharness.events.times import LATEST_NS
from vpharness.events.trade_files import (
    ONE_OR_SEVERAL,
    TradeColumns,
    csv_trades,
    digests_of,
    is_word,
    sorted_trades,
)
from vpharness.parameters import parameter

READER_VERSION: Final = 1
"""Raised when the same files give other events than before."""

SUFFIXES: Final = tuple(f".csv{compression}" for compression in input_files.COMPRESSED)
"""What the names of files end in that are taken from a folder."""

_COLUMNS: Final = ("symbol", "timestamp", "local_timestamp", "is_snapshot", "side", "price", "amount")
_TRADE_COLUMNS: Final = frozenset({"symbol", "timestamp", "side", "price", "amount", "id"})
_DIGITS_MICROS: Final = 3
_PRICE_DIGITS: Final = 9
_EXPECTED: Final = "incremental_book_L2 with the columns exchange, " + ", ".join(_COLUMNS)
_TRADES_EXPECTED: Final = (
    "trades with the columns exchange, symbol, timestamp, local_timestamp, id, side, price, amount"
)
_NO_SNAPSHOT: Final = "holds no row of a snapshot (is_snapshot true) of {symbol}; expected the download of a whole day"

_ROW_DTYPE: Final = np.dtype(
    [
        ("ts_ns", np.int64),
        ("local_ns", np.int64),
        ("level", np.int64),
        ("size", np.int64),
        ("is_snapshot", np.bool_),
    ]
)


@dataclass(frozen=True)
class TardisL2Source:
    """An order book by price level as Tardis.dev offers it, with its trades."""

    default_evict_crossed_ms: ClassVar[int] = 0

    path: Paths = parameter(meaning=f"CSV file incremental_book_L2, plain or compressed, {PATHS_MEANING}")
    tick_size: float = parameter(meaning="smallest price step", unit="price units", above=0)
    symbol: str | None = parameter(None, meaning="the product, where the file has several, such as BTCUSDT")
    trades_path: Paths | None = parameter(
        None, meaning=f"CSV file trades of the same product and time; {ONE_OR_SEVERAL}"
    )
    size_unit: float = size_unit_parameter()

    def relations(self) -> Iterator[str]:
        """Yield an error for a unit of size that is no power of ten."""
        yield from unit_problems(self.size_unit)

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on."""
        return {
            "kind": "tardis_l2",
            "version": READER_VERSION,
            "tick_size": self.tick_size,
            "symbol": self.symbol,
            "size_unit": self.size_unit,
            "sha256": many_files.files_digest(self.files(), self._begun),
            "trades_sha256": digests_of(self.trades_path),
        }

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the file, or several as one book; files of trades are read at once."""
        require_valid(self)
        digits = size_digits(self.size_unit) or 0
        paths = self.files()
        with ExitStack() as stack:
            books, reader = LevelBooks(len(paths)), _Reader(self.symbol, digits)
            if self.trades_path is not None:
                symbol = self.symbol or self._first_symbol(paths[0])
                books.trades = stack.enter_context(
                    sorted_trades(
                        self.trades_path,
                        lambda csv: csv_trades(csv, _trade_columns, _TRADES_EXPECTED, symbol, digits),
                    )
                )
            yield stack.enter_context(
                many_files.opened_in_order(paths, lambda path: self._opened(path, reader, books), begin_one=self._begun)
            )

    def files(self) -> list[str]:
        """Return the files that `path` names."""
        return many_files.files_of(self.path, SUFFIXES)

    def _begun(self, path: str) -> AbstractContextManager[EventStream]:
        """Open a file by itself, to see when it begins: its first row need not be of a snapshot."""
        return self._opened(path, _Reader(self.symbol, size_digits(self.size_unit) or 0, has_book=True), LevelBooks())

    @contextmanager
    def _opened(self, path: str, reader: "_Reader", books: LevelBooks) -> Iterator[EventStream]:
        with input_files.opened(path) as file:
            stream = EventStream("", self.size_unit, iter(()), by_level=True, bytes_total=file.bytes_total)
            reader.stream = stream
            blocks = reader.blocks(file)
            head = list(islice(blocks, 1))  # names the instrument
            stream.instrument = reader.symbol or ""
            stream.instruments += [reader.symbol] if reader.symbol else []
            if self.trades_path is None:
                stream.notes.append(WITHOUT_TRADES)
            nothing = f"{file.path}: " + _NO_SNAPSHOT.format(symbol=stream.instrument)
            stream.chunks = level_chunks(reader.batches(chain(head, blocks)), books, stream, nothing)
            yield stream

    def _first_symbol(self, path: str) -> str | None:
        with self._begun(path) as stream:
            return stream.instrument


@dataclass
class _Reader:
    """Reads the rows of one product: the chosen one, or the only one there is."""

    chosen: str | None
    digits: int
    stream: EventStream = field(init=False)
    symbol: str | None = None
    has_book: bool = False

    def blocks(self, file: input_files.InputFile) -> Iterator[NDArray[np.void]]:
        """Yield the rows of the file, blocks of _ROW_DTYPE."""
        lines = csv_rows.whole_lines(file)
        header, rest = csv_rows.read_header(file, lines)
        if not set(_COLUMNS) <= set(header) or len(set(header)) < len(header):
            raise SourceError(f"{file.path}: line 1: the columns are {', '.join(header)[:200]!r}; expected {_EXPECTED}")
        place, line = {name: header.index(name) for name in header}, 2
        for block in filter(None, chain([rest], lines)):
            rows = csv_rows.split_rows(file.path, block, len(header), line)
            line += len(rows)
            self.stream.bytes_read = file.bytes_read
            yield self._parsed(rows, place)

    def batches(self, blocks: Iterator[NDArray[np.void]]) -> Iterator[LevelMessages]:
        """Yield whole messages: the last one of a block waits for the next block, which may go on with it."""
        kept = np.empty(0, _ROW_DTYPE)
        for block in blocks:
            rows = np.concatenate((kept, block))
            starts = _message_starts(rows)
            cut = int(starts[-1]) if len(starts) else 0
            rows, kept = rows[:cut], rows[cut:]
            yield self._batch(rows, starts[:-1])
        yield self._batch(kept, _message_starts(kept))

    def _batch(self, rows: NDArray[np.void], starts: NDArray[np.int64]) -> LevelMessages:
        """Return rows as messages, without those before the first snapshot."""
        if not self.has_book and len(starts):
            first = int(np.argmax(rows["is_snapshot"])) if rows["is_snapshot"].any() else len(rows)
            self.stream.counts["skipped_before_snapshot"] += int(np.count_nonzero(starts < first))
            self.has_book = first < len(rows)
            rows, starts = rows[first:], starts[starts >= first] - first
        kinds = np.where(rows["is_snapshot"][starts], SNAPSHOT, CHANGES).astype(np.uint8)
        found = np.zeros(len(rows), LEVEL_DTYPE)
        lengths = np.diff(starts, append=len(rows))
        found["message"] = np.repeat(np.arange(len(starts)), lengths)
        found["level"], found["size"] = rows["level"], rows["size"]
        return LevelMessages(rows["ts_ns"][starts + lengths - 1], kinds, found)

    def _parsed(self, rows: csv_rows.CsvRows, place: dict[str, int]) -> NDArray[np.void]:
        parsed = np.empty(len(rows), _ROW_DTYPE)
        for name, column in (("ts_ns", "timestamp"), ("local_ns", "local_timestamp")):
            parsed[name] = rows.decimals(place[column], column, _DIGITS_MICROS, 0, LATEST_NS)
        parsed["is_snapshot"] = rows.choices(place["is_snapshot"], "is_snapshot", (b"false", b"true")) == 1
        is_ask = rows.choices(place["side"], "side", (b"bid", b"ask")) == 1
        parsed["level"] = levels(rows.decimals(place["price"], "price", _PRICE_DIGITS, -MAX_PRICE, MAX_PRICE), is_ask)
        parsed["size"] = sizes_of(rows, place["amount"], self.digits)
        return parsed[self._wanted(rows, place["symbol"])]

    def _wanted(self, rows: csv_rows.CsvRows, column: int) -> NDArray[np.bool_]:
        if self.symbol is None:
            self.symbol = self.chosen or rows.field(0, column).decode("ascii", "backslashreplace")
        wanted = is_word(rows, column, self.symbol)
        if self.chosen is None and not wanted.all():
            row = int(np.argmin(wanted))
            other = rows.field(row, column).decode("ascii", "backslashreplace")[:60]
            raise rows.error(row, f"is of {other!r} after rows of {self.symbol!r}; choose one with source.symbol")
        self.stream.counts["skipped_other_instrument"] += int((~wanted).sum())
        return wanted


def _message_starts(rows: NDArray[np.void]) -> NDArray[np.int64]:
    """Return where messages begin, [messages]: rows of a snapshot that follow one another are one message."""
    if not len(rows):
        return np.empty(0, np.int64)
    later, earlier = rows[1:], rows[:-1]
    other_time = (later["ts_ns"] != earlier["ts_ns"]) | (later["local_ns"] != earlier["local_ns"])
    other_kind = later["is_snapshot"] != earlier["is_snapshot"]
    begins = other_kind | (other_time & ~later["is_snapshot"])
    return np.flatnonzero(np.concatenate(([True], begins)))


def _trade_columns(fields: list[str]) -> TradeColumns | None:
    """Return the columns of a file of trades, whose side is the taker's: a buyer takes from resting asks."""
    if not set(fields) >= _TRADE_COLUMNS:
        return None
    place = {name: fields.index(name) for name in fields}
    return TradeColumns(
        price=place["price"],
        size=place["amount"],
        time=place["timestamp"],
        side=place["side"],
        time_digits=_DIGITS_MICROS,
        words=(b"buy", b"sell", b"unknown"),
        on_ask=(True, False, None),
        symbol=place["symbol"],
    )
