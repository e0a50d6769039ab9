"""The view of a dataset that evaluation works on: its prices, and the fates of orders that rest in its book.

Commands that only look results up read prices too, and wait for no compiler: nothing here imports one.
"""

import dataclasses
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vpharness.datasets.find import Dataset
from vpharness.datasets.read import Loaded
from vpharness.evaluation import DatasetView
from vpharness.evaluation.dataset_view import view_of_bins
from vpharness.execution.order_table import decisions_of, kept_latencies, order_table


def view_of(dataset: Dataset, loaded: Loaded) -> DatasetView:
    """Return the view of a dataset that evaluation works on."""
    manifest, bins = dataset.manifest, loaded.bins
    seen = view_of_bins(
        bins,
        name=manifest.dataset_id,
        checksum=dataset.checksum,
        span=(manifest.first_bin_start_ns, manifest.last_bin_end_ns),
        tick_size=manifest.tick_size,
        cell_width_ms=manifest.cell_width_ms,
        has_best_prices=manifest.has_best_prices,
    )
    return dataclasses.replace(
        seen,
        virtual_orders=partial(_fates, dataset),
        recorded_orders=partial(_recorded_fates, dataset),
        size_unit=1.0 if manifest.size_unit is None else manifest.size_unit,
    )


def _fates(dataset: Dataset, latency_ns: int, max_wait_ns: int) -> NDArray[np.void]:
    return order_table(dataset, latency=latency_ns, max_wait_ns=max_wait_ns).fates


def _recorded_fates(dataset: Dataset, digest: str, max_wait_ns: int) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    recorded = kept_latencies(dataset, digest)
    fates = order_table(dataset, latency=recorded, max_wait_ns=max_wait_ns).fates
    return fates, recorded.at(decisions_of(dataset))
