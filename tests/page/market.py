"""A market whose every value is known: what the stand-in server sends, and what the page then has to show.

Bin `seq` has the mid, the quotes and the cells of `seq % PERIOD`, so that any number of bins costs few frames.
"""

from functools import cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.lattice.columns import GRID_COLUMNS

PERIOD: Final = 400
RADIUS: Final = 50
TICK_SIZE: Final = 0.25
CELL_WIDTH_MS: Final = 100
START_NS: Final = 1_704_205_800_000_000_001
"""An odd nanosecond: a page that reads times as doubles would lose it."""
K: Final = np.arange(-RADIUS, RADIUS + 1)
HORIZONS: Final = (1, 2, 4, 8, 20, 50)
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
THRESHOLD: Final = 0.6
INVALID: Final = frozenset(range(150, 155))
"""Phases of the period in which the book is not valid."""


def spot_tick(seq: int) -> int:
    """Return the tick around which the cells of a bin lie."""
    phase = 2 * np.pi * (seq % PERIOD) / PERIOD
    return 19200 + round(float(14 * np.sin(phase) + 3 * np.sin(5 * phase)))


def cells(column: str, seq: int) -> NDArray[Any]:
    """Return a column of a bin [K]: waves along absolute ticks, of another length for each column."""
    place = list(GRID_COLUMNS).index(column)
    wave = np.sin((spot_tick(seq) + K) * (0.15 + 0.01 * place) + 2 * np.pi * (seq % PERIOD) * (1 + place % 3) / 100)
    dtype = GRID_COLUMNS[column]
    if column == "spectrum_score":
        return np.asarray(wave, dtype)
    if dtype.kind == "i":
        return np.asarray(np.rint(2 * wave), dtype)
    side = {"bid_depth": K <= 0, "ask_depth": K > 0}.get(column, True)
    return np.asarray(np.where(side, 40 * (1.1 + wave), 0), dtype)


def score(seq: int) -> float | None:
    """Return the score of a bin; None where the book is not valid."""
    if seq % PERIOD in INVALID:
        return None
    return float(0.9 * np.sin(2 * np.pi * (seq % PERIOD) / 80))


def fire(seq: int) -> int:
    """Return the direction in which a bin fires: where the score passes the threshold or its mirror image."""
    now, before = score(seq) or 0, score(seq - 1) or 0
    return int(now >= THRESHOLD > before) - int(now <= -THRESHOLD < before)


def projection(seq: int) -> list[list[float]]:
    """Return the quantiles of the move in ticks, a row a horizon: wider with the root of the horizon."""
    lean = score(seq) or 0.0
    z = (-1.645, -0.674, 0.0, 0.674, 1.645)
    return [[round(lean * h**0.5 / 2 + each * h**0.5, 3) for each in z] for h in HORIZONS]


def outcomes(seq: int) -> list[dict[str, Any]]:
    """Return what became of the fires of 25 bins ago: each third one a take-profit, a stop-loss, a timeout."""
    past = seq - 25
    if past < 0 or not fire(past):
        return []
    outcome, pnl = (("tp", 8.0), ("sl", -4.0), ("timeout", 1.5))[(past // 40) % 3]
    found = {"model": "champion", "seq": past, "direction": fire(past), "outcome": outcome, "pnl_ticks": pnl}
    return [{**found, "net_outcome": outcome, "net_pnl_ticks": pnl - 1}]


def trades(seq: int) -> list[tuple[float, float, str]]:
    """Return what is executed in a bin: each fifth time at the bid, each eighth at the ask."""
    bid, ask = (spot_tick(seq) - 1) * TICK_SIZE, spot_tick(seq) * TICK_SIZE
    return [(bid, 3.0, "B")] * (seq % 5 == 0) + [(ask, 5.0, "A")] * (seq % 8 == 0)


def update(seq: int, version: str) -> dict[str, Any]:
    """Return the grid_update of a bin."""
    start_ns, valid, tick = START_NS + seq * CELL_WIDTH_MS * 1_000_000, seq % PERIOD not in INVALID, spot_tick(seq)
    value = score(seq)
    return {
        "type": "grid_update", "seq": seq, "version": version, "missed": 0, "bin_seq": seq,
        "bin_start_ns": str(start_ns), "bin_end_ns": str(start_ns + CELL_WIDTH_MS * 1_000_000),
        "mid_price": (tick - 0.5) * TICK_SIZE if valid else None, "spot_price": tick * TICK_SIZE if valid else None,
        "spot_tick": tick if valid else None, "best_bid": (tick - 1) * TICK_SIZE if valid else None,
        "best_ask": tick * TICK_SIZE if valid else None, "book_valid": valid,
        "bin_event_count": seq % 7, "event_id": 10 * seq, "score": value, "ready": True, "fire": fire(seq),
        "projection": projection(seq) if valid else None,
        "challengers": [{"score": None if value is None else -value / 2, "fire": 0}],
        "outcomes": outcomes(seq),
        "trades": trades(seq), "late_ms": 1.25, "sent_ns": str(start_ns),
    }  # fmt: skip


def schema(columns: tuple[str, ...]) -> pa.Schema:
    """Return the schema of the binary frames."""
    return pa.schema([(name, pa.from_numpy_dtype(GRID_COLUMNS[name])) for name in columns])


@cache
def frame(phase: int, columns: tuple[str, ...]) -> bytes:
    """Return the binary frame of a bin of the period."""
    return history_frame([phase], columns)


def history_frame(seqs: list[int], columns: tuple[str, ...]) -> bytes:
    """Return the binary frame of several bins, bin-major."""
    arrays = [np.concatenate([cells(name, seq) for seq in seqs]) for name in columns]
    return bytes(pa.RecordBatch.from_arrays(arrays, schema=schema(columns)).serialize())
