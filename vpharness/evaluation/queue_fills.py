"""Fills of resting orders by bin: what evaluation needs of the virtual orders of a dataset.

A fire upwards at bin t places a buy, one downwards a sell, at the touch at the end of t. Here stands for each t and
side what became of that order, in which bin it was filled, and how the market went on from there. It depends on the
dataset, the latency and the longest wait alone: every barrier, fee, candidate and draw of a null looks it up.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation.dataset_view import DatasetView
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation
from vpharness.order_fates import FATE_DTYPE, NONE, REJECTED, is_filled
from vpharness.prices import tick_size_to_price

MARKOUT_MS: Final = (100, 1_000, 5_000, 10_000)
"""How long after a fill the mid is looked at, ms."""

_NS_PER_MS: Final = 1_000_000
_SIGNS: Final = np.array([[1.0], [-1.0]])


@dataclass(frozen=True)
class QueueFills:
    """What became of a buy (row 0) and a sell (row 1) decided at the end of each of T bins.

    Attributes:
        reason: [2, T] int8, places among `order_fates.REASONS`.
        bin: [2, T] int32, the bin of the fill; the order's own where it was not filled, or after the last bin.
        price: [2, T] int64, the order's price, 1e-9 price units.
        wait_ms: [2, T] float64, from its arrival to its fill; NaN where it was not filled.
        markout_ticks: [len(MARKOUT_MS), 2, T] float64, s(mid - price)/tick at the first bin end with a valid book so
            long after the fill, s being +1 for a buy; NaN where it was not filled, or the data end before.
        executed: [2, T] float64, what was executed at its side and price within the longest wait, filled or not, in the
            instrument's own quantity; NaN where it was rejected, or there was no order.
    """

    reason: NDArray[np.int8]
    bin: NDArray[np.int32]
    price: NDArray[np.int64]
    wait_ms: NDArray[np.float64]
    markout_ticks: NDArray[np.float64]
    executed: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        arrays = (self.reason, self.bin, self.price, self.wait_ms, self.markout_ticks, self.executed)
        return sum(array.nbytes for array in arrays)


def fills_needed(dataset: DatasetView, evaluation: ResolvedEvaluation) -> QueueFills | None:
    """Return the fills that an evaluation of a dataset needs; None where every entry is at the touch.

    Raises ConfigError where nothing is known of the dataset's queues, and DatasetError where it has none.
    """
    if not evaluation.in_queue:
        return None
    if dataset.virtual_orders is None:
        raise ConfigError(f"fill=queue needs the events of dataset {dataset.name}, which are not at hand; use touch")
    if not evaluation.latency_digest:
        fates = dataset.virtual_orders(evaluation.latency_ns, evaluation.max_wait_ns)
        return queue_fills(dataset, fates, evaluation.latency_ns)
    if dataset.recorded_orders is None:
        raise ConfigError(
            f"the recorded latencies {evaluation.latency_digest} are not at hand for dataset {dataset.name}; give a "
            "constant latency_ms"
        )
    return queue_fills(dataset, *dataset.recorded_orders(evaluation.latency_digest, evaluation.max_wait_ns))


def queue_fills(dataset: DatasetView, fates: NDArray[np.void], latency_ns: int | NDArray[np.int64]) -> QueueFills:
    """Return the fills of the virtual orders of a dataset.

    Args:
        dataset: the dataset, of T bins.
        fates: FATE_DTYPE [T, 2], buys before sells.
        latency_ns: with which they were computed, one for all or [T].
    """
    if fates.shape != (dataset.n_bins, 2) or fates.dtype != FATE_DTYPE:
        raise ValueError(f"fates are {fates.dtype} {fates.shape}, expected {FATE_DTYPE} ({dataset.n_bins}, 2)")
    width_ns = round(dataset.cell_width_ms * _NS_PER_MS)
    own = np.broadcast_to(np.arange(dataset.n_bins), (2, dataset.n_bins))
    reason = np.ascontiguousarray(fates["reason"].T)
    filled = is_filled(reason)
    fill_ns = np.where(filled, fates["fill_ns"].T, dataset.span[0])
    price = np.ascontiguousarray(fates["price"].T)
    arrival_ns = dataset.span[0] + (own + 1) * width_ns + latency_ns
    bins = (fill_ns - dataset.span[0]) // width_ns
    return QueueFills(
        reason=reason,
        bin=np.where(filled & (bins < dataset.n_bins), bins, own).astype(np.int32),
        price=price,
        wait_ms=np.where(filled, (fill_ns - arrival_ns) / _NS_PER_MS, np.nan),
        executed=np.where(np.isin(reason, (NONE, REJECTED)), np.nan, fates["executed"].T * dataset.size_unit),
        markout_ticks=_markouts(dataset, filled, fill_ns, price / tick_size_to_price(dataset.tick_size)),
    )


def _markouts(
    dataset: DatasetView, filled: NDArray[np.bool_], fill_ns: NDArray[np.int64], price_ticks: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return [len(MARKOUT_MS), 2, T] how far the mid lies on the good side of filled orders, ticks."""
    n_bins, width_ns = dataset.n_bins, round(dataset.cell_width_ms * _NS_PER_MS)
    valid = np.flatnonzero(dataset.book_valid & dataset.has_mid)
    mid_ticks = np.append(dataset.mid[valid] / dataset.tick_size, np.nan)
    found = np.full((len(MARKOUT_MS), *filled.shape), np.nan)
    for place, after_ms in enumerate(MARKOUT_MS):
        # Bin b ends at span[0] + (b + 1) width: the first that ends at or after a time.
        since_ns = fill_ns[filled] + after_ms * _NS_PER_MS - dataset.span[0]
        first = np.minimum(-(-since_ns // width_ns) - 1, n_bins)
        mid = mid_ticks[np.searchsorted(valid, first)]
        signs = np.broadcast_to(_SIGNS, filled.shape)[filled]
        found[place][filled] = signs * (mid - price_ticks[filled])
    return found
