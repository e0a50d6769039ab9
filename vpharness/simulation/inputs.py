"""Inputs of a simulation: the bins of a source or dataset as steps of a live session, each timed by stage."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vpharness.datasets.bin_by_bin import grid_blocks, read_rows
from vpharness.datasets.event_table import DatasetEvents
from vpharness.datasets.find import Dataset
from vpharness.datasets.intake import LONGEST_GAP_NS, Intake, taken_in
from vpharness.datasets.read import load
from vpharness.datasets.replay import fresh_lattice
from vpharness.errors import ConfigError
from vpharness.events.by_bin import by_bin
from vpharness.events.event_source import EventStream, Source
from vpharness.events.in_time import EventsInTime
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.execution.live_orders import LiveOrders
from vpharness.execution.order_table import order_table, require_queue
from vpharness.execution.virtual_orders import virtual_orders
from vpharness.lattice.columns import BIN_DTYPE, GRID_COLUMNS
from vpharness.lattice.lattice_engine import FinishedBins, iterate, open_bin_end_ns
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import LatticeState, new_state
from vpharness.live import FollowedOrders, LiveModel, LiveSession, ScoredBin
from vpharness.prices import tick_size_to_price

_NANOSECONDS_PER_MS = 1_000_000

Grid = Mapping[str, NDArray[Any]]


class TimedSession(LiveSession):
    """A live session that knows how long its scoring took; nothing else differs from what is served.

    Attributes:
        score_ns: how long it took so far: the signal's step and the rule for fires.
        bins: bins so far.
    """

    score_ns = 0
    bins = 0
    followed: FollowedOrders | None = None
    """The resting orders of its fires; None where they enter at the touch."""

    def take_bin(self, row: NDArray[np.void], grid: Grid) -> ScoredBin:
        """Take in a finished bin, and the time that it takes."""
        begun = time.perf_counter_ns()
        scored = super().take_bin(row, grid)
        self.score_ns += time.perf_counter_ns() - begun
        self.bins += 1
        return scored


Step = Callable[[], tuple[list[ScoredBin], dict[str, int]]]
"""Gives the session what makes it finish a bin; returns the bins, nearly always one, and ns by stage."""


OrderDurations = tuple[int, int]
"""Latency and longest wait of resting orders, ns."""


@dataclass(frozen=True)
class AllBins:
    """The input of a run over all T bins at once: rows [T] (BIN_DTYPE) and its signal's columns [T, K]."""

    rows: NDArray[np.void]
    columns: Grid


class SimulationInput(Protocol):
    """Bins that can be replayed one by one, and read all at once."""

    @property
    def cell_width_ms(self) -> int:
        """The length of a bin."""
        ...

    @property
    def radius(self) -> int:
        """The largest cell number: cells are k = -radius..radius."""
        ...

    @property
    def tick_size(self) -> float:
        """The price of one tick, in price units."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that frames may contain."""
        ...

    def opened(
        self, model: LiveModel, durations: OrderDurations | None = None
    ) -> AbstractContextManager[tuple[TimedSession, Iterator[Step]]]:
        """Open the input at its beginning, with a session for it, and resting orders of some durations."""
        ...

    def fates(self, rows: NDArray[np.void], durations: OrderDurations) -> NDArray[np.void]:
        """Return FATE_DTYPE [T, 2], what becomes of a buy and a sell at every bin."""
        ...

    def whole(self, columns: tuple[str, ...]) -> AllBins:
        """Return all bins, computed as for a run over them."""
        ...


