"""The feed of a dataset: its bins with all their cells, as if they were finished now.

Those before `start`, as far back as `history_s`, are due at once. Any other bin is due when its time has passed,
`speed` times as fast as it did. Bins without an event are waited through for `longest_wait_s` at most, and so are those
without a valid book (`sight.py`), as with a source. A session takes the bins as they are; where the dataset keeps its
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
from runtime.feeds.sight import Sight
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
        pace, active_ns = self._pace_at(at), begin_ns
        is_paced, width_ms = self._replay.factor is not None, self._dataset.manifest.cell_width_ms
        sight = Sight(self._replay.longest_wait_s, self._replay.factor, width_ms)
        counts_events = "bin_event_count" in self._dataset.manifest.bin_columns
        most = step_bins(int(ends_ns[at]) - begin_ns)
        for block in self._blocks():
            end = at + len(block)
            first = at
            while at < end:
                silent_ns = int(ends_ns[at]) - active_ns if counts_events else 0
                is_stepped = pace.pass_over(silent_ns, self._replay.longest_wait_s, int(ends_ns[at]))
                due = min(int(np.searchsorted(ends_ns, pace.now_ns(), side="right")), at + most, end)
                if is_paced and (at < self._start or sight.is_blind(int(rows["bin_start_ns"][at]))):
                    valid = np.flatnonzero(rows["book_valid"][at : at + most])
                    seen = at + (int(valid[0]) if len(valid) else most)
                    due = min(max(seen, self._start), at + most, end)
                    pace, is_stepped = self._pace_at(min(due, len(rows) - 1)), True
                    if due <= at:
                        sight.saw(active_ns := max(active_ns, int(rows["bin_start_ns"][at])))
                        continue  # from here on it keeps pace
                if due <= at:
                    if pace.wait_for(int(ends_ns[at]), stop):
                        return
                    continue
                if stop.is_set():
                    return
                made_by = np.concatenate([NO_EVENTS, *events.take(int(ends_ns[due - 1]))])
                blocks = block[at - first : due - first]
                yield FeedStep(made_by, int(ends_ns[due - 1]), "live", blocks, is_stepped=is_stepped)
                active = np.flatnonzero(rows["bin_event_count"][at:due])
                active_ns = int(ends_ns[at + active[-1]]) if len(active) else active_ns
                for end_ns in ends_ns[at:due][rows["book_valid"][at:due]].tolist():
                    sight.saw(end_ns)
                at = due
        if is_paced and not sight.seen_ns and self._replay.loop:
            pace.rest(self._replay.longest_wait_s, stop)  # no bin has a book: the next pass would begin at once

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
