"""The cache of computed columns: deleted, damaged, full, or filled by several at once, what is read is the same."""

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.compact import ALL, assert_same, built, empty
from tests.datasets.samples import MINUTE
from vpharness.datasets import grid_columns
from vpharness.datasets.column_cache import ColumnShape
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import ColumnCache
from vpharness.datasets.read import load
from vpharness.lattice.lattice_parameters import LatticeParameters

SMALL = LatticeParameters(radius=5, spectrum_zscore_window=40, spectrum_zscore_min_periods=10)
FOUR = ("v_add", "rest_depth", "perm_state5_code", "last_event_id")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset that stores all columns."""
    return built(tmp_path_factory.mktemp("stored"), MINUTE, ALL, SMALL)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """The same one, which stores none."""
    return built(tmp_path, MINUTE, (), SMALL)


def kept(dataset: Dataset) -> dict[str, Path]:
    """Return the files of a dataset's columns in the cache."""
    assert dataset.cache is not None
    return {path.name.split(".")[0]: path for path in dataset.cache.of(dataset.checksum).glob("*.npy")}


def test_computed_columns_are_kept_as_files_of_numpy(dataset: Dataset, stored: Dataset) -> None:
    """One for each, which others can read too; read again, they are mapped, and may not be written to."""
    assert_same(dataset, stored, FOUR)
    assert sorted(kept(dataset)) == sorted(FOUR)
    for name, path in kept(dataset).items():
        assert np.array_equal(np.load(path), load(stored, [name]).grid[name])
    assert not load(dataset, FOUR).grid["v_add"].flags.writeable


def test_what_is_kept_is_not_computed_again(dataset: Dataset, stored: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by the process that did it nor by another dataset object; a further column is computed alone."""
    load(dataset, FOUR)
    asked = list[list[str]]()
    original = grid_columns._blocks

    def blocks(dataset: Dataset, bins: object, columns: list[str]) -> object:
        asked.append(list(columns))
        return original(dataset, bins, columns)  # type: ignore[arg-type]

    monkeypatch.setattr(grid_columns, "_blocks", blocks)
    assert_same(dataclasses.replace(dataset), stored, FOUR)
    assert asked == []
    assert_same(dataset, stored, (*FOUR, "j_fill"))
    assert asked == [["j_fill"]]


def test_a_deleted_cache_loses_nothing(dataset: Dataset, stored: Dataset) -> None:
    """Whole, or a file of it; columns that are mapped stay as they are."""
    assert dataset.cache is not None
    before = load(dataset, FOUR).grid
    empty(dataset.cache.folder)
    assert before["v_add"].tobytes() == load(stored, ["v_add"]).grid["v_add"].tobytes()
    assert_same(dataset, stored, FOUR)
    kept(dataset)["v_add"].unlink()
    assert_same(dataset, stored, FOUR)


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "empty", "zero"])
def test_a_damaged_file_is_computed_again(dataset: Dataset, stored: Dataset, damage: str) -> None:
    """It is found when the file is opened, and the file that takes its place is whole."""
    load(dataset, FOUR)
    path = kept(dataset)["v_add"]
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 16
    elif damage == "zero":
        content[-4096:] = bytes(4096)
    else:
        content = {"cut": content[:-8], "grow": content + b"more", "empty": bytearray()}[damage]
    path.write_bytes(content)
    assert_same(dataset, stored, FOUR)
    assert np.array_equal(np.load(kept(dataset)["v_add"]), load(stored, ["v_add"]).grid["v_add"])


def test_every_flipped_bit_is_found(dataset: Dataset, stored: Dataset) -> None:
    """In the head, among the values, and in the last of them."""
    wanted = load(stored, ["chase_up_flag"]).grid["chase_up_flag"].tobytes()
    load(dataset, ["chase_up_flag"])
    path = kept(dataset)["chase_up_flag"]
    whole = path.read_bytes()
    for place in (0, 9, 60, 127, 128, 1000, len(whole) - 1):
        for bit in range(8):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
            assert load(dataset, ["chase_up_flag"]).grid["chase_up_flag"].tobytes() == wanted
            assert path.read_bytes() == whole


def test_two_processes_that_fill_it_at_once_read_the_same(dataset: Dataset, stored: Dataset) -> None:
    """Each column is there once, and whole; nothing unfinished is left."""
    code = (
        "import sys, hashlib; from pathlib import Path; from vpharness.datasets.find import find_dataset;"
        "from vpharness.datasets.lake import Lake; from vpharness.datasets.read import load;"
        "grid = load(find_dataset(Lake(Path(sys.argv[1])), 'minute'), sys.argv[2].split(',')).grid;"
        "print([hashlib.sha256(grid[name].tobytes()).hexdigest() for name in sorted(grid)])"
    )
    root = str(dataset.path.parents[2])
    choices = ("v_add,rest_depth,spectrum_score", "spectrum_score,rest_depth,v_add")
    command = [sys.executable, "-c", code, root]
    running = [subprocess.Popen([*command, each], stdout=subprocess.PIPE, text=True) for each in choices]  # noqa: S603
    said = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert len(said) == 1
    assert dataset.cache is not None
    names = sorted(path.name.split(".")[0] for path in dataset.cache.of(dataset.checksum).iterdir())
    assert names == ["", "rest_depth", "spectrum_score", "v_add"]  # the first is the lock
    assert_same(dataset, stored, ("v_add", "rest_depth", "spectrum_score"))


def test_the_least_recently_used_columns_go_where_the_room_is_full(dataset: Dataset, stored: Dataset) -> None:
    """Reading a column is using it; what does not fit at all is not kept, and all of it can be read."""
    size = ColumnShape(np.dtype(np.float64), (600, 11)).file_bytes
    assert dataset.cache is not None
    cache = ColumnCache(dataset.cache.folder, 2 * size)
    small = dataclasses.replace(dataset, cache=cache)
    load(small, ["v_add"])
    load(small, ["a_add"])
    for age_s, name in ((300, "v_add"), (200, "a_add")):
        os.utime(kept(small)[name], (time.time() - age_s, time.time() - age_s))
    load(small, ["v_add"])
    load(small, ["j_add"])
    assert sorted(kept(small)) == ["j_add", "v_add"]
    assert_same(dataclasses.replace(dataset, cache=ColumnCache(cache.folder, size - 1)), stored, FOUR)
    assert sorted(kept(small)) == ["j_add", "v_add"]


def test_a_full_disk_keeps_nothing_and_computes(
    dataset: Dataset, stored: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing unfinished is left behind."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vpharness.datasets.column_cache._GrowingColumn.append", full)
    assert_same(dataset, stored, FOUR)
    assert dataset.cache is not None
    assert [path.name for path in dataset.cache.of(dataset.checksum).iterdir()] == [".lock"]


def test_what_a_killed_process_leaves_is_deleted_once_it_is_old(dataset: Dataset) -> None:
    """Files under the names of unfinished ones, which nobody has touched for a day."""
    assert dataset.cache is not None
    folder = dataset.cache.of(dataset.checksum)
    folder.mkdir(parents=True)
    left = folder / f".v_add.npy-{'0' * 16}"
    left.write_bytes(b"half a column")
    os.utime(left, (0, 0))
    load(dataset, ["a_add"])
    assert not left.exists()