@dataclass(frozen=True)
class EventInput:
    """The events of a source, bin by bin, through a lattice. `start_ns` and `end_ns` are those of a build."""

    source: Source
    lattice: LatticeParameters
    start_ns: int | None
    end_ns: int | None
    columns: tuple[str, ...] = tuple(GRID_COLUMNS)

    @property
    def cell_width_ms(self) -> int:
        """The length of a bin."""
        return self.lattice.cell_width_ms

    @property
    def radius(self) -> int:
        """The largest cell number: cells are k = -radius..radius."""
        return self.lattice.radius

    @property
    def tick_size(self) -> float:
        """The price of one tick, in price units."""
        return self.source.tick_size

    @contextmanager
    def opened(
        self, model: LiveModel, durations: OrderDurations | None = None
    ) -> Iterator[tuple[TimedSession, Iterator[Step]]]:
        """Open the source. Raises SourceError where it cannot be read, ConfigError where it has no queues."""
        with self.source.open() as stream:
            session = TimedSession(model, self._begin(stream), longest_gap_ns=LONGEST_GAP_NS)
            if durations is not None:
                _require_orders(stream)
                session.followed = _followed(self._begin(stream), durations)
            yield session, self._steps(session, stream)

    def fates(self, rows: NDArray[np.void], durations: OrderDurations) -> NDArray[np.void]:
        """Follow an order for every bin and side through all events."""
        bins = {name: rows[name] for name in rows.dtype.names or ()}
        with self.source.open() as stream:
            chunks, (latency_ns, max_wait_ns) = self._taken_in(stream), durations
            return virtual_orders(bins, self._begin(stream), chunks, latency_ns=latency_ns, max_wait_ns=max_wait_ns)[0]

    def whole(self, columns: tuple[str, ...]) -> AllBins:
        """Send all events through a lattice in the chunks of the source, as a build does."""
        rows: list[NDArray[np.void]] = [np.zeros(0, BIN_DTYPE)]
        cells: dict[str, list[NDArray[Any]]] = {name: [] for name in columns}
        with self.source.open() as stream:
            for block in self._blocks(stream):
                rows.append(block.bins)
                for name, blocks in cells.items():
                    blocks.append(block.column(name).copy())  # the rest of the block is let go of
        return AllBins(np.concatenate(rows), {name: np.concatenate(blocks) for name, blocks in cells.items()})

    def _blocks(self, stream: EventStream) -> Iterator[FinishedBins]:
        state = self._begin(stream)
        for events in self._taken_in(stream):
            for after, block in iterate(state, events):
                state = after
                yield block
        for _, block in iterate(state, np.zeros(0, EVENT_DTYPE), open_bin_end_ns(state)):
            yield block

    def _begin(self, stream: EventStream) -> LatticeState:
        return new_state(
            self.lattice,
            tick_size=self.source.tick_size,
            size_unit=stream.size_unit,
            default_evict_crossed_ms=self.source.default_evict_crossed_ms,
            start_ns=self.start_ns,
        )

    def _taken_in(self, stream: EventStream) -> Iterator[NDArray[np.void]]:
        return taken_in(stream, Intake(tick_size_to_price(self.source.tick_size), self.end_ns))

    def _steps(self, session: TimedSession, stream: EventStream) -> Iterator[Step]:
        for events, end_ns in by_bin(self._taken_in(stream), self.cell_width_ms * _NANOSECONDS_PER_MS):
            # A silence before the first bin is passed over at once by the event behind it.
            if len(events) or session.bins:
                yield partial(_closed, session, events, end_ns)


def _require_orders(stream: EventStream) -> None:
    if stream.by_level:
        raise ConfigError(
            "the source is by price level, which does not say who is ahead in a queue: eval.fill=queue needs events of "
            "single orders"
        )


def _followed(book: LatticeState, durations: OrderDurations) -> FollowedOrders:
    latency_ns, max_wait_ns = durations
    return FollowedOrders(LiveOrders(book, latency_ns=latency_ns, max_wait_ns=max_wait_ns))


