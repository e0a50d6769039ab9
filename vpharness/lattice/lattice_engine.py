"""The lattice as one resumable function from events to finished bins."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from vpharness.compiled import Array
from vpharness.errors import SourceError
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.lattice.columns import (
    BIN_DTYPE,
    EVENT_COLUMN,
    FLOAT_COLUMNS,
    GRID_COLUMNS,
    LABEL_COLUMNS,
    MOVE_COLUMNS,
)
from vpharness.lattice.layout import COUNT_NAMES, NO_TIME, LatticeState, make_room
from vpharness.lattice.time import consume, move_time

BLOCK_BINS: Final = 512
"""The most bins that are handed out at once."""

_NO_EVENTS: Final = np.zeros(0, EVENT_DTYPE)


@dataclass(frozen=True)
class FinishedBins:
    """Consecutive bins and their cells; n bins, K = 2 * radius + 1 cells from k = -radius to radius."""

    bins: Array  # BIN_DTYPE [n]
    floats: Array  # float64 [27, n, K], in the order of FLOAT_COLUMNS
    labels: Array  # int8 [7, n, K], in the order of LABEL_COLUMNS
    moves: Array  # int32 [2, n, K], in the order of MOVE_COLUMNS
    last_event_ids: Array  # int64 [n, K]

    def column(self, name: str) -> Array:
        """Return one column of the grid [n, K] by its name; a KeyError where there is none of that name."""
        for names, values in ((FLOAT_COLUMNS, self.floats), (LABEL_COLUMNS, self.labels), (MOVE_COLUMNS, self.moves)):
            if name in names:
                column: Array = values[names.index(name)]
                return column
        if name == EVENT_COLUMN:
            return self.last_event_ids
        raise KeyError(name)

    def cells(self, index: int) -> dict[str, Array]:
        """Return all columns of one bin by name, each [K]."""
        rows = *self.floats[:, index], *self.labels[:, index], *self.moves[:, index], self.last_event_ids[index]
        return dict(zip(GRID_COLUMNS, rows, strict=True))

    def first(self, count: int) -> "FinishedBins":
        """Return the first `count` bins."""
        return FinishedBins(
            self.bins[:count],
            self.floats[:, :count],
            self.labels[:, :count],
            self.moves[:, :count],
            self.last_event_ids[:count],
        )


def empty_block(state: LatticeState, bins: int = BLOCK_BINS) -> FinishedBins:
    """Return arrays with room for `bins` bins and their cells."""
    cells = 2 * int(state.rules["radius"][0]) + 1 if state.rules["with_cells"][0] else 0
    return FinishedBins(
        np.zeros(bins, BIN_DTYPE),
        np.zeros((len(FLOAT_COLUMNS), bins, cells)),
        np.zeros((len(LABEL_COLUMNS), bins, cells), np.int8),
        np.zeros((len(MOVE_COLUMNS), bins, cells), np.int32),
        np.zeros((bins, cells), np.int64),
    )


def _arrays(block: FinishedBins) -> tuple[Array, ...]:
    return block.bins, block.floats, block.labels, block.moves, block.last_event_ids


def advance(
    state: LatticeState, events: Array, complete_to_ns: int | None = None, block_bins: int = BLOCK_BINS
) -> tuple[LatticeState, list[FinishedBins]]:
    """Apply events, in the order of the feed, and close every bin that is known to be complete.

    `events` is an array of EVENT_DTYPE. `complete_to_ns` says that every event before that time has been given: bins
    that end by then close even though nothing has happened since, and an event that comes later all the same is moved
    to that time and counted. Without it a bin closes with the first event behind it.

    Returns the state to go on with and the finished bins, in blocks of at most `block_bins`. The arrays of the state
    given are used up: go on with the one returned. How events are cut into calls, and how often and how far time is
    moved on between them, makes no difference to the bins: a crossed book is uncrossed at the time at which its
    crossing turns stale, not when time next happens to move.

    Raises SourceError, before anything is done, where the events are of another type.
    """
    blocks: list[FinishedBins] = []
    for block in iterate(state, events, complete_to_ns, block_bins):
        state, finished = block
        if len(finished.bins):
            blocks.append(finished)
    return state, blocks


def iterate(
    state: LatticeState, events: Array, complete_to_ns: int | None = None, block_bins: int = BLOCK_BINS
) -> Iterator[tuple[LatticeState, FinishedBins]]:
    """Yield what `advance` returns block by block, for spans whose bins would not fit into memory together.

    Yields the state and the bins finished since the one before; the last pair's state has taken in everything.
    """
    return _blocks(state, as_events(events), complete_to_ns, block_bins)


def as_events(events: Array) -> Array:
    """Return events as the kernels were compiled for them; a SourceError where they are no array of EVENT_DTYPE."""
    if not isinstance(events, np.ndarray) or events.dtype != EVENT_DTYPE or events.ndim != 1:
        found = (
            f"{events.ndim} dimensions of {events.dtype}" if isinstance(events, np.ndarray) else type(events).__name__
        )
        raise SourceError(f"events are {found}; expected one dimension of vpharness.events.mbo_event.EVENT_DTYPE")
    return np.ascontiguousarray(events).view(EVENT_DTYPE)


def _blocks(
    state: LatticeState, events: Array, complete_to_ns: int | None, block_bins: int
) -> Iterator[tuple[LatticeState, FinishedBins]]:
    state = make_room(state, events)
    done = False
    while not done:
        block = empty_block(state, min(block_bins, _bins_ahead(state, events, complete_to_ns)))
        used, emitted = consume(state, events, *_arrays(block))
        events = events[used:]
        done = len(events) == 0
        if done and complete_to_ns is not None and complete_to_ns > state.clock["now_ns"][0]:
            emitted = move_time(state, complete_to_ns, emitted, *_arrays(block))
            done = bool(state.clock["now_ns"][0] == complete_to_ns)
        yield state, block.first(emitted)


def _bins_ahead(state: LatticeState, events: Array, complete_to_ns: int | None) -> int:
    """Return how many bins end by the last of some events: making room for 512 takes longer than a few events do.

    Where it were too few, another block would follow.
    """
    times = events["ts_ns"]
    now_ns = int(state.clock["now_ns"][0])
    begin_ns = int(times[0]) if now_ns == NO_TIME and len(times) else now_ns
    last_ns = max(begin_ns, int(times.max(initial=NO_TIME)), NO_TIME if complete_to_ns is None else complete_to_ns)
    return (last_ns - begin_ns) // int(state.rules["cell_width_ns"][0]) + 2


def advance_to(state: LatticeState, complete_to_ns: int) -> tuple[LatticeState, list[FinishedBins]]:
    """Close the bins that end by `complete_to_ns`: the feed has been silent until then."""
    return advance(state, _NO_EVENTS, complete_to_ns)


def open_bin_end_ns(state: LatticeState) -> int | None:
    """Return when the open bin ends, up to which a feed that has ended is complete; None before the first event."""
    if state.clock["now_ns"][0] == NO_TIME:
        return None
    return int((state.clock["bin"][0] + 1) * state.rules["cell_width_ns"][0])


def event_problems(state: LatticeState) -> dict[str, int]:
    """Return the counts of irregular events, by kind (SPEC section 1)."""
    return dict(zip(COUNT_NAMES, state.counts.tolist(), strict=True))
