"""Building a dataset: a source's events through the lattice into an immutable folder."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vpharness.datasets.build_progress import BuildProgress, ignore
from vpharness.datasets.intake import Intake, taken_in, tick_size_notes
from vpharness.datasets.lake import BeingWrittenError, Lake, check_id, new_folder, wait_for_writer
from vpharness.datasets.manifest import Manifest, content_id, write_checksums
from vpharness.datasets.oddities import InvalidBins, no_bin_reason, oddities
from vpharness.datasets.replay import only_what_is_needed
from vpharness.datasets.sources import note_source, renew_note
from vpharness.datasets.table_writer import TableWriter, open_tables
from vpharness.datasets.variants import content_identity, existing_dataset
from vpharness.errors import DatasetError, SourceError
from vpharness.events.event_source import EventStream, Source
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.events.times import time_text
from vpharness.lattice.columns import BIN_DTYPE, GRID_COLUMNS
from vpharness.lattice.lattice_engine import FinishedBins, event_problems, iterate, open_bin_end_ns
from vpharness.lattice.lattice_parameters import LATTICE_VERSION, LatticeParameters
from vpharness.lattice.layout import LatticeState, new_state
from vpharness.prices import tick_size_to_price


@dataclass(frozen=True)
class Built:
    """The dataset that a build made or found."""

    path: Path
    manifest: Manifest
    existed: bool
    moved: bool = False  # whether it existed, and its events are now read from another place than before


def build(
    lake: Lake,
    source: Source,
    lattice: LatticeParameters,
    *,
    dataset_id: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    columns: Sequence[str] = tuple(GRID_COLUMNS),
    report: Callable[[BuildProgress], None] = ignore,
) -> Built:
    """Build a dataset from a source, or find that it has been built already.

    Where its source lies is noted beside it. With `dataset_id` it is published under that name; without, it is a grid
    variant under its content hash, and where another process is building it, that is waited for. `start_ns` is rounded
    down to a bin's edge; events before it warm the book up, events from `end_ns` on are not looked at.

    The dataset keeps its events and bins, and of its grid's columns those named, in the order of GRID_COLUMNS. All
    others are computed when they are read: so what is stored makes no other dataset, and one that exists is left as
    it is.

    Raises SourceError where the source cannot be read or holds nothing that can be used, ConfigError for a span that
    is empty, and DatasetError where the id is taken by other content or the lake cannot be written. The lake is then
    as it was before.
    """
    lattice, identity = content_identity(source, lattice, start_ns, end_ns)
    content = content_id(identity)
    target = lake.variants / content if dataset_id is None else lake.published / check_id(dataset_id)
    while True:
        existing = existing_dataset(target, content)
        if existing is not None:
            return Built(target, existing, existed=True, moved=renew_note(lake, content, source))
        try:
            manifest = _written(target, content, identity, source, lattice, columns, report)
        except DatasetError as error:
            elsewhere = isinstance(error, BeingWrittenError) or target.exists()
            if dataset_id is not None or not elsewhere:
                raise
            wait_for_writer(target)
            continue
        note_source(lake, content, source)
        return Built(target, manifest, existed=False)


def _written(
    target: Path,
    content: str,
    identity: dict[str, Any],
    source: Source,
    lattice: LatticeParameters,
    columns: Sequence[str],
    report: Callable[[BuildProgress], None],
) -> Manifest:
    """Write the dataset of a source; return its manifest."""
    span = identity["span"]
    with new_folder(target) as folder, source.open() as stream:
        state = new_state(
            lattice,
            tick_size=source.tick_size,
            size_unit=stream.size_unit,
            default_evict_crossed_ms=source.default_evict_crossed_ms,
            start_ns=span["start_ns"],
        )
        state = only_what_is_needed(state, columns)
        intake, progress = Intake(tick_size_to_price(source.tick_size), span["end_ns"]), BuildProgress()
        intake.start_ns = span["start_ns"]
        invalid = InvalidBins()
        with open_tables(folder, columns) as tables:
            state = _fill(tables, state, stream, intake, invalid, progress, report)
            sums = tables.finish()
        notes = [*oddities(intake.marks, invalid, event_problems(state)), *tick_size_notes(intake), *stream.notes]
        manifest = _manifest(target.name, content, identity, source.tick_size, stream, intake, state, progress)
        manifest = dataclasses.replace(manifest, notes=notes)
        manifest.write(folder)
        write_checksums(folder, sums, columns)
    return manifest


def _fill(
    tables: TableWriter,
    state: LatticeState,
    stream: EventStream,
    intake: Intake,
    invalid: InvalidBins,
    progress: BuildProgress,
    report: Callable[[BuildProgress], None],
) -> LatticeState:
    """Run a stream through the lattice into the tables; return the lattice's last state."""
    ended = False
    chunks = _with_notes(taken_in(stream, intake), stream)
    while not ended:
        with progress.timed("decode"):
            events = next(chunks, None)
        complete_to_ns = None
        if events is None:
            # The feed has ended: the bin of its last event is the last one.
            ended, events, complete_to_ns = True, np.zeros(0, EVENT_DTYPE), open_bin_end_ns(state)
        tables.write_events(events)
        blocks = iterate(state, events, complete_to_ns)
        while True:
            with progress.timed("lattice"):
                step = next(blocks, None)
            if step is None:
                break
            state, block = step
            _note(progress, block, intake, stream)
            invalid.take_in(block.bins)
            with progress.timed("write"):
                tables.write(block)
            report(progress)
    if not progress.bins:
        raise SourceError("; ".join((_nothing_found(intake), *stream.notes)))
    return state


