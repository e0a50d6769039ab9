"""The interface of a feed: facts that are known at once, and steps that come when they are due."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed_clock import FeedClock, SystemClock
from vpharness.datasets.lake import Lake
from vpharness.events.event_source import Source
from vpharness.events.mbo_event import EVENT_DTYPE

NO_EVENTS: Final = np.zeros(0, EVENT_DTYPE)

State = Literal["connecting", "live", "silent", "disconnected", "restarted", "ended"]
"""The state of a feed.

connecting: nothing has come yet. live: all is well. silent: connected, but nothing has come for longer than is usual.
disconnected: cut; it is being connected again. restarted: time begins anew with the next step, so the server goes on
with a new session. ended: there will be no further step.
"""

FinishedBin = tuple[NDArray[np.void], Mapping[str, NDArray[Any]]]
"""A bin as `LiveSession.take_bin` takes it: its row, BIN_DTYPE [1], and its cells, column name -> [K]."""


@dataclass(frozen=True)
class BinFacts:
    """The shape of the finished bins that a feed yields instead of events.

    columns: those of the grid that each bin has, all of GRID_COLUMNS for a dataset that was built.
    has_events: whether the events that made them come beside them, so that resting orders can be followed.
    """

    cell_width_ms: int
    radius: int
    columns: tuple[str, ...]
    has_best_prices: bool
    has_events: bool = False


@dataclass(frozen=True)
class FeedFacts:
    """Facts about a feed that are known before its first step.

    Attributes:
        kind: which feed it is: source, dataset, recording or databento.
        instrument: as its source calls it.
        tick_size: the smallest price step, in price units.
        size_unit: what sizes are multiples of; None where that is not known, as with a published dataset.
        default_evict_crossed_ms: what `lattice.evict_crossed_ms` is where nothing else is said.
        live: whether it is happening now: then times can be compared with the clock.
        speed: how much faster than it happened it is replayed; None as fast as possible, or live.
        start_ns: the `start_ns` of the lattice: bins before it are not emitted; None, from the first flow on.
        bins: where it hands out finished bins in place of events, what those are.
    """

    kind: str
    instrument: str
    tick_size: float
    size_unit: float | None
    default_evict_crossed_ms: int
    live: bool
    speed: float | None
    start_ns: int | None = None
    bins: BinFacts | None = None

    @property
    def quantity_unit(self) -> float:
        """The unit of sizes: 1 where it is not known."""
        return 1.0 if self.size_unit is None else self.size_unit


@dataclass(frozen=True)
class FeedStep:
    """A step of a feed: the next events, and up to when they are complete.

    Attributes:
        events: EVENT_DTYPE [n], in the order of the feed; none, perhaps. From a feed of finished bins, those that made
            them: they lie before the end of the first bin that is still to come.
        complete_to_ns: every event before this time has been handed out, as far as can be known; None says nothing.
            It never goes back, but for a step with the state restarted.
        state: how the feed stands.
        bins: finished bins in place of events, from a feed of bins alone.
        is_stepped: whether a replay does not wait for it: it is part of a history, or of a span with nothing to see.
    """

    events: NDArray[np.void]
    complete_to_ns: int | None
    state: State
    bins: Sequence[FinishedBin] = ()
    is_stepped: bool = False


class Feed(Protocol):
    """An opened feed: read once, in one thread."""

    @property
    def facts(self) -> FeedFacts:
        """The facts that are known at once."""
        ...

    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield the steps when they are due, waiting in between, until the feed ends or soon after `stop` is set.

        Raises SourceError, DatasetError or FeedError where it cannot go on.
        """
        ...


@dataclass(frozen=True)
class FeedContext:
    """The context that a feed is opened in: other groups of the same configuration, and a clock."""

    cell_width_ms: int
    source: Source | None = None
    lake: Lake | None = None
    dataset_id: str | None = None
    clock: FeedClock = field(default_factory=SystemClock)


class FeedParameters(Protocol):
    """The choices of the group `feed`: frozen dataclasses of parameters that can be opened."""

    def open(self, context: FeedContext) -> AbstractContextManager[Feed]:
        """Open the feed, far enough that what can be wrong with it is known.

        Raises ConfigError where a parameter is out of range, and SourceError, DatasetError or FeedError where the feed
        cannot be opened.
        """
        ...
