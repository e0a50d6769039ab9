"""The virtual orders of a dataset, one table for each latency and longest wait, kept in the lake's cache.

A table depends on the dataset, the latency, the longest wait, and the rules by which orders are filled; its file is
named after these, lies in the folder of the dataset's checksum among the computed columns, and is verified, deleted and
made again as they are (see `datasets.column_cache`). Deleting it loses nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.compiled import Array
from vpharness.datasets.cache_limit import keep_within_limit
from vpharness.datasets.column_cache import ColumnShape, cached_column, filled_by_one, keep
from vpharness.datasets.find import Dataset
from vpharness.datasets.manifest import require_orders
from vpharness.datasets.read import load
from vpharness.errors import ConfigError, DatasetError
from vpharness.events.mbo_event import FLAG_BY_PRICE, FLAG_TOP_OF_BOOK
from vpharness.order_fates import FATE_DTYPE
from vpharness.recorded_latency import RecordedLatency, read_latencies
from vpharness.storage.durable import written_aside

QUEUE_VERSION: Final = 2
"""Raised by hand whenever the same events would give other fates than before, or a fate has another field."""

_WORDS: Final = 2 * FATE_DTYPE.itemsize // 8
"""A row of the table in the cache: a buy and a sell, as 64-bit numbers."""


@dataclass(frozen=True)
class OrderTable:
    """The virtual orders of a dataset of T bins.

    Attributes:
        fates: FATE_DTYPE [T, 2], buys before sells, in the order of the bins.
        out_of_turn: how many executions went to orders behind one that had something left: 0 where a level fills in
            the order of arrival.
    """

    fates: NDArray[np.void]
    out_of_turn: int


def require_queue(dataset: Dataset) -> None:
    """Raise DatasetError where a dataset is known to have no queues: it is by price level, or keeps no events."""
    manifest = dataset.manifest
    require_orders(manifest)
    if dataset.keeps_events:
        return
    remedy = (
        "build it here from market-by-order data"
        if manifest.lattice is None
        else f"python -m vpharness convert dataset.id={manifest.dataset_id} dataset.columns=all adds them"
    )
    raise DatasetError(
        f"dataset {manifest.dataset_id} keeps no events, and a resting order's place in the queue follows from these; "
        f"{remedy}"
    )


def order_table(dataset: Dataset, *, latency: int | RecordedLatency, max_wait_ns: int) -> OrderTable:
    """Return the fate of a buy and a sell decided at the end of every bin: from the cache, or from the events.

    Args:
        dataset: a dataset that keeps its events.
        latency: from the decision to the arrival: ns, or recorded.
        max_wait_ns: from the arrival to the withdrawal.

    Raises DatasetError where the dataset has no queues, or its events cannot be read, and ConfigError where recorded
    latencies are not those of its time.
    """
    require_queue(dataset)
    shapes = _shapes(dataset, latency, max_wait_ns)
    fates, more = shapes
    cache = dataset.cache
    if cache is None or sum(each.file_bytes for each in shapes.values()) > cache.limit_bytes:
        return _computed(dataset, latency, max_wait_ns)
    folder = cache.of(dataset.checksum)
    found = _kept(folder, shapes, fates, more)
    if found is None:
        with filled_by_one(folder) as can_keep:
            found = _kept(folder, shapes, fates, more)  # another process may have made it meanwhile
            if found is None:
                found = _computed(dataset, latency, max_wait_ns)
                columns = {fates: _as_words(found.fates), more: np.array([[found.out_of_turn]], np.int64)}
                if can_keep and keep(folder, shapes, [columns]):
                    keep_within_limit(cache)
    return found


def kept_order_table(dataset: Dataset, *, latency: int | RecordedLatency, max_wait_ns: int) -> OrderTable | None:
    """Return what `order_table` does where the cache has it, and None where it would have to be computed."""
    if dataset.cache is None:
        return None
    shapes = _shapes(dataset, latency, max_wait_ns)
    return _kept(dataset.cache.of(dataset.checksum), shapes, *shapes)


def _shapes(dataset: Dataset, latency: int | RecordedLatency, max_wait_ns: int) -> dict[str, ColumnShape]:
    """Return the columns of a table in the cache by their names: the fates, and how many records were out of turn."""
    key = latency if isinstance(latency, int) else f"recorded{latency.digest}"
    name, int64 = f"orders_v{QUEUE_VERSION}_{key}_{max_wait_ns}", np.dtype(np.int64)
    return {
        f"{name}_fates": ColumnShape(int64, (dataset.manifest.bins, _WORDS)),
        f"{name}_out_of_turn": ColumnShape(int64, (1, 1)),
    }


def decisions_of(dataset: Dataset) -> NDArray[np.int64]:
    """Return [T] when orders are decided: at the end of each bin, ns since 1970, UTC."""
    manifest = dataset.manifest
    width_ns = manifest.cell_width_ms * 1_000_000
    return manifest.first_bin_start_ns + width_ns * np.arange(1, manifest.bins + 1, dtype=np.int64)


def require_latencies(dataset: Dataset, latency: RecordedLatency) -> None:
    """Raise ConfigError where recorded latencies are not those of a dataset's time."""
    decisions = decisions_of(dataset)
    latency.require_cover(int(decisions[0]), int(decisions[-1]), f"dataset {dataset.manifest.dataset_id}")


