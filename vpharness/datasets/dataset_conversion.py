"""Changing what a dataset stores: events added, columns left out or put back; it stays the same dataset.

Before a file is touched, everything is proven: the events are sent through the lattice, and give the stored bins and
every stored column bit by bit. Then files are exchanged in an order in which each state on the way is a whole dataset:
its events come first, and `checksums.json`, replaced at once, says from when on which files count.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vpharness.datasets.build_progress import BuildProgress, ignore
from vpharness.datasets.find import Dataset
from vpharness.datasets.intake import Intake, taken_in
from vpharness.datasets.lake import being_changed, writable
from vpharness.datasets.manifest import (
    BINS_FILE,
    CHECKSUMS_FILE,
    EVENTS_FILE,
    GRID_FILE,
    MANIFEST_FILE,
    Checksums,
    check_all,
    read_checksums,
    replace_checksums,
)
from vpharness.datasets.read import load
from vpharness.datasets.replay import fresh_lattice, proven, replayed
from vpharness.datasets.table_writer import TableWriter, open_tables
from vpharness.errors import DatasetError, SourceError
from vpharness.events.event_source import Source
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.lattice.lattice_engine import FinishedBins, iterate, open_bin_end_ns
from vpharness.prices import tick_size_to_price
from vpharness.storage.durable import sync

_MAY_DIFFER = frozenset({"version"})
"""Of a source: that it is read by another version is no matter, where the events give the same bins and cells."""


@dataclass(frozen=True)
class Converted:
    """What a conversion did."""

    before: tuple[str, ...]  # columns stored before
    after: tuple[str, ...]
    bytes_before: int
    bytes_after: int
    events_added: bool


def convert(
    dataset: Dataset,
    columns: Sequence[str],
    source: Callable[[], Source | None],
    report: Callable[[BuildProgress], None] = ignore,
) -> Converted:
    """Let a dataset store its events and some columns of its grid; its id, its checksum and its content stay.

    Args:
        dataset: one that was built from events.
        columns: what is to be stored of the grid, in the order of GRID_COLUMNS; may be empty.
        source: returns the events that it was built from, or None where nobody knows where they lie; asked only where
            the dataset does not keep them.
        report: called as the work goes on.

    Raises DatasetError where the dataset was not built here, where its source is not at hand or is another, where
    anything that it stores does not follow from the events, and where it cannot be changed; SourceError where the
    source cannot be read. The dataset is then what it was.
    """
    manifest, identity, folder = dataset.manifest, dataset.checksum, dataset.path
    if dataset.origin is not None:
        raise DatasetError(
            f"dataset {manifest.dataset_id} lies at {dataset.origin}, where it stays as it is: columns that are asked "
            "for are computed from its events, and kept in the cache"
        )
    if manifest.lattice is None:
        raise DatasetError(
            f"dataset {manifest.dataset_id} was made elsewhere: there are no events from which its columns follow, and "
            "it keeps those that it has"
        )
    keeps_events, before, bytes_before = dataset.keeps_events, dataset.stored_columns, dataset.disk_bytes
    if keeps_events and before == tuple(columns):
        _delete_leftovers(folder)
        return Converted(before, before, bytes_before, dataset.disk_bytes, events_added=False)
    given = None if keeps_events else _source_of(dataset, source())
    with being_changed(folder) as aside:
        sums = check_all(folder)
        with open_tables(aside, columns) as tables:
            _prove(dataset, given, tables, before, columns, report)
            made = tables.finish()
        if keeps_events:
            (aside / EVENTS_FILE).unlink()
        for path in aside.iterdir():
            sync(path)
        kept = {BINS_FILE: sums[BINS_FILE], MANIFEST_FILE: sums[MANIFEST_FILE]}
        kept[EVENTS_FILE] = sums[EVENTS_FILE] if keeps_events else made[EVENTS_FILE]
        with writable(folder):
            if not keeps_events:
                (aside / EVENTS_FILE).rename(folder / EVENTS_FILE)
                sync(folder)
            replace_checksums(folder, Checksums(kept, identity, ()))
            if columns:
                (aside / GRID_FILE).replace(folder / GRID_FILE)
                sync(folder)
                replace_checksums(folder, Checksums({**kept, GRID_FILE: made[GRID_FILE]}, identity, tuple(columns)))
    _delete_leftovers(folder)
    return Converted(before, tuple(columns), bytes_before, dataset.disk_bytes, events_added=not keeps_events)


def _delete_leftovers(folder: Path) -> None:
    """Delete the files of a folder that are none of the dataset's: a grid that is not stored, what a kill has left."""
    leftovers = [path for path in folder.iterdir() if path.name not in {*read_checksums(folder), CHECKSUMS_FILE}]
    if leftovers:
        with being_changed(folder), writable(folder):
            for path in leftovers:
                path.unlink(missing_ok=True)


def _source_of(dataset: Dataset, source: Source | None) -> Source:
    """Return the source of a dataset; a DatasetError where there is none, or it is another."""
    dataset_id, known = dataset.manifest.dataset_id, dataset.manifest.source
    if source is None:
        raise DatasetError(
            f"dataset {dataset_id}: where its events lie has not been noted; give source= and its keys to convert it"
        )
    found: dict[str, Any] = source.identity()
    differing = sorted(n for n in known.keys() & found.keys() - _MAY_DIFFER if known[n] != found[n])
    if differing:
        raise DatasetError(
            f"dataset {dataset_id} was built from another source: {', '.join(differing)} differ; give source= and its "
            "keys for the one that it was built from"
        )
    return source


def _prove(
    dataset: Dataset,
    source: Source | None,
    tables: TableWriter,
    before: Sequence[str],
    columns: Sequence[str],
    report: Callable[[BuildProgress], None],
) -> None:
    """Send the events through the lattice and compare what follows; write them and the columns.

    The bins are written as well, and thrown away: those that the dataset has keep their bytes.
    """
    wanted, progress = list(dict.fromkeys((*before, *columns))), BuildProgress()
    made = replayed(dataset, wanted) if source is None else _blocks(dataset, source, tables, wanted)
    for block in proven(dataset, load(dataset).bins, made, before):
        tables.write(block)
        progress.bins += len(block.bins)
        progress.last_bin_end_ns = int(block.bins["bin_end_ns"][-1])
        progress.share = progress.bins / dataset.manifest.bins
        report(progress)


def _blocks(dataset: Dataset, source: Source, tables: TableWriter, columns: Sequence[str]) -> Iterator[FinishedBins]:
    """Yield the bins that follow from a source, whose events are written."""
    manifest = dataset.manifest
    state = fresh_lattice(dataset, columns)
    with source.open() as stream:
        if stream.size_unit != manifest.size_unit:
            raise SourceError(f"the source has sizes in {stream.size_unit:g}, the dataset in {manifest.size_unit}")
        intake = Intake(tick_size_to_price(manifest.tick_size), manifest.span["end_ns"])
        for events in taken_in(stream, intake):
            tables.write_events(events)
            for after, block in iterate(state, events):
                state = after
                if len(block.bins):
                    yield block
    for _, block in iterate(state, np.zeros(0, EVENT_DTYPE), open_bin_end_ns(state)):
        if len(block.bins):
            yield block