def _with_notes(chunks: Iterator[Any], stream: EventStream) -> Iterator[Any]:
    """Yield chunks; what is wrong with them is said with what is known of their files, where there are several."""
    try:
        yield from chunks
    except SourceError as error:
        raise SourceError("; ".join((str(error), *stream.notes))) from error


def _note(progress: BuildProgress, block: FinishedBins, intake: Intake, stream: EventStream) -> None:
    """Update the progress after a block."""
    progress.events, progress.share = intake.events, stream.progress()
    if not len(block.bins):
        return
    if not progress.bins:
        progress.first_bin_start_ns = int(block.bins["bin_start_ns"][0])
    progress.bins += len(block.bins)
    progress.valid_bins += int(block.bins["book_valid"].sum())
    progress.last_bin_end_ns = int(block.bins["bin_end_ns"][-1])


def _nothing_found(intake: Intake) -> str:
    if not intake.events:
        return "the source holds no events before the end of the span: expected market-by-order events"
    latest = time_text(intake.latest_ns or 0)
    if intake.start_ns is not None and intake.start_ns > (intake.latest_ns or 0):
        return (
            f"start is {time_text(intake.start_ns)}, after the last event, which is at {latest}: give an earlier start"
        )
    return f"{intake.events} events up to {latest} gave no bin: {no_bin_reason(intake.marks)}"


def _manifest(
    dataset_id: str,
    content: str,
    identity: dict[str, Any],
    tick_size: float,
    stream: EventStream,
    intake: Intake,
    state: LatticeState,
    progress: BuildProgress,
) -> Manifest:
    lattice = identity["lattice"]
    return Manifest(
        dataset_id=dataset_id,
        content_id=content,
        instrument=stream.instrument,
        tick_size=tick_size,
        size_unit=stream.size_unit,
        cell_width_ms=lattice["cell_width_ms"],
        radius=lattice["radius"],
        bins=progress.bins,
        valid_bins=progress.valid_bins,
        first_bin_start_ns=progress.first_bin_start_ns,
        last_bin_end_ns=progress.last_bin_end_ns,
        source=identity["source"],
        span=identity["span"],
        lattice=lattice,
        lattice_version=LATTICE_VERSION,
        columns=list(GRID_COLUMNS),
        bin_columns=list(BIN_DTYPE.names or ()),
        rows_ordered=True,
        events=dict(sorted(intake.actions.items())),
        problems=event_problems(state),
        skipped=dict(stream.counts),
        notes=[],
        by_level=stream.by_level,
        instruments=list(stream.instruments),
    )
