"""The columns of a dataset's grid: read where they are stored, and computed from its events where they are not.

A computed column equals the stored one bit by bit, since the same lattice makes both. What is computed is kept in the
lake's cache (`column_cache`); where nothing can be kept, it is computed each time.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from vpharness.compiled import Array
from vpharness.datasets.cache_limit import keep_within_limit
from vpharness.datasets.column_cache import ColumnShape, cached_column, filled_by_one, keep
from vpharness.datasets.find import Dataset
from vpharness.errors import ConfigError
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.wording import did_you_mean

_ALL: Final = "all"


def chosen_columns(choice: object, default: Sequence[str] = tuple(GRID_COLUMNS)) -> tuple[str, ...]:
    """Return the columns that `dataset.columns` stands for, in the order of GRID_COLUMNS; `default` where it is None.

    Raises ConfigError where it is neither `all` nor a list of columns that there are.
    """
    if choice is None:
        return tuple(default)
    if choice == _ALL:
        return tuple(GRID_COLUMNS)
    names = list(choice) if isinstance(choice, list | tuple) else None
    if names is None:
        raise ConfigError(f"dataset.columns is {choice!r}; it must be all, or a list such as [v_add,a_add] or []")
    unknown = [name for name in names if name not in GRID_COLUMNS]
    if unknown:
        hint = did_you_mean(str(unknown[0]), GRID_COLUMNS).strip() or f"there are {', '.join(GRID_COLUMNS)}"
        raise ConfigError(f"dataset.columns has {unknown[0]!r}, which is no column of the grid; {hint}")
    return tuple(name for name in GRID_COLUMNS if name in names)


def to_compute(dataset: Dataset, columns: Sequence[str]) -> list[str]:
    """Return those of some columns that a dataset does not store and can compute."""
    if not dataset.keeps_events:
        return []
    stored = dataset.stored_columns
    return [name for name in columns if name not in stored and name in GRID_COLUMNS]


def computed_columns(dataset: Dataset, bins: Mapping[str, Array], columns: Sequence[str]) -> dict[str, Array]:
    """Return columns [bins, cells] that a dataset does not store: from the cache, or from its events.

    Args:
        dataset: a dataset that keeps its events.
        bins: the columns of its bins, against which the bins that follow from its events are checked.
        columns: names of GRID_COLUMNS.

    Raises DatasetError where the events cannot be read or give other bins.
    """
    keep_columns(dataset, bins, columns)
    shapes = _shapes(dataset, columns)
    found = {} if dataset.cache is None else _kept(dataset.cache.of(dataset.checksum), shapes)
    missing = {name: shape for name, shape in shapes.items() if name not in found}
    return found | (_in_memory(missing, _blocks(dataset, bins, list(missing))) if missing else {})


def keep_columns(dataset: Dataset, bins: Mapping[str, Array], columns: Sequence[str]) -> None:
    """Compute those of some columns that are not in the cache yet, all in one pass, if they can be kept there.

    Arguments and errors are those of `computed_columns`.
    """
    cache, shapes = dataset.cache, _shapes(dataset, columns)
    if cache is None or sum(each.file_bytes for each in shapes.values()) > cache.limit_bytes:
        return
    folder = cache.of(dataset.checksum)
    if len(_kept(folder, shapes)) == len(shapes):
        return
    with filled_by_one(folder) as can_keep:
        found = _kept(folder, shapes)  # another process may have computed them meanwhile
        missing = {name: shape for name, shape in shapes.items() if name not in found}
        if missing and can_keep and keep(folder, missing, _blocks(dataset, bins, list(missing))):
            keep_within_limit(cache)


def _shapes(dataset: Dataset, columns: Sequence[str]) -> dict[str, ColumnShape]:
    size = (dataset.manifest.bins, dataset.manifest.cells)
    return {name: ColumnShape(GRID_COLUMNS[name], size) for name in columns}


def _kept(folder: Path, shapes: Mapping[str, ColumnShape]) -> dict[str, Array]:
    columns = {name: cached_column(folder, name, shape) for name, shape in shapes.items()}
    return {name: column for name, column in columns.items() if column is not None}


def _blocks(dataset: Dataset, bins: Mapping[str, Array], columns: Sequence[str]) -> Iterator[dict[str, Array]]:
    from vpharness.datasets.replay import checked, replayed  # noqa: PLC0415  # compilers are slow to import

    for block in checked(dataset, bins, replayed(dataset, columns)):
        yield {name: block.column(name) for name in columns}


def _in_memory(shapes: Mapping[str, ColumnShape], blocks: Iterator[Mapping[str, Array]]) -> dict[str, Array]:
    columns = {name: np.empty(each.shape, each.dtype) for name, each in shapes.items()}
    at = 0
    for block in blocks:
        for name, column in columns.items():
            column[at : at + len(block[name])] = block[name]
        at += len(next(iter(block.values())))
    for column in columns.values():
        column.flags.writeable = False  # as those that are mapped
    return columns