def keep_latencies(dataset: Dataset, path: str, digest: str) -> None:
    """Keep a copy of recorded latencies in the lake of a dataset, under the digest of their content.

    Results can be judged again with it, wherever the file has gone. Raises ConfigError where the file is not the one of
    that digest any more, and DatasetError where nothing can be written.
    """
    import pyarrow as pa  # noqa: PLC0415  # slow to load, and few runs have recorded latencies

    from vpharness.storage.parquet import write_parquet  # noqa: PLC0415

    latency, folder = read_latencies(path), dataset.latencies
    if latency.digest != digest:
        raise ConfigError(f"recorded latencies {path} have changed since the run was planned; begin it again")
    if folder is None or (folder / f"{digest}.parquet").exists():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with written_aside(folder / f"{digest}.parquet") as aside:
            write_parquet(pa.table({"ts_ns": latency.ts_ns, "latency_ns": latency.latency_ns}), aside)
    except OSError as error:
        raise DatasetError(f"cannot keep recorded latencies in {folder}: {error.strerror}") from error


def kept_latencies(dataset: Dataset, digest: str) -> RecordedLatency:
    """Return recorded latencies that are kept in the lake of a dataset.

    Raises ConfigError where they are not there, or not as they were written.
    """
    folder = dataset.latencies
    path = None if folder is None else folder / f"{digest}.parquet"
    if path is None or not path.exists():
        raise ConfigError(
            f"the recorded latencies {digest} are not in the lake of dataset {dataset.manifest.dataset_id}; give the "
            "file with eval.latency_path once more"
        )
    latency = read_latencies(path)
    if latency.digest != digest:
        raise ConfigError(f"{path} is not as it was written; delete it, and give eval.latency_path once more")
    return latency


def _kept(folder: Path, shapes: dict[str, ColumnShape], fates: str, out_of_turn: str) -> OrderTable | None:
    words, count = (cached_column(folder, name, shapes[name]) for name in (fates, out_of_turn))
    return None if words is None or count is None else OrderTable(words.view(FATE_DTYPE), int(count[0, 0]))


def _as_words(fates: NDArray[np.void]) -> Array:
    """Return a table of fates as the numbers [T, _WORDS] that are kept."""
    return np.ascontiguousarray(fates).view(np.int64).reshape(-1, _WORDS)


def _computed(dataset: Dataset, latency: int | RecordedLatency, max_wait_ns: int) -> OrderTable:
    from vpharness.datasets.event_table import DatasetEvents  # noqa: PLC0415  # compilers are slow to import
    from vpharness.datasets.replay import fresh_lattice  # noqa: PLC0415
    from vpharness.execution.virtual_orders import OtherEventsError, virtual_orders  # noqa: PLC0415

    dataset_id = dataset.manifest.dataset_id
    latency_ns: int | Array = latency if isinstance(latency, int) else latency.at(decisions_of(dataset))
    if not isinstance(latency, int):
        require_latencies(dataset, latency)
    with DatasetEvents(dataset).open() as stream:
        try:
            fates, out_of_turn = virtual_orders(
                load(dataset).bins,
                fresh_lattice(dataset, ()),
                _of_orders(stream.chunks, dataset_id),
                latency_ns=latency_ns,
                max_wait_ns=max_wait_ns,
            )
        except OtherEventsError as error:
            raise DatasetError(f"dataset {dataset_id}: {error}") from error
    return OrderTable(fates, out_of_turn)


def _of_orders(chunks: Iterator[Array], dataset_id: str) -> Iterator[Array]:
    """Yield chunks of events; raise DatasetError at a record that stands for a level or a side in place of orders."""
    for events in chunks:
        odd = events["flags"] & (FLAG_BY_PRICE | FLAG_TOP_OF_BOOK) != 0
        if odd.any():
            flag = int(events["flags"][np.argmax(odd)]) & (FLAG_BY_PRICE | FLAG_TOP_OF_BOOK)
            raise DatasetError(
                f"dataset {dataset_id} has records of flag {flag}, which stand for a whole level or side of the book: "
                "they do not say who is ahead in a queue; build a dataset from venues that send single orders"
            )
        yield events
