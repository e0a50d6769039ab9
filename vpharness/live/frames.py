"""Frames: a scored bin as it is sent, its own fields as JSON and its cells as an Arrow IPC record batch.

The schema message goes out once and a record batch message for each bin; together, with the end-of-stream mark or
without, they are an Arrow IPC stream. Online simulation times what is here and the server sends it.
"""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.live.live_model import ScoredBin
from vpharness.prices import PRICE_SCALE, has_mid
from vpharness.storage.arrow import arrow_array


def grid_schema(columns: Sequence[str]) -> pa.Schema:
    """Return the schema of frames of some grid columns, in the order given, each of its type in GRID_COLUMNS.

    Raises ConfigError where a column does not exist or is asked for twice.
    """
    return _schema(tuple(columns))


def encode_schema(columns: Sequence[str]) -> bytes:
    """Return the encapsulated schema message of frames of these columns; see `grid_schema`."""
    return bytes(memoryview(grid_schema(columns).serialize()))


def encode_grid(bins: Sequence[ScoredBin], columns: Sequence[str]) -> bytes:
    """Return one encapsulated record batch message, without the schema, with the cells of one bin or more.

    It has a row for each bin and k, all k from -radius to radius of the first bin before those of the second.

    Raises ConfigError as `grid_schema` does, and where a bin, which may come from a dataset, has not got the column.
    """
    schema = _schema(tuple(columns))
    batch = pa.RecordBatch.from_arrays([arrow_array(_cells(bins, name)) for name in columns], schema=schema)
    return bytes(memoryview(batch.serialize()))


def bin_fields(scored: ScoredBin, tick_price: int) -> dict[str, Any]:
    """Return the fields of a bin as JSON values; a missing one is None.

    Times are in ns since the epoch, as decimal strings since a JSON number holds 53 bits; prices are in price units.

    Args:
        scored: the bin.
        tick_price: a tick in 1e-9 price units (`vpharness.prices.tick_size_to_price`).
    """
    row = dict(zip(scored.row.dtype.names or (), scored.row[0].item(), strict=True))
    valid, spot = row["book_valid"], row["spot_ref_price_int"]
    return {
        "bin_seq": row["bin_seq"],
        "bin_start_ns": str(row["bin_start_ns"]),
        "bin_end_ns": str(row["bin_end_ns"]),
        "mid_price": row["mid_price"] if has_mid(row["mid_price"], valid) else None,
        "spot_price": spot / PRICE_SCALE if valid else None,
        "spot_tick": spot // tick_price if valid else None,
        "best_bid": _best_price(row["best_bid_price_int"], there=valid),
        "best_ask": _best_price(row["best_ask_price_int"], there=valid),
        "book_valid": valid,
        "bin_event_count": row["bin_event_count"],
        "event_id": row["event_id"],
        "score": scored.score if math.isfinite(scored.score) else None,
    }


def encode_json(message: Mapping[str, Any]) -> str:
    """Return a message as JSON; a ValueError where it holds a NaN or an infinity, which JSON has not."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False)


@functools.lru_cache(maxsize=256)
def _schema(columns: tuple[str, ...]) -> pa.Schema:
    unknown = [name for name in columns if name not in GRID_COLUMNS]
    if unknown:
        raise ConfigError(f"columns {', '.join(unknown)} are none of the grid's; it has {', '.join(GRID_COLUMNS)}")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ConfigError(f"columns {', '.join(twice)} are asked for twice; name each once")
    return pa.schema([(name, pa.from_numpy_dtype(GRID_COLUMNS[name])) for name in columns])


def _cells(bins: Sequence[ScoredBin], name: str) -> NDArray[np.generic]:
    """Return a column [len(bins) * K] of consecutive bins, in its own type, whatever the dataset's is."""
    lacking = next((each for each in bins if name not in each.grid), None)
    if lacking is not None:
        raise ConfigError(f"bin {lacking.row['bin_seq'][0]} has no column {name}; it has {', '.join(lacking.grid)}")
    cells = bins[0].grid[name] if len(bins) == 1 else np.concatenate([each.grid[name] for each in bins])
    return np.asarray(cells, dtype=GRID_COLUMNS[name])


def _best_price(price: int, *, there: bool) -> float | None:
    """Return a best price in price units. The engine writes 0 where a side is empty; of a valid book none is."""
    return price / PRICE_SCALE if there or price != 0 else None
