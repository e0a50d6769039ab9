"""A dataset's bins and cells made anew from its events, by the lattice that made them first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from vpharness.compiled import Array
from vpharness.datasets.bin_by_bin import stored_blocks
from vpharness.datasets.event_table import DatasetEvents, lattice_version_of
from vpharness.datasets.find import Dataset
from vpharness.datasets.read import load
from vpharness.errors import DatasetError
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.lattice.columns import BIN_DTYPE, EVENT_COLUMN, FLOAT_COLUMNS
from vpharness.lattice.lattice_engine import BLOCK_BINS, FinishedBins, iterate, open_bin_end_ns
from vpharness.lattice.lattice_parameters import LATTICE_VERSION, LatticeParameters
from vpharness.lattice.layout import LatticeState, new_state

SPECTRUM: Final = frozenset({"spectrum_score", "spectrum_state_code"})
"""The columns that need the spectrum, which costs more than all others together."""


def only_what_is_needed(state: LatticeState, columns: Iterable[str]) -> LatticeState:
    """Return a lattice's state before its first event, that computes some columns, and others only for them.

    Other columns of its blocks may be 0. Its bins, and the columns asked for, are what they would be otherwise.
    """
    wanted = set(columns)
    state.rules["with_cells"] = bool(wanted)
    state.rules["with_spectrum"] = not wanted.isdisjoint(SPECTRUM)
    places = [place for place, name in enumerate(FLOAT_COLUMNS) if name in wanted]
    if EVENT_COLUMN in wanted and not places:
        places = [FLOAT_COLUMNS.index("rest_depth")]  # which costs next to nothing; ids are written beside floats
    return state._replace(wanted=np.array(places, np.int64))


def fresh_lattice(dataset: Dataset, columns: Iterable[str]) -> LatticeState:
    """Return the lattice of a dataset before its first event, computing some of its columns."""
    manifest = dataset.manifest
    if manifest.lattice is None:
        raise DatasetError(f"dataset {manifest.dataset_id}: its lattice parameters are not known")
    state = new_state(
        LatticeParameters(**manifest.lattice),
        tick_size=manifest.tick_size,
        size_unit=1.0 if manifest.size_unit is None else manifest.size_unit,
        start_ns=manifest.span["start_ns"],
    )
    return only_what_is_needed(state, columns)


def replayed(dataset: Dataset, columns: Sequence[str], first: int = 0) -> Iterator[FinishedBins]:
    """Yield the bins of a dataset from its events, with the cells of some columns, in blocks of BLOCK_BINS at most.

    Bins before place `first` may come without cells. Raises DatasetError where the events cannot be read, and where
    they are those of another version of the lattice.
    """
    require_same_lattice(dataset)
    state = fresh_lattice(dataset, columns)
    with DatasetEvents(dataset).open() as stream:
        done, chunks = 0, iter(stream.chunks)
        while True:
            events = next(chunks, None)
            # The feed has ended: the bin of its last event is the last one.
            end_ns = open_bin_end_ns(state) if events is None else None
            blocks = iterate(state, np.zeros(0, EVENT_DTYPE) if events is None else events, end_ns)
            while True:
                state.rules["with_cells"] = bool(columns) and done + BLOCK_BINS > first
                step = next(blocks, None)
                if step is None:
                    break
                state, block = step
                done += len(block.bins)
                if len(block.bins):
                    yield block
            if events is None:
                return


def require_same_lattice(dataset: Dataset) -> None:
    """Raise DatasetError where this version of the lattice may make other cells of a dataset's events."""
    version = lattice_version_of(dataset)
    if version != LATTICE_VERSION:
        raise DatasetError(
            f"dataset {dataset.manifest.dataset_id}: its events were taken by version {version} of the lattice, this "
            f"is version {LATTICE_VERSION}: columns that it does not store cannot be computed; build it again under "
            "another dataset.id"
        )


def checked(dataset: Dataset, bins: Mapping[str, Array], blocks: Iterable[FinishedBins]) -> Iterator[FinishedBins]:
    """Yield blocks of bins that were made anew, each compared with what the dataset stores, columns [n] of its bins.

    Raises DatasetError at the first bin that is another, and where there are more or fewer.
    """
    known = [name for name in BIN_DTYPE.names or () if name in bins]
    at = end = 0
    expected = len(bins["bin_seq"])
    for block in blocks:
        end = at + len(block.bins)
        for name in known:
            stored = bins[name][at:end]
            differs = np.flatnonzero(block.bins[name][: len(stored)] != stored)
            if len(differs):
                place = int(differs[0])
                raise _other_bins(
                    dataset,
                    f"{name} of bin {at + place} becomes {block.bins[name][place]}, stored is {stored[place]}",
                )
        if end > expected:
            break
        yield block
        at = end
    if at != expected:
        raise _other_bins(dataset, f"they are {'more' if end > expected else 'fewer'} than the {expected} stored")


def _other_bins(dataset: Dataset, difference: str) -> DatasetError:
    return DatasetError(
        f"dataset {dataset.manifest.dataset_id}: the bins that follow from its events are not those stored: "
        f"{difference}; it was made by another lattice or on another kind of machine: build it again under another id"
    )


def proven(
    dataset: Dataset, bins: Mapping[str, Array], blocks: Iterable[FinishedBins], stored: Sequence[str]
) -> Iterator[FinishedBins]:
    """Yield blocks of bins made anew, each compared bit by bit with the bins and the grid columns that are stored.

    Raises DatasetError at the first bin or cell that is another, and where there are more or fewer bins.
    """
    at = 0
    for block in checked(dataset, bins, blocks):
        end = at + len(block.bins)
        done = 0
        for part in stored_blocks(dataset, stored, at, end) if stored else ():
            count = len(part[stored[0]])
            for name in stored:
                made = np.ascontiguousarray(block.column(name)[done : done + count])
                if made.tobytes() != np.ascontiguousarray(part[name]).tobytes():
                    raise _other_bins(dataset, f"{name} has other cells in bins {at + done} to {at + done + count - 1}")
            done += count
        at = end
        yield block


def verify_replay(dataset: Dataset) -> None:
    """Prove that a dataset's bins, and the grid columns that it stores, follow from its events.

    Raises DatasetError where it has no events, or where they give something else.
    """
    if not dataset.keeps_events:
        raise DatasetError(
            f"dataset {dataset.manifest.dataset_id} keeps no events to be replayed; python -m vpharness convert "
            f"dataset.id={dataset.manifest.dataset_id} dataset.columns=all adds them"
        )
    stored = dataset.stored_columns
    for _ in proven(dataset, load(dataset).bins, replayed(dataset, stored), stored):
        pass
