"""Recorded latencies of orders: how long each took from its decision to its arrival at the exchange, by time.

A Parquet file has a row for each recorded order, or for each change, in the order of time, with the columns

- ts_ns: int64 (or a timestamp), when it was known, ns since 1970, UTC; it never goes back;
- latency_ns: int64, or latency_ms: a number, from the decision to the arrival; one of the two.

A decision has the latency of the latest row before it, one at its own time included: what was recorded later cannot be
known. So there must be a row by the first decision, and one that is no older than the data.
"""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError, require_memory

MOST_ROWS: Final = 20_000_000
"""Of a file: a latency for every 4 ms of a day; each takes 16 bytes of memory."""
LONGEST_NS: Final = 3_600 * 10**9
"""An hour: beyond that it is no latency but a wrong unit."""

_NS_PER_MS: Final = 1_000_000
_DIGITS: Final = 16


@dataclass(frozen=True)
class RecordedLatency:
    """The latencies of a file.

    Attributes:
        ts_ns: [n] int64, never going back.
        latency_ns: [n] int64, at least 0.
    """

    ts_ns: NDArray[np.int64]
    latency_ns: NDArray[np.int64]

    @functools.cached_property
    def digest(self) -> str:
        """The beginning of the SHA-256 of times and latencies, whatever the file is called and however compressed."""
        both = (self.ts_ns.astype("<i8").tobytes(), self.latency_ns.astype("<i8").tobytes())
        return hashlib.sha256(b"|".join(both)).hexdigest()[:_DIGITS]

    @property
    def longest_ns(self) -> int:
        """The longest of all."""
        return int(self.latency_ns.max())

    def at(self, decisions_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return [T] the latencies of decisions at [T] times, none of which is before the first row."""
        found: NDArray[np.int64] = self.latency_ns[np.searchsorted(self.ts_ns, decisions_ns, side="right") - 1]
        return found

    def require_cover(self, first_ns: int, last_ns: int, what: str) -> None:
        """Raise ConfigError where nothing is known of the first of some decisions, or all of it is older than them."""
        if self.ts_ns[0] > first_ns:
            raise ConfigError(
                f"the recorded latencies begin at {_time(self.ts_ns[0])}, after the first decision on {what} at "
                f"{_time(first_ns)}; give a row at or before it"
            )
        if self.ts_ns[-1] < first_ns and last_ns > first_ns:
            raise ConfigError(
                f"the recorded latencies end at {_time(self.ts_ns[-1])}, before the first decision on {what} at "
                f"{_time(first_ns)}; record them in the same time, or give a constant latency_ms"
            )


def read_latencies(path: str | Path) -> RecordedLatency:
    """Return the latencies of a Parquet file; one that has not changed is read once.

    Raises ConfigError where it cannot be read, or its columns are not as they should be.
    """
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise ConfigError(f"cannot read recorded latencies {path}: {error.strerror}") from error
    return _read(str(Path(path).resolve()), stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=8)
def _read(path: str, _modified_ns: int, _size: int) -> RecordedLatency:
    import pyarrow as pa  # noqa: PLC0415  # slow to load, and few evaluations need it
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        rows = file.metadata.num_rows
        if not 0 < rows <= MOST_ROWS:
            raise ConfigError(f"{path} has {rows:,} rows; recorded latencies have 1 to {MOST_ROWS:,}")
        names = set(file.schema_arrow.names)
        latency = [name for name in ("latency_ns", "latency_ms") if name in names]
        once = len(file.schema_arrow.names) == len(names)
        if "ts_ns" not in names or len(latency) != 1 or not once:
            raise ConfigError(
                f"{path} has the columns {', '.join(file.schema_arrow.names)}; recorded latencies have ts_ns, and "
                "either latency_ns or latency_ms, each once"
            )
        table = file.read(columns=["ts_ns", *latency])
        times, values = (_column(path, table, name) for name in ("ts_ns", *latency))
    except (OSError, pa.ArrowException) as error:
        require_memory(error)
        raise ConfigError(f"cannot read recorded latencies {path}: {' '.join(str(error).split())}") from error
    return _checked(path, times, values, latency[0])


def _column(path: str, table: Any, name: str) -> NDArray[Any]:
    import pyarrow as pa  # noqa: PLC0415

    column = table[name]
    if column.null_count:
        raise ConfigError(f"{path}: {name} has {column.null_count:,} empty rows; recorded latencies have none")
    if name == "ts_ns" and pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ns")).cast(pa.int64())
    is_number = pa.types.is_integer(column.type) or (name == "latency_ms" and pa.types.is_floating(column.type))
    if not is_number:
        raise ConfigError(f"{path}: {name} is {column.type}; it must be a column of {_WANTED[name]}")
    return np.asarray(column.to_numpy())


_WANTED: Final = {"ts_ns": "int64 or timestamps", "latency_ns": "int64", "latency_ms": "numbers"}


def _checked(path: str, times: NDArray[Any], values: NDArray[Any], name: str) -> RecordedLatency:
    back = np.flatnonzero(np.diff(times.astype(np.int64)) < 0)
    if len(back):
        raise ConfigError(f"{path}: ts_ns goes back at row {int(back[0]) + 1:,}; sort the rows by time")
    unit = _NS_PER_MS if name == "latency_ms" else 1
    wrong = np.flatnonzero(~((values >= 0) & (values <= LONGEST_NS // unit)))
    if len(wrong):
        row = int(wrong[0])
        raise ConfigError(
            f"{path}: {name} is {values[row]} at row {row:,}; it must be at least 0 and at most {LONGEST_NS // unit:,}"
        )
    # Whole milliseconds of a narrow kind would not hold their nanoseconds.
    latency_ns = np.rint(values.astype(np.float64) * _NS_PER_MS) if name == "latency_ms" else values
    return RecordedLatency(times.astype(np.int64), latency_ns.astype(np.int64))


def _time(ns: Any) -> str:
    return f"{np.datetime64(int(ns), 'ns')}Z"
