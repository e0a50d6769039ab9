"""Best bids and asks over time, as files beside the order events give them: an answer key for a book.

Read are Databento's schemas mbp-1, mbp-10, bbo-1s and bbo-1m in DBN, and LOBSTER's order book file, whose rows have
the times of the message file that belongs to it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
from databento_dbn import DBNError, Metadata, RType
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import dbn_records, input_files, lobster
from vpharness.events.dbn_instruments import InstrumentChoice
from vpharness.events.lobster_orderbook import OrderbookRows
from vpharness.events.mbo_event import UNDEFINED_PRICE
from vpharness.events.times import SECOND_NS

BEST_DTYPE: Final = np.dtype([("ts_ns", np.int64), ("bid", np.int64), ("ask", np.int64), ("publisher", np.uint16)])
"""The best prices from a time on, in units of 1e-9; UNDEFINED_PRICE where a side is empty."""

_RECORD_TYPES: Final[Any] = RType  # its members are made at run time
_BLOCK_BYTES: Final = 1 << 22
_DBN_KINDS: Final = {1: ("mbp-1", None), 10: ("mbp-10", None), 195: ("bbo-1s", 1), 196: ("bbo-1m", 60)}
"""Name and interval in seconds of the record types that hold the best prices."""
_SCHEMAS: Final = frozenset(name for name, _ in _DBN_KINDS.values())
_EXPECTED: Final = (
    "expected best prices at every change or interval: Databento mbp-1, mbp-10, bbo-1s or bbo-1m as DBN, "
    "or a LOBSTER order book file"
)
_LEVEL_BYTES: Final = 80
"""The length of a record up to the end of its first level."""
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class KeyChoice:
    """What a file of best prices is to say something about.

    Attributes:
        symbol, instrument_id, publisher_id: choose records of a DBN file; None takes what there is.
        message_path: LOBSTER's message file, where none lies beside the order book file under the same name.
        date: LOBSTER's day, where the file's name does not begin with it.
    """

    symbol: str | None = None
    instrument_id: int | None = None
    publisher_id: int | None = None
    message_path: str | None = None
    date: str | None = None


@dataclass
class BestPrices:
    """An opened file of best prices: blocks of BEST_DTYPE in the order of the file.

    `interval_ns` is the distance of the moments that it speaks of, None where it tells every change. `end_ns` is the
    end of what it covers, where it says so.
    """

    kind: str
    blocks: Iterator[NDArray[np.void]]
    interval_ns: int | None = None
    end_ns: int | None = None


@contextmanager
def opened_prices(path: str, choice: KeyChoice) -> Iterator[BestPrices]:
    """Open a file of best prices; a SourceError says why it is none, before much of it is read."""
    with input_files.opened(path) as file:
        blocks = file.blocks(_BLOCK_BYTES)
        first = next(blocks)
        if first.startswith(b"DBN"):
            yield _opened_dbn(file.path, chain([first], blocks), choice)
            return
    yield _opened_lobster(path, choice)


def _opened_dbn(path: Path, blocks: Iterator[bytes], choice: KeyChoice) -> BestPrices:
    opened_file = BestPrices("dbn", iter(()))
    found = _dbn_blocks(path, dbn_records.records(path, b"", blocks), choice, opened_file)
    head = next(found, None)
    if head is None:
        named = choice.symbol or choice.instrument_id or choice.publisher_id or "an outright instrument"
        raise SourceError(f"{path}: holds no best prices of {named}; {_EXPECTED}")
    opened_file.blocks = chain([head], found)
    return opened_file


def _dbn_blocks(
    path: Path,
    blocks: Iterator[list[dbn_records.Records]],
    choice: KeyChoice,
    opened_file: BestPrices,
) -> Iterator[NDArray[np.void]]:
    """Yield the best prices of the chosen records; the first of them settles what kind of file it is."""
    wanted = InstrumentChoice(path, choice.symbol, choice.instrument_id)
    kind = None
    for block in blocks:
        for records in block:
            if records.kind == dbn_records.METADATA:
                _take_metadata(path, records.data.tobytes(), wanted, opened_file)
            if records.kind not in _DBN_KINDS:
                if records.kind in {dbn_records.MBO, int(_RECORD_TYPES.MBP_0.value)}:
                    raise SourceError(f"{path}: record {records.first} is of type {records.kind}; {_EXPECTED}")
                continue
            if kind not in {None, records.kind}:
                raise SourceError(
                    f"{path}: record {records.first} is of type {records.kind} after ones of type {kind}; "
                    "expected one schema"
                )
            kind = records.kind
            opened_file.kind, seconds = _DBN_KINDS[kind]
            opened_file.interval_ns = None if seconds is None else seconds * SECOND_NS
            found = _first_levels(path, records, wanted, choice, of_interval=seconds is not None)
            if len(found):
                yield found


def _take_metadata(path: Path, data: bytes, wanted: InstrumentChoice, opened_file: BestPrices) -> None:
    """Take in what the metadata of a file, or of the next one behind it, says of schema, symbols and end."""
    try:
        metadata = Metadata.decode(data)
    except DBNError as error:
        raise SourceError(f"{path}: its DBN metadata cannot be decoded: {error}") from error
    if metadata.schema is not None and str(metadata.schema) not in _SCHEMAS:
        raise SourceError(f"{path}: holds the schema {metadata.schema}; {_EXPECTED}")
    wanted.take_metadata(metadata)
    if metadata.end is not None:
        opened_file.end_ns = max(metadata.end, opened_file.end_ns or 0)


def _first_levels(
    path: Path, records: dbn_records.Records, wanted: InstrumentChoice, choice: KeyChoice, *, of_interval: bool
) -> NDArray[np.void]:
    length = records.data.shape[1]
    if length < _LEVEL_BYTES:
        raise SourceError(f"{path}: record {records.first} has {length} bytes; expected at least {_LEVEL_BYTES}")
    layout = np.dtype(
        {
            "names": ["publisher", "instrument_id", "ts_event", "ts_recv", "bid", "ask"],
            "formats": ["<u2", "<u4", "<u8", "<u8", "<i8", "<i8"],
            "offsets": [2, 4, 8, 32, 48, 56],
            "itemsize": length,
        }
    )
    rows = records.data.view(layout).reshape(-1)
    chosen = wanted.wanted(rows["instrument_id"], rows["ts_recv"])
    if choice.publisher_id is not None:
        chosen = chosen & (rows["publisher"] == choice.publisher_id)
    rows = rows[chosen]
    # An interval's record stands for the moment just before the interval's end.
    times = rows["ts_recv"] - np.uint64(1) if of_interval else rows["ts_event"]
    timeless = times > np.uint64(np.iinfo(np.int64).max)
    if timeless.any():
        number = records.first + int(np.flatnonzero(chosen)[np.argmax(timeless)])
        raise SourceError(f"{path}: record {number} has no time; expected one in ns since 1970")
    found = np.empty(len(rows), BEST_DTYPE)
    found["ts_ns"] = times
    for name in ("bid", "ask", "publisher"):
        found[name] = rows[name]
    return found


def _opened_lobster(path: str, choice: KeyChoice) -> BestPrices:
    message_path = _message_path(path, choice)
    dated = _DATE.search(Path(path).name)
    date = choice.date or (dated and dated.group())
    if not date:
        raise SourceError(f"{path}: the day is not known; its name must hold it as YYYY-MM-DD, as LOBSTER writes it")
    return BestPrices("lobster order book", _lobster_blocks(path, message_path, lobster.trading_day_ns(date)))


def _message_path(path: str, choice: KeyChoice) -> str:
    """Return the message file of an order book file: the one beside it, or the dataset's own."""
    name = Path(path).name
    beside = Path(path).with_name(name.replace("_orderbook_", "_message_"))
    if "_orderbook_" in name and beside.is_file():
        return str(beside)
    if choice.message_path is None:
        raise SourceError(
            f"{path}: {_EXPECTED}, which needs its message file: lay it beside, named …_message_N.csv where this one "
            "is named …_orderbook_N.csv"
        )
    return choice.message_path


