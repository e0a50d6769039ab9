"""Datasets of the same content that store more or less, for tests of what is computed."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import (
    BINS_FILE,
    CHECKSUMS_FILE,
    EVENTS_FILE,
    GRID_FILE,
    MANIFEST_FILE,
    read_checksums,
    write_checksums,
)
from vpharness.datasets.read import load
from vpharness.events.event_source import Source
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.lattice_parameters import LatticeParameters

ALL = tuple(GRID_COLUMNS)


def built(
    root: Path, source: Source, columns: Sequence[str], lattice: LatticeParameters, name: str = "minute"
) -> Dataset:
    """Build a dataset in a lake and find it there."""
    build(Lake(root), source, lattice, dataset_id=name, columns=columns)
    return find_dataset(Lake(root), name)


def as_of_an_earlier_version(dataset: Dataset) -> Dataset:
    """Make a dataset with all columns one as versions wrote it that kept no events; return it as it is found."""
    folder, sums = dataset.path, read_checksums(dataset.path)
    folder.chmod(0o755)
    (folder / EVENTS_FILE).unlink()
    (folder / CHECKSUMS_FILE).unlink()
    write_checksums(folder, {name: sums[name] for name in (BINS_FILE, GRID_FILE, MANIFEST_FILE)})
    folder.chmod(0o555)
    return Dataset(folder, dataset.manifest, dataset.cache)


def assert_same(found: Dataset, wanted: Dataset, columns: Sequence[str] = ALL) -> None:
    """Assert that bins and columns of two datasets are equal bit by bit."""
    one, two = load(found, columns), load(wanted, columns)
    assert one.bins.keys() == two.bins.keys()
    for name, values in two.bins.items():
        assert one.bins[name].tobytes() == values.tobytes(), name
    for name, values in two.grid.items():
        assert (one.grid[name].dtype, one.grid[name].shape) == (values.dtype, values.shape), name
        assert one.grid[name].tobytes() == values.tobytes(), name


def empty(folder: Path) -> None:
    """Delete a cache."""
    shutil.rmtree(folder, ignore_errors=True)
