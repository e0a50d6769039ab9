"""The series of the bins that a signal may read beside the cells: where the mid stands, and how wide the spread is."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.prices import PRICE_SCALE, tick_size_to_price

MID_TICKS: Final = "mid_ticks"
SPREAD_TICKS: Final = "spread_ticks"
BIN_SERIES: Final = {
    MID_TICKS: "mid of the best prices at the bin's end, ticks",
    SPREAD_TICKS: "best ask less best bid at the bin's end, ticks",
}
"""Each series by name, with its meaning."""
_DIGITS: Final = 6
"""The mid is rounded to a millionth of a tick: prices that are no binary fractions leave no noise in its moves."""


def bin_series(names: Sequence[str], bins: Mapping[str, Any], tick_size: float) -> dict[str, NDArray[np.float64]]:
    """Return series of bins, each [T] float64; what stands at bins without a valid book has no meaning.

    Args:
        names: of `BIN_SERIES`.
        bins: mid_price in price units, and for the spread best_bid_price_int and best_ask_price_int in 1e-9 of them.
        tick_size: price units a tick.

    Raises ConfigError where the bins have no best prices and the spread is asked for.
    """
    found: dict[str, NDArray[np.float64]] = {}
    tick_price = tick_size_to_price(tick_size)
    for name in names:
        if name == MID_TICKS:
            found[name] = np.round(np.asarray(bins["mid_price"], np.float64) / (tick_price / PRICE_SCALE), _DIGITS)
            continue
        try:
            bid, ask = (np.asarray(bins[f"best_{side}_price_int"], np.int64) for side in ("bid", "ask"))
        except (KeyError, ValueError):
            raise ConfigError(
                f"{name} needs the best prices, which these bins do not have: build the dataset again from its source"
            ) from None
        found[name] = (ask - bid) / tick_price
    return found
