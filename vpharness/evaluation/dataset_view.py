"""The prices of a dataset as evaluation needs them: one entry a bin, with the dataset's name and span."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import DatasetError
from vpharness.prices import has_mid

_LEAST_PADDED_BINS: Final = 1024


@dataclass(frozen=True)
class DatasetView:
    """The prices of one dataset, one entry a bin, for T bins that follow one another without a gap.

    Attributes:
        name: the dataset's id, for messages and for a split by dataset.
        checksum: digest of the dataset's files.
        span: when the first bin begins and the last one ends, ns since the Unix epoch, UTC; blocks go by it.
        tick_size: price units a tick.
        cell_width_ms: length of a bin, ms.
        mid: [T] float64, price units; 0 (or NaN) where the book is not valid.
        book_valid: [T] bool.
        best_bid: [T] int64, 1e-9 price units; None where the dataset has none (no net figures then).
        best_ask: [T] int64, 1e-9 price units, or None.
        virtual_orders: from a latency and a longest wait, ns, to the fates of resting orders, FATE_DTYPE [T, 2], as
            `queue_fills` takes them; None where the dataset's events are not at hand.
        recorded_orders: the same for recorded latencies, by the digest of their content: fates, and the latency of each
            bin's decision [T], ns; None likewise.
        size_unit: quantity of the instrument that one unit of the fates stands for.
    """

    name: str
    checksum: str
    span: tuple[int, int]
    tick_size: float
    cell_width_ms: float
    mid: NDArray[np.float64]
    book_valid: NDArray[np.bool_]
    best_bid: NDArray[np.int64] | None = None
    best_ask: NDArray[np.int64] | None = None
    virtual_orders: Callable[[int, int], NDArray[Any]] | None = field(default=None, compare=False, repr=False)
    recorded_orders: Callable[[str, int], tuple[NDArray[Any], NDArray[np.int64]]] | None = field(
        default=None, compare=False, repr=False
    )
    size_unit: float = 1.0

    def __post_init__(self) -> None:
        """Check that the arrays fit one another."""
        for name in ("mid", "book_valid", "best_bid", "best_ask"):
            array = getattr(self, name)
            if array is not None and array.shape != (self.n_bins,):
                raise DatasetError(
                    f"dataset {self.name}: {name} has shape {array.shape}, mid has {self.mid.shape}; "
                    "both must hold one value a bin"
                )
        if (self.best_bid is None) != (self.best_ask is None):
            raise DatasetError(f"dataset {self.name}: best bid and best ask must be given together or not at all")

    @property
    def n_bins(self) -> int:
        """The number of bins T."""
        return int(self.mid.shape[0])

    @property
    def has_mid(self) -> NDArray[np.bool_]:
        """[T] whether the bin has a mid."""
        found: NDArray[np.bool_] = has_mid(self.mid, self.book_valid)
        return found

    @property
    def has_best_prices(self) -> bool:
        """Whether entries and exits at the touch can be computed."""
        return self.best_bid is not None


def padded_bins(n_bins: int) -> int:
    """Return the size that a series of `n_bins` is padded to, so that one compiled function serves many lengths.

    It is the least of four sizes an octave, from 1024 on, that is not below `n_bins`: at most a quarter is padding.
    """
    octave = _LEAST_PADDED_BINS
    while octave * 2 < n_bins:
        octave *= 2
    quarter = octave // 4
    return max(_LEAST_PADDED_BINS, -(-n_bins // quarter) * quarter)


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
