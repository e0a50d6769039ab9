"""MBO records from the columns of Databento's other encodings: CSV, JSON lines and Parquet.

Columns have the names of the fields. Times are integers (ns since 1970) or ISO 8601. Prices are integers in units of
1e-9 or decimal numbers in units of currency, and become integers without passing through a float. Undefined prices and
times are empty: "" as text, null, NaN.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vpharness.errors import SourceError, require_memory
from vpharness.events.dbn_instruments import RecordSymbols
from vpharness.events.dbn_records import MBO, MBO_RECORD_DTYPE
from vpharness.events.dbn_schemas import other_schema, schema_of_columns
from vpharness.events.mbo_event import UNDEFINED_PRICE
from vpharness.prices import PRICE_SCALE

NEEDED: Final = (
    "ts_event",
    "publisher_id",
    "instrument_id",
    "action",
    "side",
    "price",
    "size",
    "order_id",
    "flags",
)
"""Columns without which there is no event."""
READ: Final = (*NEEDED, "ts_recv", "rtype", "symbol")
"""Columns that are read where they are there."""

_COUNTS: Final = ("publisher_id", "instrument_id", "size", "order_id", "flags", "rtype")
_UNDEFINED_TIME: Final = (1 << 64) - 1
_PRICE_DIGITS: Final = 9
_DECIMAL: Final = pa.decimal128(38, _PRICE_DIGITS)
_NANOSECONDS: Final = pa.timestamp("ns", "UTC")
_EXACT_FLOAT: Final = float(1 << 51)
"""Up to here, a whole number divided by 1e9 in floats comes back by multiplication and rounding."""

Array = Any
"""An Arrow array; pyarrow has no types."""


@dataclass
class MboColumns:
    """The reader of one file's columns, block by block.

    Attributes:
        path: the file, as errors call it.
        has_points: whether prices as text are in units of currency; None before the first price.
    """

    path: Path
    has_points: bool | None = None

    def require(self, columns: Collection[str]) -> None:
        """Raise SourceError where columns are not those of the schema mbo; other schemas are named."""
        missing = [name for name in NEEDED if name not in columns]
        if not missing:
            return
        if (schema := schema_of_columns(columns)) is not None:
            raise other_schema(self.path, schema)
        raise SourceError(
            f"{self.path}: has no column {', '.join(missing)}; expected the columns of Databento's schema mbo, as a "
            "download, to_csv, to_json and to_parquet write them"
        )

    def mbo(
        self, columns: Mapping[str, Array], name: Callable[[int], str]
    ) -> tuple[NDArray[np.void], RecordSymbols | None]:
        """Return a block as records, [records] MBO_RECORD_DTYPE, and the symbols that it says.

        `columns` are Arrow arrays of one length; `name` gives from a place in them what an error calls the row. Fields
        that no event depends on are zero. Raises SourceError for the first value that cannot be what it should be.
        """
        block = _Block(self.path, columns, name)
        made = np.zeros(len(columns["ts_event"]), MBO_RECORD_DTYPE)
        made["rtype"] = MBO
        made["ts_recv"] = _UNDEFINED_TIME
        for field in _COUNTS:
            if field in columns:
                made[field] = block.counts(field, int(np.iinfo(MBO_RECORD_DTYPE[field]).max))
        block.refuse(made["rtype"] != MBO, "rtype", f"{MBO}, a record of the schema mbo")
        made["ts_event"] = block.times("ts_event")
        if "ts_recv" in columns:
            made["ts_recv"] = block.times("ts_recv")
        made["price"] = self._prices(block)
        made["action"], made["side"] = block.letters("action"), block.letters("side")
        return made, block.labels() if "symbol" in columns else None

    def _prices(self, block: "_Block") -> NDArray[np.int64]:
        """Return prices in units of 1e-9; whether text is in these units is told once, by the first point."""
        if not block.is_text("price"):
            return block.typed_prices()
        texts = block.without_empty("price")
        if self.has_points is None and texts.null_count < len(texts):
            self.has_points = bool(pc.any(pc.match_substring(texts, ".")).as_py())
        return block.decimal_prices(texts) if self.has_points else block.whole_prices(texts)


@dataclass(frozen=True)
class _Block:
    path: Path
    columns: Mapping[str, Array]
    name: Callable[[int], str]

    def is_text(self, field: str) -> bool:
        kind = self.columns[field].type
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

    def refuse(self, wrong: NDArray[np.bool_], field: str, expected: str) -> None:
        if wrong.any():
            raise self._error(int(np.argmax(wrong)), field, expected)

    def without_empty(self, field: str) -> Array:
        """Return a column of text with null in place of empty values."""
        texts = self.columns[field]
        empty = pc.equal(pc.binary_length(texts), 0)
        return pc.if_else(empty, None, texts) if pc.any(empty).as_py() else texts

    def counts(self, field: str, most: int) -> NDArray[np.uint64]:
        """Return whole numbers, [rows] uint64, that are there and lie between 0 and `most`."""
        values, expected = self.columns[field], f"a whole number from 0 to {most}"
        self._require_all(values, field, expected)
        if self.is_text(field):
            self.refuse(~_booleans(pc.ascii_is_decimal(values)), field, expected)
        elif not pa.types.is_integer(values.type):
            raise self._unusable(field, "whole numbers")
        found: NDArray[np.uint64] = self._cast(values, pa.uint64(), field, expected).to_numpy(zero_copy_only=False)
        self.refuse(found > np.uint64(most), field, expected)
        return found

    def times(self, field: str) -> NDArray[np.uint64]:
        """Return times in ns since 1970, [rows] uint64."""
        values, expected = self.columns[field], "a time in ns since 1970, or as 2024-01-02T15:00:00.000000000Z"
        if self.is_text(field):
            values = self.without_empty(field)
            whole = pc.ascii_is_decimal(values)
            kind = pa.uint64() if pc.all(whole).as_py() else _NANOSECONDS
            values = self._cast(values, kind, field, expected)
        elif not (pa.types.is_integer(values.type) or pa.types.is_timestamp(values.type)):
            raise self._unusable(field, "times or whole numbers")
        if pa.types.is_timestamp(values.type):
            zone = pa.timestamp("ns", values.type.tz)
            values = self._cast(values, zone, field, expected).cast(pa.int64())
        values = self._cast(values, pa.uint64(), field, expected)
        return np.asarray(pc.fill_null(values, _UNDEFINED_TIME).to_numpy(zero_copy_only=False), np.uint64)

    def whole_prices(self, texts: Array) -> NDArray[np.int64]:
        values = self._cast(texts, pa.int64(), "price", "a whole number in units of 1e-9, as in the rows before")
        return np.asarray(pc.fill_null(values, UNDEFINED_PRICE).to_numpy(zero_copy_only=False), np.int64)

    def decimal_prices(self, values: Array) -> NDArray[np.int64]:
        expected = "a price with at most 9 digits behind the point"
        exact = self._cast(values, _DECIMAL, "price", expected)
        # A decimal of 128 bits with nine digits behind the point is the price in units of 1e-9: two words, low first.
        words = np.frombuffer(exact.buffers()[1], "<i8").reshape(-1, 2)[exact.offset : exact.offset + len(exact)]
        undefined = _booleans(pc.is_null(exact))
        self.refuse(~undefined & (words[:, 1] != words[:, 0] >> 63), "price", "a price that 64 bits hold")
        return np.where(undefined, UNDEFINED_PRICE, words[:, 0])

    def typed_prices(self) -> NDArray[np.int64]:
        values = self.columns["price"]
        if pa.types.is_floating(values.type):
            return self._float_prices(np.asarray(values.to_numpy(zero_copy_only=False), np.float64))
        if pa.types.is_decimal(values.type):
            return self.decimal_prices(values)
        if pa.types.is_integer(values.type):
            return self.whole_prices(values)
        raise self._unusable("price", "numbers")

    def _float_prices(self, prices: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the multiples of 1e-9 that were divided by 1e9 to make these floats."""
        undefined = np.isnan(prices)
        scaled = np.where(undefined, 0, prices) * PRICE_SCALE
        self.refuse(~(np.abs(scaled) < float(1 << 63)), "price", "a price that 64 bits hold")
        found = np.rint(scaled).astype(np.int64)
        # Of larger ones the shortest decimal that reads as this float is meant.
        for row in np.flatnonzero(np.abs(scaled) >= _EXACT_FLOAT).tolist():
            found[row] = int(Decimal(repr(float(prices[row]))).scaleb(_PRICE_DIGITS).to_integral_value())
        found[undefined] = UNDEFINED_PRICE
        return found

    def letters(self, field: str) -> NDArray[np.uint8]:
        """Return the ASCII codes of a column of single letters, [rows] uint8."""
        values, expected = self.columns[field], "one letter"
        self._require_all(values, field, expected)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            raise self._unusable(field, "text")
        values = values.cast(pa.string())
        lengths = np.asarray(pc.binary_length(values).to_numpy(zero_copy_only=False))
        self.refuse(lengths != 1, field, expected)
        if not len(values):
            return np.zeros(0, np.uint8)
        first = int(np.frombuffer(values.buffers()[1], np.int32, 1, values.offset * 4)[0])
        return np.frombuffer(values.buffers()[2], np.uint8, len(values), first)

    def labels(self) -> RecordSymbols:
        """Return the column of symbols; empty ones are none."""
        values = self.columns["symbol"]
        if not pa.types.is_dictionary(values.type):
            if pa.types.is_null(values.type):
                values = values.cast(pa.string())
            if not self.is_text("symbol") and not pa.types.is_string(values.type):
                raise self._unusable("symbol", "text")
            values = values.dictionary_encode()
        names = ["" if name is None else str(name) for name in values.dictionary.to_pylist()]
        codes = np.asarray(pc.fill_null(values.indices.cast(pa.int32()), -1).to_numpy(zero_copy_only=False), np.int32)
        empty = [code for code, name in enumerate(names) if not name]
        return RecordSymbols(np.where(np.isin(codes, empty), np.int32(-1), codes), names)

    def _require_all(self, values: Array, field: str, expected: str) -> None:
        if values.null_count:
            self.refuse(_booleans(pc.is_null(values)), field, expected)

    def _cast(self, values: Array, kind: Any, field: str, expected: str) -> Array:
        """Return values of another type; an error names the first that has none there."""
        try:
            return values.cast(kind)
        except pa.ArrowException as error:
            require_memory(error)
        row, size = 0, len(values)
        while size > 1:
            half = size // 2
            if _casts(values.slice(row, half), kind):
                row, half = row + half, size - half
            size = half
        raise self._error(row, field, expected)

    def _error(self, row: int, field: str, expected: str) -> SourceError:
        found = self.columns[field][row].as_py()
        shown = "empty" if found is None or found == "" else repr(found if len(str(found)) <= 60 else str(found)[:57])
        return SourceError(f"{self.path}: {self.name(row)}: {field} is {shown}; expected {expected}")

    def _unusable(self, field: str, expected: str) -> SourceError:
        return SourceError(
            f"{self.path}: the column {field} is of type {self.columns[field].type}; expected {expected}"
        )


def _booleans(values: Array) -> NDArray[np.bool_]:
    return np.asarray(values.to_numpy(zero_copy_only=False), np.bool_)


def _casts(values: Array, kind: Any) -> bool:
    try:
        values.cast(kind)
    except pa.ArrowException as error:
        require_memory(error)
        return False
    return True
