"""The columns of a dataset's two tables and the codes in them, as the lattice writes and signals read them."""

from typing import Any, Final

import numpy as np

BIN_DTYPE: Final = np.dtype(
    [
        ("ts_ns", np.int64),
        ("bin_seq", np.int64),
        ("bin_start_ns", np.int64),
        ("bin_end_ns", np.int64),
        ("bin_event_count", np.int64),
        ("event_id", np.int64),
        ("mid_price", np.float64),
        ("spot_ref_price_int", np.int64),
        ("best_bid_price_int", np.int64),
        ("best_ask_price_int", np.int64),
        ("book_valid", np.bool_),
    ],
    align=True,
)
"""One bin: a row of `bins.parquet`."""

CHANNELS: Final = ("add", "pull", "fill", "bid_depth", "ask_depth")
"""The channels of the filter bank, in the order of a tick's state."""

_RATES: Final = ("add", "pull", "fill", "rest_depth", "bid_depth", "ask_depth")

FLOAT_COLUMNS: Final = (
    "pressure_variant",
    "vacuum_variant",
    *(f"{flow}_mass" for flow in ("add", "pull", "fill")),
    "rest_depth",
    "bid_depth",
    "ask_depth",
    *(f"{order}_{rate}" for order in ("v", "a", "j") for rate in _RATES),
    "spectrum_score",
)
"""float64 columns of a cell."""

LABEL_COLUMNS: Final = (
    "spectrum_state_code",
    "ask_reprice_sign",
    "bid_reprice_sign",
    "perm_microstate_id",
    "perm_state5_code",
    "chase_up_flag",
    "chase_down_flag",
)
"""int8 columns of a cell."""

MOVE_COLUMNS: Final = ("best_ask_move_ticks", "best_bid_move_ticks")
"""int32 columns of a cell."""

EVENT_COLUMN: Final = "last_event_id"
"""int64 column of a cell."""

GRID_COLUMNS: Final[dict[str, np.dtype[Any]]] = {
    **dict.fromkeys(FLOAT_COLUMNS, np.dtype(np.float64)),
    **dict.fromkeys(LABEL_COLUMNS, np.dtype(np.int8)),
    **dict.fromkeys(MOVE_COLUMNS, np.dtype(np.int32)),
    EVENT_COLUMN: np.dtype(np.int64),
}
"""Every column of `grid_clean.parquet` beside `bin_seq` and `k`, with its type."""

BEAR_VACUUM: Final = -2
BEAR_PRESSURE: Final = -1
MIXED: Final = 0
BULL_PRESSURE: Final = 1
BULL_VACUUM: Final = 2
"""The codes of `perm_state5_code`: which kind of liquidity stands at a cell, and for which side of the market."""