def _lobster_blocks(path: str, message_path: str, midnight_ns: int) -> Iterator[NDArray[np.void]]:
    """Yield the best level of each row, at the time of the message in the same place."""
    with input_files.opened(path) as book_file, input_files.opened(message_path) as message_file:
        try:
            rows = OrderbookRows(book_file)
        except SourceError as error:
            raise SourceError(f"{error}; {_EXPECTED}") from error
        for messages in lobster.message_rows(message_file):
            times = lobster.message_times(messages, midnight_ns)
            while len(times):
                levels, _ = rows.take(len(times))
                if not len(levels):
                    raise SourceError(
                        f"{message_path}: has more messages than {path} has rows; expected one row a message"
                    )
                found = np.zeros(len(levels), BEST_DTYPE)
                found["ts_ns"], times = times[: len(levels)], times[len(levels) :]
                found["ask"], found["bid"] = (
                    _best(levels[:, 0::4], levels[:, 1::4]),
                    _best(levels[:, 2::4], levels[:, 3::4]),
                )
                yield found
        for line in rows.take(1)[1]:
            raise SourceError(f"{path}: line {line}: there is no message for it in {message_path}")


def _best(prices: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the price of the first level that has a size, [n]; UNDEFINED_PRICE where none has."""
    first = np.argmax(sizes > 0, axis=1)[:, None]
    found = np.take_along_axis(prices, first, axis=1)[:, 0]
    return np.where(np.take_along_axis(sizes, first, axis=1)[:, 0] > 0, found, UNDEFINED_PRICE)
