"""The feed of a dataset: its bins with all their cells, as if they were finished now.

Those before `start`, as far back as `history_s`, and those before the first with a valid book are due at once. Any
other bin is due when its time has passed, `speed` times as fast as it did. Bins without an event are waited through
for `longest_wait_s` at most, as with a source. A session takes the bins as they are; where the dataset keeps its
events they come beside them, for resting orders, whose fate only these tell.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed import NO_EVENTS, BinFacts, FeedContext, FeedFacts, FeedStep, FinishedBin
from runtime.feeds.pace import Pace, SpanReplayParameters, require_in_range, step_bins
from vpharness.datasets.bin_by_bin import grid_blocks, read_rows, require_grid
from vpharness.datasets.event_table import DatasetEvents
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.errors import ConfigError
from vpharness.events.in_time import EventsInTime
from vpharness.events.times import time_text


@dataclass(frozen=True)
class DatasetReplayParameters(SpanReplayParameters):
    """Replay the bins of the dataset dataset.id."""

    @contextmanager
    def open(self, context: FeedContext) -> Iterator["DatasetFeed"]:
        """Find the dataset and read its bins; the cells are read, or computed, as they are needed."""
        require_in_range(self)
        if context.dataset_id is None or context.lake is None:
            raise ConfigError("feed=dataset needs dataset.id (python -m vpharness list-datasets shows what there is)")
        dataset = find_dataset(context.lake, context.dataset_id)
        require_grid(dataset)  # before anything is served
        yield DatasetFeed(self, context, dataset)


class DatasetFeed:
    """A dataset that is open."""

    def __init__(self, replay: DatasetReplayParameters, context: FeedContext, dataset: Dataset) -> None:
        """Read the rows of the bins, and choose those of the span."""
        self._replay, self._clock, self._dataset = replay, context.clock, dataset
        manifest, (start_ns, end_ns) = dataset.manifest, replay.span_ns()
        self._rows = read_rows(dataset)
        self._start = 0 if start_ns is None else self._first_after(start_ns)
        self._first = 0 if start_ns is None else self._first_after(start_ns - replay.history_ns)
        self._stop = len(self._rows) if end_ns is None else int(np.searchsorted(self._rows["bin_start_ns"], end_ns))
        if self._start >= self._stop:
            begin, end = time_text(manifest.first_bin_start_ns), time_text(manifest.last_bin_end_ns)
            raise ConfigError(
                f"dataset {manifest.dataset_id} goes from {begin} to {end}; no bin of it lies between feed.start and "
                "feed.end"
            )
        self.facts = FeedFacts(
            kind="dataset",
            instrument=manifest.instrument,
            tick_size=manifest.tick_size,
            size_unit=manifest.size_unit,
            default_evict_crossed_ms=int((manifest.lattice or {}).get("evict_crossed_ms") or 0),
            live=False,
            speed=replay.factor,
            start_ns=None if start_ns is None else start_ns - replay.history_ns,
            bins=BinFacts(
                manifest.cell_width_ms,
                manifest.radius,
                tuple(manifest.columns),
                manifest.has_best_prices,
                has_events=dataset.keeps_events and not manifest.by_level,
            ),
        )

    def _first_after(self, time_ns: int) -> int:
        """Return the place of the bin that holds a time, or of the first one after it."""
        return int(np.searchsorted(self._rows["bin_end_ns"], time_ns, side="right"))

    def _pace_from(self) -> int:
        """Return the place of the first bin that is waited for: the start's, or the first after it with a book."""
        valid = np.flatnonzero(self._rows["book_valid"][self._start : self._stop])
        return self._start + (int(valid[0]) if len(valid) else 0)

    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield the bins when they are due."""
        while not stop.is_set():
            with self._events() as events:
                yield from self._paced(events, stop)
            if stop.is_set():
                return
            if not self._replay.loop:
                yield FeedStep(NO_EVENTS, None, "ended")
                return
            yield FeedStep(NO_EVENTS, None, "restarted")

    @contextmanager
    def _events(self) -> Iterator[EventsInTime]:
        """Open the events of the dataset; there are none where it keeps none, or has no single orders."""
        bins = self.facts.bins
        if bins is None or not bins.has_events:
            yield EventsInTime(iter(()))
            return
        with DatasetEvents(self._dataset).open() as stream:
            yield EventsInTime(iter(stream.chunks))

    def _paced(self, events: EventsInTime, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield the bins of one pass, several at once where several are due, with the events that made them."""
        rows, at = self._rows, self._first
        ends_ns, begin_ns = rows["bin_end_ns"], int(rows["bin_start_ns"][at])
        for warming in events.take(begin_ns):
            if stop.is_set():
                return
            yield FeedStep(warming, None, "live")
        pace_from = self._pace_from()
        pace, active_ns = self._pace_at(pace_from), begin_ns
        counts_events = "bin_event_count" in self._dataset.manifest.bin_columns
        most = step_bins(int(ends_ns[at]) - begin_ns)
        for block in self._blocks():
            end = at + len(block)
            first = at
            while at < end:
                if at == pace_from:
                    pace, active_ns = self._pace_at(at), max(active_ns, int(rows["bin_start_ns"][at]))
                if counts_events and at >= pace_from:
                    pace.pass_over(int(ends_ns[at]) - active_ns, self._replay.longest_wait_s, int(ends_ns[at]))
                is_due = pace_from if at < pace_from else int(np.searchsorted(ends_ns, pace.now_ns(), side="right"))
                due = min(is_due, at + most, end)
                if due <= at:
                    if pace.wait_for(int(ends_ns[at]), stop):
                        return
                    continue
                if stop.is_set():
                    return
                made_by = np.concatenate([NO_EVENTS, *events.take(int(ends_ns[due - 1]))])
                yield FeedStep(made_by, int(ends_ns[due - 1]), "live", block[at - first : due - first])
                active = np.flatnonzero(rows["bin_event_count"][at:due])
                active_ns = int(ends_ns[at + active[-1]]) if len(active) else active_ns
                at = due

    def _pace_at(self, place: int) -> Pace:
        """Return a pace that begins now with a bin."""
        return Pace(self._clock, self._replay.factor, int(self._rows["bin_start_ns"][place]))

    def _blocks(self) -> Iterator[list[FinishedBin]]:
        """Yield the bins of the span with their cells."""
        at = self._first
        for grid in grid_blocks(self._dataset, self._first, self._stop):
            count = len(next(iter(grid.values())))
            yield [(self._row(at + n), {name: cells[n] for name, cells in grid.items()}) for n in range(count)]
            at += count

    def _row(self, place: int) -> NDArray[np.void]:
        row: NDArray[np.void] = self._rows[place : place + 1]
        return row
