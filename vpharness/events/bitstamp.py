"""Bitstamp order events in CSV, as the packages obAnalytics and ob-analytics write them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import csv_rows, input_files, many_files
from vpharness.events.event_source import CHUNK_EVENTS, EventStream, require_valid
from vpharness.events.many_files import PATHS_MEANING, Paths
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, EVENT_DTYPE, FILL, FLAG_LAST, MAX_PRICE
from vpharness.events.time_sort import sorted_by_time
from vpharness.parameters import parameter

READER_VERSION: Final = 1
"""Raised when the same file gives other events than before."""

SIZE_UNIT: Final = 1e-8
"""One unit of size, in BTC."""

SUFFIXES: Final = (".csv", ".csv.gz", ".csv.xz", ".csv.zst")
"""What the names of files end in that are taken from a folder."""

_COLUMNS: Final = ("id", "price", "volume", "action", "direction")
_ACTIONS: Final = (b"created", b"changed", b"deleted")
_CREATED, _CHANGED, _DELETED = range(3)
_DIRECTIONS: Final = (b"bid", b"ask")
_SIDE_OF_DIRECTION: Final = np.array([BID, ASK], np.uint8)
_DIGITS_MS: Final = 6
_DIGITS_PRICE: Final = 9
_DIGITS_BTC: Final = 8
_INT64_MAX: Final = int(np.iinfo(np.int64).max)
_NEVER_SEEN: Final = -1

_ROW_DTYPE: Final = np.dtype(
    [
        ("ts_ns", np.int64),
        ("order_id", np.int64),
        ("price", np.int64),
        ("volume", np.int64),
        ("action", np.uint8),
        ("side", np.uint8),
    ],
    align=True,
)


@dataclass(frozen=True)
class BitstampSource:
    """Order events of one Bitstamp pair, sorted by event time, as adds, fills and cancels."""

    default_evict_crossed_ms: ClassVar[int] = 1000

    path: Paths = parameter(meaning=f"CSV file of order events, plain, gzip, xz or zstd, {PATHS_MEANING}")
    tick_size: float = parameter(0.01, meaning="smallest price step", unit="price units", above=0)
    instrument: str = parameter("BTCUSD", meaning="name of the traded pair")

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on: parameters, and files by their SHA-256."""
        return {
            "kind": "bitstamp",
            "version": READER_VERSION,
            "tick_size": self.tick_size,
            "instrument": self.instrument,
            "sha256": many_files.files_digest(self.files(), self._opened),
        }

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Read, check and sort the whole file, then hand its events out. `bytes_read` follows the handing out.

        Of several files each is read and sorted by itself, one after another.
        """
        require_valid(self)
        with many_files.opened_in_order(self.files(), self._opened) as stream:
            yield stream

    def files(self) -> list[str]:
        """Return the files that `path` names."""
        return many_files.files_of(self.path, SUFFIXES)

    @contextmanager
    def _opened(self, path: str) -> Iterator[EventStream]:
        with input_files.opened(path) as file, sorted_by_time(_read_rows(file), _ROW_DTYPE) as rows:
            if not rows.total:
                raise SourceError(f"{file.path}: holds no order event")
            stream = EventStream(self.instrument, SIZE_UNIT, iter(()), bytes_total=file.bytes_total)
            stream.chunks = _chunks(rows.total, rows.blocks, stream)
            yield stream


def _read_rows(file: input_files.InputFile) -> Iterator[NDArray[np.void]]:
    lines = csv_rows.whole_lines(file)
    header, rest = csv_rows.read_header(file, lines)
    time_name, volume_digits = _dialect(file, header)
    place = {name: header.index(name) for name in header}
    line = 2
    for block in filter(None, chain([rest], lines)):
        rows = csv_rows.split_rows(file.path, block, len(header), line)
        line += len(rows)
        yield _parse(rows, place, time_name, volume_digits)


def _dialect(file: input_files.InputFile, header: list[str]) -> tuple[str, int]:
    """Return which column is the event time, and the decimal digits between its volumes and 1e-8 BTC."""
    dialects = {"exchange.timestamp": ("timestamp", 0), "exchange_timestamp": ("exchange_timestamp", _DIGITS_BTC)}
    for name, dialect in dialects.items():
        if sorted(header) == sorted((*_COLUMNS, "timestamp", name)):
            return dialect
    raise SourceError(
        f"{file.path}: line 1: the columns are {', '.join(header)[:200]!r}; expected id, timestamp, "
        "exchange.timestamp or exchange_timestamp, price, volume, action, direction"
    )


def _parse(rows: csv_rows.CsvRows, place: dict[str, int], time_name: str, volume_digits: int) -> NDArray[np.void]:
    parsed = np.empty(len(rows), _ROW_DTYPE)
    parsed["order_id"] = rows.decimals(place["id"], "id", 0, 0, _INT64_MAX)
    for name in (name for name in place if name not in _COLUMNS):  # both times, so that neither hides a broken row
        times = rows.decimals(place[name], name, _DIGITS_MS, 0, _INT64_MAX)
        if name == time_name:
            parsed["ts_ns"] = times
    parsed["price"] = rows.decimals(place["price"], "price", _DIGITS_PRICE, 0, MAX_PRICE)
    parsed["volume"] = rows.decimals(place["volume"], "volume", volume_digits, 0, _INT64_MAX)
    parsed["action"] = rows.choices(place["action"], "action", _ACTIONS)
    parsed["side"] = _SIDE_OF_DIRECTION[rows.choices(place["direction"], "direction", _DIRECTIONS)]
    return parsed


def _chunks(total: int, blocks: Iterator[NDArray[np.void]], stream: EventStream) -> Iterator[NDArray[np.void]]:
    left: dict[int, int] = {}
    done = 0
    at_once = CHUNK_EVENTS // 2  # a row makes two events at most
    for block in blocks:
        for start in range(0, len(block), at_once):
            rows = block[start : start + at_once]
            events = _to_events(rows, _left_before(rows, left), stream.counts)
            done += len(rows)
            stream.bytes_read = (stream.bytes_total or 0) * done // total
            if len(events):
                yield events


def _left_before(rows: NDArray[np.void], left: dict[int, int]) -> NDArray[np.int64]:
    """Return the quantity left of each row's order before that row, [rows] int64, -1 for an order never seen.

    `left` holds the same for the orders alive, and is brought to the state after these rows. A created or changed
    order has its row's volume left; a deleted one is forgotten.
    """
    order = np.argsort(rows["order_id"], kind="stable")
    ids = rows["order_id"][order]
    after = np.where(rows["action"] == _DELETED, _NEVER_SEEN, rows["volume"])[order]
    first = np.flatnonzero(np.diff(ids, prepend=-1))
    before = np.empty(len(rows), np.int64)
    before[1:] = after[:-1]
    before[first] = [left.get(order_id, _NEVER_SEEN) for order_id in ids[first].tolist()]
    last = np.append(first[1:], len(rows)) - 1
    for order_id, volume in zip(ids[last].tolist(), after[last].tolist(), strict=True):
        if volume == _NEVER_SEEN:
            left.pop(order_id, None)
        else:
            left[order_id] = volume
    unsorted = np.empty_like(before)
    unsorted[order] = before
    return unsorted


def _to_events(rows: NDArray[np.void], before: NDArray[np.int64], counts: Counter[str]) -> NDArray[np.void]:
    """Turn rows into events: an add, a cancel, or a fill and the cancel that takes it out of the book."""
    volume = rows["volume"]
    created, changed, deleted = (rows["action"] == action for action in (_CREATED, _CHANGED, _DELETED))
    known = before != _NEVER_SEEN
    shrunk = changed & known & (volume < before)
    executed = deleted & known & (volume == 0)
    counts["skipped_unknown_change"] += int(np.count_nonzero(changed & ~known))
    counts["skipped_change_without_fill"] += int(np.count_nonzero(changed & known & ~shrunk))

    filled = shrunk | executed
    size = np.where(filled, before - np.where(shrunk, volume, 0), np.where(created, volume, np.maximum(before, volume)))
    repeats = np.where(filled, 2, np.where(created | deleted, 1, 0))
    source = np.repeat(np.arange(len(rows)), repeats)
    is_fill = filled[source] & (np.diff(source, prepend=-1) > 0)

    events = np.zeros(len(source), EVENT_DTYPE)
    for name in ("ts_ns", "price", "order_id", "side"):
        events[name] = rows[name][source]
    events["size"] = size[source]
    events["action"] = np.where(is_fill, FILL, np.where(created[source], ADD, CANCEL))
    events["flags"] = np.where(is_fill, 0, FLAG_LAST)
    return events
