"""The table of virtual orders of a dataset: computed once, kept whole or not at all, refused where there is none."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vpharness as vp
from tests.datasets.compact import ALL, as_of_an_earlier_version, built
from vpharness.api.data import DatasetTables
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, DatasetError
from vpharness.events.dbn import DbnSource
from vpharness.events.mbo_event import ADD, BID, EVENT_DTYPE, FLAG_BY_PRICE
from vpharness.events.synthetic import SyntheticSource
from vpharness.execution import order_table
from vpharness.execution.order_table import OrderTable
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.order_fates import FATE_DTYPE, FILLS

LATENCY_NS, WAIT_NS = 100_000_000, 2_000_000_000
LATTICE = LatticeParameters(radius=2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A minute of the simulated market."""
    return built(tmp_path_factory.mktemp("orders"), SyntheticSource(minutes=1, seed=3), (), LATTICE)


def table_of(dataset: Dataset, latency_ns: int = LATENCY_NS) -> OrderTable:
    """Return the table of a dataset."""
    return order_table.order_table(dataset, latency=latency_ns, max_wait_ns=WAIT_NS)


def files_of(dataset: Dataset) -> list[Path]:
    """Return what is kept of its tables."""
    assert dataset.cache is not None
    return sorted(dataset.cache.of(dataset.checksum).glob("orders_*.npy"))


def not_computed(*_: Any, **__: Any) -> Any:
    """Stand in for the computation where it must not happen."""
    raise AssertionError("the table was computed again")


def test_a_frame_has_the_golden_rows(tmp_path: Path, shared: Path) -> None:
    """Of a quarter of an hour of ESH4, all columns and rows; orders run on to the end of the dataset's events."""
    source = DbnSource(str(shared / "data" / "esh4-20231225.mbo.dbn.zst"), 0.25)
    expected = pd.read_parquet(shared / "golden" / "esh4.queue.parquet")
    bins = pd.read_parquet(shared / "golden" / "esh4.bins.parquet")
    start, end = int(bins["bin_start_ns"].iloc[0]), int(bins["bin_end_ns"].iloc[-1])
    build(Lake(tmp_path), source, LATTICE, dataset_id="esh4", start_ns=start, end_ns=end, columns=())
    found = vp.virtual_orders("esh4", latency_ms=100, max_wait_bins=100, lake=tmp_path)
    assert list(found.columns) == [*expected.columns, "executed"]
    decided = found["reason"] != "open"  # the events that the dataset keeps end with its last bin
    assert decided.mean() > 0.95
    pd.testing.assert_frame_equal(found[decided][expected.columns], expected[decided], check_dtype=True)
    assert found.attrs["out_of_turn"] == 0


def test_a_table_is_computed_once_and_read_afterwards(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each latency and wait; what is read equals what was computed, bit by bit."""
    first = table_of(dataset)
    assert first.fates.shape == (dataset.manifest.bins, 2)
    assert first.fates.dtype == FATE_DTYPE
    assert len(files_of(dataset)) == 2
    other = table_of(dataset, 0)
    assert len(files_of(dataset)) == 4
    assert other.fates.tobytes() != first.fates.tobytes()
    monkeypatch.setattr(order_table, "_computed", not_computed)
    again = table_of(dataset)
    assert again.fates.tobytes() == first.fates.tobytes()
    assert again.out_of_turn == first.out_of_turn


def test_a_longer_wait_keeps_every_fill_of_a_shorter_one(dataset: Dataset) -> None:
    """At the same time and for the same reason; and it has more of them."""
    short, long = (
        order_table.order_table(dataset, latency=LATENCY_NS, max_wait_ns=wait_ns).fates.reshape(-1)
        for wait_ns in (WAIT_NS // 10, WAIT_NS)
    )
    filled = np.isin(short["reason"], FILLS)
    assert 100 < filled.sum() < np.isin(long["reason"], FILLS).sum()
    for name in ("reason", "fill_ns", "price", "ahead_at_arrival"):
        np.testing.assert_array_equal(short[name][filled], long[name][filled])


@pytest.mark.parametrize("damage", ["a changed byte", "cut short", "one file gone"])
def test_a_damaged_table_is_made_again(dataset: Dataset, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happened to its files: nothing that was not verified is used."""
    wanted = table_of(dataset, 7).fates.tobytes()
    path = next(path for path in files_of(dataset) if "_7_" in path.name and "fates" in path.name)
    content = bytearray(path.read_bytes())
    if damage == "a changed byte":
        content[-9] ^= 1
        path.write_bytes(content)
    elif damage == "cut short":
        path.write_bytes(content[:-8])
    else:
        path.unlink()
    assert table_of(dataset, 7).fates.tobytes() == wanted
    monkeypatch.setattr(order_table, "_computed", not_computed)
    assert table_of(dataset, 7).fates.tobytes() == wanted


def test_other_rules_make_another_table(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of earlier rules is not used."""
    table_of(dataset)
    monkeypatch.setattr(order_table, "QUEUE_VERSION", order_table.QUEUE_VERSION + 1)
    monkeypatch.setattr(order_table, "_computed", not_computed)
    with pytest.raises(AssertionError, match="computed again"):
        table_of(dataset)


def test_without_a_cache_it_is_computed_each_time(dataset: Dataset) -> None:
    """As where the cache has no room for it: the table is the same."""
    assert dataset.cache is not None
    wanted = table_of(dataset)
    for cache in (None, dataclasses.replace(dataset.cache, limit_bytes=1000)):
        assert table_of(dataclasses.replace(dataset, cache=cache)).fates.tobytes() == wanted.fates.tobytes()


def test_a_dataset_without_events_is_refused(tmp_path: Path) -> None:
    """One of an earlier version: the error says how it gets them."""
    old = as_of_an_earlier_version(built(tmp_path, SyntheticSource(minutes=1, seed=3), ALL, LATTICE, "old"))
    with pytest.raises(DatasetError, match=r"dataset old keeps no events.*convert dataset.id=old dataset.columns=all"):
        table_of(find_dataset(Lake(tmp_path), old.path.name))


def test_a_dataset_by_price_level_is_refused(dataset: Dataset) -> None:
    """A level does not say who is ahead in its queue."""
    by_level = dataclasses.replace(dataset, manifest=dataclasses.replace(dataset.manifest, by_level=True))
    with pytest.raises(DatasetError, match="is by price level"):
        table_of(by_level)


def test_records_that_stand_for_a_level_are_refused() -> None:
    """In the chunk in which they come, with their flag."""
    events = np.zeros(2, EVENT_DTYPE)
    events["action"], events["side"], events["flags"][1] = ADD, BID, FLAG_BY_PRICE
    chunks = order_table._of_orders(iter([events[:1], events]), "odd")
    assert len(next(chunks)) == 1
    with pytest.raises(DatasetError, match="dataset odd has records of flag 16, which stand for a whole level"):
        next(chunks)


def test_durations_out_of_range_are_refused(dataset: Dataset) -> None:
    """In one line each."""
    tables = DatasetTables(dataset)
    with pytest.raises(ConfigError, match="latency_ms is -1"):
        vp.virtual_orders(tables, latency_ms=-1)
    with pytest.raises(ConfigError, match="max_wait_bins is 0"):
        vp.virtual_orders(tables, max_wait_bins=0)
