"""The view of a dataset that evaluation works on: its prices, and the fates of orders that rest in its book.

Commands that only look results up read prices too, and wait for no compiler: nothing here imports one.
"""

import dataclasses
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vpharness.datasets.find import Dataset
from vpharness.datasets.read import Loaded
from vpharness.errors import DatasetError
from vpharness.evaluation import DatasetView
from vpharness.evaluation.dataset_view import view_of_bins
from vpharness.execution.order_table import OrderTable, decisions_of, kept_latencies, kept_order_table, order_table
from vpharness.recorded_latency import RecordedLatency


def view_of(dataset: Dataset, loaded: Loaded, *, computes: bool = True) -> DatasetView:
    """Return the view of a dataset that evaluation works on.

    Args:
        dataset: the dataset.
        loaded: its bins.
        computes: whether fates of orders that the cache lacks are computed, and kept there; a DatasetError otherwise.
    """
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
        virtual_orders=partial(_fates, dataset, computes),
        recorded_orders=partial(_recorded_fates, dataset, computes),
        size_unit=1.0 if manifest.size_unit is None else manifest.size_unit,
    )


def _fates(dataset: Dataset, computes: bool, latency_ns: int, max_wait_ns: int) -> NDArray[np.void]:
    return _table(dataset, latency_ns, max_wait_ns, computes=computes).fates


def _recorded_fates(
    dataset: Dataset,
    computes: bool,  # the arguments of a partial
    digest: str,
    max_wait_ns: int,
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    recorded = kept_latencies(dataset, digest)
    return _table(dataset, recorded, max_wait_ns, computes=computes).fates, recorded.at(decisions_of(dataset))


def _table(dataset: Dataset, latency: int | RecordedLatency, max_wait_ns: int, *, computes: bool) -> OrderTable:
    if computes:
        return order_table(dataset, latency=latency, max_wait_ns=max_wait_ns)
    found = kept_order_table(dataset, latency=latency, max_wait_ns=max_wait_ns)
    if found is None:
        raise DatasetError(
            f"what became of resting orders in dataset {dataset.manifest.dataset_id} is not in its cache any more; "
            "python -m vpharness compare execution=CANDIDATE computes it"
        )
    return found
