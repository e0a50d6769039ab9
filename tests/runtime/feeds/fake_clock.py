"""A clock that only waiting moves, and what a lattice makes of a feed's steps."""

import threading
from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed import Feed, FeedStep
from runtime.feeds.feed_clock import LONGEST_WAIT_S
from vpharness.lattice.columns import BIN_DTYPE
from vpharness.lattice.lattice_engine import advance, event_problems
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import LatticeState, new_state

WIDTH_NS = 100_000_000
LATTICE = LatticeParameters(radius=3)


class FakeClock:
    """A clock that stands still but when it is waited by."""

    def __init__(self, now_ns: int = 1_700_000_000_000_000_000) -> None:
        """Begin at a time."""
        self.time_ns = now_ns
        self.waits: list[float] = []

    def now_ns(self) -> int:
        """Return the time."""
        return self.time_ns

    def running_ns(self) -> int:
        """Return the time."""
        return self.time_ns

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Let time pass at once."""
        self.waits.append(seconds)
        self.time_ns += max(1, round(min(seconds, LONGEST_WAIT_S) * 1e9))
        return stop.is_set()

    @property
    def waited_s(self) -> float:
        """Seconds waited in all."""
        return sum(min(wait, LONGEST_WAIT_S) for wait in self.waits)


def taken(feed: Feed, most: int | None = None) -> list[FeedStep]:
    """Return the steps of a feed, `most` of them or all."""
    return list(islice(feed.steps(threading.Event()), most))


def lattice_for(feed: Feed) -> LatticeState:
    """Return the lattice that a feed asks for, before its first event."""
    facts = feed.facts
    return new_state(
        LATTICE,
        tick_size=facts.tick_size,
        size_unit=facts.size_unit or 1.0,
        default_evict_crossed_ms=facts.default_evict_crossed_ms,
        start_ns=facts.start_ns,
    )


def through(state: LatticeState, steps: Iterable[FeedStep]) -> tuple[NDArray[np.void], dict[str, int]]:
    """Return the bins [n] that a lattice makes of steps, and what it counted."""
    found = [np.zeros(0, BIN_DTYPE)]
    for step in steps:
        state, blocks = advance(state, step.events, step.complete_to_ns)
        found += [block.bins for block in blocks]
    return np.concatenate(found), event_problems(state)
