"""Collections hold datasets that belong together, grow by versions, and never change what a version was."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.samples import MINUTE
from vpharness.datasets.collection import (
    Collection,
    add_members,
    collection_ids,
    datasets_of,
    find_collection,
    instrument_root,
    newest_version,
)
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, DatasetError
from vpharness.lattice.lattice_parameters import LatticeParameters

DAY_NS = 86_400 * 10**9


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake without datasets."""
    return Lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def minute(lake: Lake) -> Dataset:
    """One built dataset, from which days are made by changing what its manifest says."""
    build(lake, MINUTE, LatticeParameters(), dataset_id="minute")
    return find_dataset(lake, "minute")


Day = Callable[..., tuple[Dataset, str]]


@pytest.fixture
def day(minute: Dataset) -> Day:
    """A dataset that says that it is of the n-th day, with other facts where wanted."""

    def make(number: int, **facts: Any) -> tuple[Dataset, str]:
        start_ns = minute.manifest.first_bin_start_ns + number * DAY_NS
        end_ns = minute.manifest.last_bin_end_ns + number * DAY_NS
        known: dict[str, Any] = {
            "dataset_id": f"day-{number}",
            "first_bin_start_ns": start_ns,
            "last_bin_end_ns": end_ns,
        } | facts
        return dataclasses.replace(minute, manifest=dataclasses.replace(minute.manifest, **known)), f"day {number}"

    return make


def test_versions_are_numbered_and_stay_what_they_were(tmp_path: Path, day: Day) -> None:
    """A later version holds more, in the order of time; an earlier one is read as it was when it was the newest."""
    lake = Lake(tmp_path)
    assert newest_version(lake, "ES") is None
    first = add_members(lake, "ES", [day(3), day(1)])
    second = add_members(lake, "ES", [day(2), day(3)])
    assert (first.name, first.dataset_ids) == ("ES@1", ["day-1", "day-3"])
    assert (second.name, second.dataset_ids) == ("ES@2", ["day-1", "day-2", "day-3"])
    assert [member.session for member in second.members] == ["day 1", "day 2", "day 3"]
    assert second.added_ns[0] == second.added_ns[2] < second.added_ns[1]
    assert find_collection(lake, "ES") == second == newest_version(lake, "ES")
    assert find_collection(lake, "ES@1") == dataclasses.replace(first, latest=2)
    assert collection_ids(lake) == ["ES"]


def test_what_is_there_already_makes_no_version(tmp_path: Path, day: Day) -> None:
    """Adding the same datasets again changes nothing."""
    lake = Lake(tmp_path)
    first = add_members(lake, "ES", [day(1)])
    assert add_members(lake, "ES", [day(1)]) == first
    with pytest.raises(ConfigError, match="would hold no dataset"):
        add_members(lake, "NQ", [])
    assert collection_ids(lake) == ["ES"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"tick_size": 0.5}, "its tick size is 0.5"),
        ({"instrument": "NQH4"}, "its instrument root is NQ"),
        ({"lattice": dataclasses.asdict(LatticeParameters(cell_width_ms=50))}, "its lattice.cell_width_ms is 50"),
        ({"last_bin_end_ns": 10**19}, "overlap in time"),
    ],
)
def test_a_dataset_that_does_not_fit_is_refused(tmp_path: Path, day: Day, facts: dict[str, Any], expected: str) -> None:
    """Another tick size, root or lattice, or a shared span, is named, and nothing is added."""
    lake = Lake(tmp_path)
    first = add_members(lake, "ES", [day(1, instrument="ESH4"), day(9, instrument="ESM4")])
    with pytest.raises(DatasetError, match=expected):
        add_members(lake, "ES", [day(5, instrument="ESM4"), day(2, **({"instrument": "ESH4"} | facts))])
    assert find_collection(lake, "ES") == first


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        ("ESX", DatasetError, "no collection ESX in the lake .*; (did you mean|there are) ES"),
        ("ES@2", DatasetError, "has no version 2; its newest is 1"),
        ("ES@0", ConfigError, "a name and a version such as ES@3"),
        ("ES@", ConfigError, "a name and a version such as ES@3"),
        ("../ES", ConfigError, "must begin with a letter or digit"),
    ],
)
def test_a_name_that_is_none_is_told_what_there_is(
    tmp_path: Path, day: Day, name: str, error: type[Exception], expected: str
) -> None:
    """Unknown collections and versions, and names that are paths, are refused in one line."""
    lake = Lake(tmp_path)
    add_members(lake, "ES", [day(1)])
    with pytest.raises(error, match=expected):
        find_collection(lake, name)


def test_a_version_that_vanished_or_changed_is_named(tmp_path: Path, day: Day) -> None:
    """A file that is missing before others, copied from another collection, or edited is refused by its name."""
    lake = Lake(tmp_path)
    for number in range(3):
        add_members(lake, "ES", [day(number)])
    second = lake.collections / "ES" / "000002.json"
    text = second.read_text()
    second.unlink()
    with pytest.raises(DatasetError, match=r"000002\.json is missing"):
        find_collection(lake, "ES")
    second.write_text(text.replace("day-1", "day-7"))
    with pytest.raises(DatasetError, match=r"000002\.json is not as it was written"):
        find_collection(lake, "ES")
    second.write_text(text)
    add_members(lake, "NQ", [day(0)])
    (lake.collections / "NQ" / "000002.json").write_text(text)
    with pytest.raises(DatasetError, match=r"NQ: .*000002\.json is not as it was written"):
        find_collection(lake, "NQ")
    assert find_collection(lake, "ES").version == 3


def test_datasets_are_those_that_were_added(lake: Lake, minute: Dataset) -> None:
    """A collection's datasets are found in the lake, and one that holds something else since is named."""
    collection = add_members(lake, "minutes", [(minute, "one")])
    assert [dataset.path for dataset in datasets_of(lake, collection)] == [minute.path]
    changed = dataclasses.replace(collection.members[0], checksum="0" * 64)
    other: Collection = dataclasses.replace(collection, members=(changed,))
    with pytest.raises(DatasetError, match="dataset minute of collection minutes@1 holds something else"):
        datasets_of(lake, other)


@pytest.mark.parametrize(
    ("instrument", "root"),
    [("ESH4", "ES"), ("ESZ24", "ES"), ("6EM4", "6E"), ("MSFT", "MSFT"), ("BTC-USD", "BTC-USD"), ("H4", "H4")],
)
def test_contracts_of_a_future_share_a_root(instrument: str, root: str) -> None:
    """The month and year are taken from a future's code, and nothing from other instruments."""
    assert instrument_root(instrument) == root
