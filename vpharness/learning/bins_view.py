"""What labels and evaluation see of bins, wherever these come from."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vpharness.evaluation import DatasetView


def view_of_bins(
    bins: Mapping[str, Any],
    *,
    name: str,
    checksum: str,
    span: tuple[int, int],
    tick_size: float,
    cell_width_ms: int,
    has_best_prices: bool = True,
) -> DatasetView:
    """Return the view of bins, given their columns [T]; it has no resting orders."""
    return DatasetView(
        name=name,
        checksum=checksum,
        span=span,
        tick_size=tick_size,
        cell_width_ms=cell_width_ms,
        mid=np.asarray(bins["mid_price"], np.float64),
        book_valid=np.asarray(bins["book_valid"], np.bool_),
        best_bid=np.asarray(bins["best_bid_price_int"], np.int64) if has_best_prices else None,
        best_ask=np.asarray(bins["best_ask_price_int"], np.int64) if has_best_prices else None,
    )
