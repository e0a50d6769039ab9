"""Databento's schemas by their columns and record types, to refuse by name those that are not order by order."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from vpharness.errors import SourceError
from vpharness.events.dbn_records import ERROR, MBO, SYMBOL_MAPPING, SYSTEM

ADVICE: Final = "download the schema mbo, which has every order"

_SERVICE_TYPES: Final = frozenset({ERROR, SYMBOL_MAPPING, SYSTEM})
"""Errors, symbol mappings and system messages: they come along with records of any schema."""

_SCHEMA_OF_TYPE: Final = {
    0: "trades",
    1: "mbp-1 or tbbo",
    10: "mbp-10",
    17: "ohlcv",
    18: "status",
    19: "definition",
    20: "imbalance",
    24: "statistics",
    32: "ohlcv-1s",
    33: "ohlcv-1m",
    34: "ohlcv-1h",
    35: "ohlcv-1d",
    36: "ohlcv-eod",
    177: "cmbp-1",
    192: "cbbo-1s",
    193: "cbbo-1m",
    194: "tcbbo",
    195: "bbo-1s",
    196: "bbo-1m",
}

_SCHEMA_OF_COLUMNS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("mbp-10", frozenset({"bid_px_09"})),
    ("cmbp-1 or tcbbo", frozenset({"bid_pb_00", "action"})),
    ("cbbo", frozenset({"bid_pb_00"})),
    ("mbp-1 or tbbo", frozenset({"bid_px_00", "action"})),
    ("bbo", frozenset({"bid_px_00"})),
    ("ohlcv", frozenset({"open", "high", "low", "close"})),
    ("definition", frozenset({"security_update_action"})),
    ("statistics", frozenset({"stat_type"})),
    ("imbalance", frozenset({"auction_type"})),
    ("status", frozenset({"trading_event"})),
    ("trades", frozenset({"action", "price", "size", "depth"})),
)
"""The first whose columns are all there is the schema."""


def schema_of_columns(columns: Collection[str]) -> str | None:
    """Return the schema, other than mbo, that has such columns; None where no schema is known by them."""
    return next((schema for schema, needed in _SCHEMA_OF_COLUMNS if needed <= set(columns)), None)


def schemas_of_types(kinds: Collection[int]) -> list[str]:
    """Return the schemas, other than mbo, that have records of these types."""
    return [_SCHEMA_OF_TYPE.get(kind, f"of record type {kind}") for kind in sorted(set(kinds) - _SERVICE_TYPES - {MBO})]


def other_schema(path: Path | str, schema: str) -> SourceError:
    """Return the error for a file of another schema."""
    return SourceError(f"{path}: holds the schema {schema}; expected mbo: {ADVICE}")