def _closed(session: TimedSession, events: NDArray[np.void], end_ns: int) -> tuple[list[ScoredBin], dict[str, int]]:
    """Take in the events of a bin, then close it."""
    begun, followed = time.perf_counter_ns(), session.followed
    bins = session.take(events) if followed is None else list(followed.iterate(session, events))
    taken, scoring = time.perf_counter_ns(), session.score_ns
    nothing = events[:0]
    bins += session.advance_to(end_ns) if followed is None else list(followed.iterate(session, nothing, end_ns))
    closed, score_ns = time.perf_counter_ns(), session.score_ns - scoring
    return bins, {"events": taken - begun, "grid": closed - taken - score_ns, "score": score_ns}


@dataclass(frozen=True)
class DatasetInput:
    """The finished bins of a dataset, with their cells."""

    dataset: Dataset

    @property
    def cell_width_ms(self) -> int:
        """The length of a bin."""
        return self.dataset.manifest.cell_width_ms

    @property
    def radius(self) -> int:
        """The largest cell number: cells are k = -radius..radius."""
        return self.dataset.manifest.radius

    @property
    def tick_size(self) -> float:
        """The price of one tick, in price units."""
        return self.dataset.manifest.tick_size

    @property
    def columns(self) -> tuple[str, ...]:
        """The lattice's columns that the dataset has."""
        return tuple(name for name in GRID_COLUMNS if name in self.dataset.manifest.columns)

    @contextmanager
    def opened(
        self, model: LiveModel, durations: OrderDurations | None = None
    ) -> Iterator[tuple[TimedSession, Iterator[Step]]]:
        """Read the rows of the bins; their cells are read on the way. Raises DatasetError where they cannot be.

        With resting orders the events that it keeps are read too.
        """
        cells = dataclasses.replace(LatticeParameters(), cell_width_ms=self.cell_width_ms, radius=self.radius)
        # No event will come: of this lattice only the cells count.
        lattice = new_state(cells, tick_size=self.tick_size, size_unit=1.0, start_ns=None)
        session = TimedSession(model, lattice)
        if durations is None:
            yield session, self._steps(session, None)
            return
        require_queue(self.dataset)
        session.followed = _followed(fresh_lattice(self.dataset, ()), durations)
        with DatasetEvents(self.dataset).open() as stream:
            yield session, self._steps(session, EventsInTime(iter(stream.chunks)))

    def fates(self, rows: NDArray[np.void], durations: OrderDurations) -> NDArray[np.void]:  # noqa: ARG002
        """Return the dataset's table of virtual orders."""
        return order_table(self.dataset, latency=durations[0], max_wait_ns=durations[1]).fates

    def whole(self, columns: tuple[str, ...]) -> AllBins:
        """Read all bins, and the columns."""
        return AllBins(read_rows(self.dataset), load(self.dataset, columns).grid)

    def _steps(self, session: TimedSession, events: EventsInTime | None) -> Iterator[Step]:
        rows, at = read_rows(self.dataset), 0
        for block in grid_blocks(self.dataset, 0, len(rows)):
            count = len(next(iter(block.values())))
            for index in range(count):
                grid = {name: column[index] for name, column in block.items()}
                row, own = rows[at + index : at + index + 1], None
                if events is not None:
                    before_end = events.take(int(row["bin_end_ns"][0]))
                    own = np.concatenate([np.zeros(0, EVENT_DTYPE), *before_end])
                yield partial(_taken, session, row, grid, own)
            at += count


def _taken(
    session: TimedSession, row: NDArray[np.void], grid: Grid, events: NDArray[np.void] | None
) -> tuple[list[ScoredBin], dict[str, int]]:
    """Take in a finished bin, and where resting orders are followed the events that made it."""
    before, followed = session.score_ns, session.followed
    if followed is None or events is None:
        return [session.take_bin(row, grid)], {"score": session.score_ns - before}
    begun = time.perf_counter_ns()
    bins, taken_ns = [followed.take_bin(session, row, grid, events)], time.perf_counter_ns() - begun
    score_ns = session.score_ns - before
    return bins, {"orders": taken_ns - score_ns, "score": score_ns}
