"""Datasets of the lake, as frames and arrays."""

import dataclasses
import functools
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpharness.api.folders import Folder, lake_in
from vpharness.datasets.disk_use import disk_use
from vpharness.datasets.find import Dataset, all_datasets, find_dataset
from vpharness.datasets.manifest import Manifest
from vpharness.datasets.read import load
from vpharness.errors import ConfigError, DatasetError
from vpharness.execution.order_table import order_table
from vpharness.order_fates import REASONS
from vpharness.recorded_latency import read_latencies

_GROUPS: Final = ("source", "lattice", "events", "problems", "skipped")
"""Fields of the manifest that have values by name: each becomes a column, such as `lattice.radius`."""

_NS_PER_MS: Final = 1_000_000


@dataclasses.dataclass(frozen=True)
class DatasetTables:
    """One dataset of the lake: its manifest, its bins, and the columns of its grid, read when they are asked for."""

    _dataset: Dataset

    @property
    def id(self) -> str:
        """The dataset's id in the lake."""
        return self.manifest.dataset_id

    @property
    def manifest(self) -> Manifest:
        """What is known of it: instrument, tick size, widths, what it was made from, and what was odd about that."""
        return self._dataset.manifest

    @functools.cached_property
    def bins(self) -> pd.DataFrame:
        """The columns of its bins, a row for each, under the UTC time at which it begins.

        Raises DatasetError where the bins cannot be read, or are not as they were written.
        """
        return pd.DataFrame(dict(load(self._dataset).bins), index=self.times)

    @property
    def times(self) -> pd.DatetimeIndex:
        """[bins] when each bin begins, UTC."""
        manifest = self.manifest
        starts = manifest.first_bin_start_ns + np.arange(manifest.bins) * (manifest.cell_width_ms * 1_000_000)
        return pd.DatetimeIndex(pd.to_datetime(starts, unit="ns", utc=True), name="bin_start")

    @property
    def ticks(self) -> NDArray[np.int64]:
        """[cells] how far each cell lies above the mid, ticks."""
        return np.arange(-self.manifest.radius, self.manifest.radius + 1)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of the grid: [bins, cells], cells from the lowest price up.

        One that the dataset does not store is computed from its events, and kept in the lake's cache.

        Raises DatasetError where there is no such column; `manifest.columns` lists them.
        """
        return load(self._dataset, [name]).grid[name]

    def __repr__(self) -> str:
        m = self.manifest
        return f"dataset {self.id}: {m.instrument}, {m.bins:,} bins of {m.cell_width_ms} ms, {m.cells} cells"


def dataset(dataset_id: str, *, lake: Folder | None = None) -> DatasetTables:
    """Return a dataset of the lake. Raises DatasetError where there is none of that name."""
    return DatasetTables(find_dataset(lake_in(lake), dataset_id))


def virtual_orders(
    dataset: str | DatasetTables,
    *,
    latency_ms: float = 100,
    latency_path: str | Path | None = None,
    max_wait_bins: int = 100,
    lake: Folder | None = None,
) -> pd.DataFrame:
    """Return what would have become of a resting order of one unit at the touch, decided at the end of every bin.

    A row for a buy and one for a sell of each bin, with the columns

    - bin_seq: the bin that the order is decided at the end of;
    - side: B for a buy at the best bid, A for a sell at the best ask;
    - price: in 1e-9 units; 0 where there is no order, because the book was not valid;
    - reason: through, behind or crossed where it was filled; rejected, withdrawn or cleared where it was not; open
      where the events end before its fate is known; none where there is no order;
    - fill_ts_ns: when it was filled, ns since 1970, UTC; 0 where it was not;
    - ahead_at_arrival: what was ahead of it in the queue of its price, in units of the source;
    - executed: what was executed at its side and price from its arrival to the end of the longest wait, filled or not,
      in the same units: more than that nobody could have been filled of in turn.

    `attrs["out_of_turn"]` counts executions behind an order of which something was left: where there are many, the
    market does not fill in the order of arrival, and these fates overstate.

    Args:
        dataset: its name, or what `dataset` returned.
        latency_ms: from the decision to the arrival at the exchange.
        latency_path: a Parquet file of recorded latencies by time, in its place: the latest before each decision.
        max_wait_bins: after as many bins from its arrival it is withdrawn.
        lake: the folder of datasets.

    Raises ConfigError for a duration that is out of range, and DatasetError where the dataset keeps no events or has no
    queues.
    """
    if not (math.isfinite(latency_ms) and latency_ms >= 0):
        raise ConfigError(f"latency_ms is {latency_ms}; it must be a number of milliseconds, at least 0")
    if max_wait_bins < 1:
        raise ConfigError(f"max_wait_bins is {max_wait_bins}; it must be at least 1")
    found = find_dataset(lake_in(lake), dataset) if isinstance(dataset, str) else dataset._dataset
    width_ns = found.manifest.cell_width_ms * _NS_PER_MS
    latency = round(latency_ms * _NS_PER_MS) if latency_path is None else read_latencies(latency_path)
    table = order_table(found, latency=latency, max_wait_ns=max_wait_bins * width_ns)
    fates = table.fates.reshape(-1)
    frame = pd.DataFrame(
        {
            "bin_seq": np.repeat(load(found).bins["bin_seq"], 2),
            "side": np.tile(["B", "A"], len(table.fates)),
            "price": fates["price"],
            "reason": np.array(REASONS, dtype=object)[fates["reason"]],
            "fill_ts_ns": fates["fill_ns"],
            "ahead_at_arrival": fates["ahead_at_arrival"],
            "executed": fates["executed"],
        }
    )
    frame.attrs["out_of_turn"] = table.out_of_turn
    return frame


def datasets(*, lake: Folder | None = None) -> pd.DataFrame:
    """Return what the lake holds, a row for each dataset: the facts of its manifest, flat, and where it lies.

    `notes` are the sentences of the manifest, and `doubts` those that may spoil results on it. A dataset that cannot be
    opened has its reason in the column `problem`, and nothing else.
    """
    rows = [
        {"problem": str(found)} if isinstance(found, DatasetError) else _facts(found)
        for found in all_datasets(lake_in(lake))
    ]
    return pd.DataFrame(rows, columns=None if rows else ["dataset_id", "problem"])


def _facts(found: Dataset) -> dict[str, Any]:
    facts = dataclasses.asdict(found.manifest)
    flat = {name: value for name, value in facts.items() if not isinstance(value, dict | list)}
    flat |= {"notes": found.manifest.notes, "doubts": found.manifest.doubts}
    for group in _GROUPS:
        values = facts[group] or {}
        flat |= {f"{group}.{name}": value for name, value in values.items() if not isinstance(value, dict | list)}
    flat["start"] = pd.to_datetime(found.manifest.first_bin_start_ns, unit="ns", utc=True)
    flat["end"] = pd.to_datetime(found.manifest.last_bin_end_ns, unit="ns", utc=True)
    use = disk_use(found)
    flat |= {"columns_stored": len(found.stored_columns), "disk_bytes": use.stored, "cache_bytes": use.cached}
    return {**flat, "path": str(found.path), "problem": None}
