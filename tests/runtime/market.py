"""A minute of market, what a whole run says of it, and a feed that a test hands out step by step."""

import functools
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed import NO_EVENTS, FeedFacts, FeedStep
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.live import LiveModel, LiveSession, ScoredBin
from vpharness.promotion.serving import PromotedRecord, live_model

WIDTH_NS: Final = 100_000_000
SPECTRUM: Final[dict[str, Any]] = {
    "spectrum_windows": [2, 3],
    "spectrum_zscore_window": 20,
    "spectrum_zscore_min_periods": 5,
}
SETTLING: Final[dict[str, Any]] = {
    "tau_velocity": 0.01,
    "tau_acceleration": 0.02,
    "tau_jerk": 0.03,
    "tau_mass": 0.04,
}
LATTICE: Final = LatticeParameters(radius=20, evict_crossed_ms=0, **SPECTRUM, **SETTLING)
"""Small cells that settle within a second or two: what is tested here is who is told what of them."""


@functools.lru_cache(maxsize=1)
def minute() -> NDArray[np.void]:
    """Return the events of a minute."""
    with SyntheticSource(seed=5, minutes=1).open() as stream:
        return np.concatenate(list(stream.chunks))


def steps_of(events: NDArray[np.void], bins: int = 1) -> list[FeedStep]:
    """Return events as steps of some bins each."""
    begin, end = (int(events["ts_ns"][place]) // WIDTH_NS for place in (0, -1))
    edges = [number * WIDTH_NS for number in range(begin + bins, end + 1 + bins, bins)]
    places = [0, *np.searchsorted(events["ts_ns"], edges).tolist()]
    return [
        FeedStep(events[start:stop], edge, "live")
        for start, stop, edge in zip(places[:-1], places[1:], edges, strict=True)
    ]


@dataclass
class ScriptedFeed:
    """A feed that says what a test puts into it."""

    facts: FeedFacts = field(
        default_factory=lambda: FeedFacts(
            kind="source",
            instrument="SYN",
            tick_size=0.25,
            size_unit=1.0,
            default_evict_crossed_ms=0,
            live=False,
            speed=1.0,
        )
    )
    has_ended: threading.Event = field(default_factory=threading.Event)
    waiting: "queue.SimpleQueue[FeedStep]" = field(default_factory=queue.SimpleQueue)

    def put(self, *steps: FeedStep) -> None:
        """Send some steps next."""
        for step in steps:
            self.waiting.put(step)

    def nudge(self) -> None:
        """Send nothing new, so that the engine does what it was asked for."""
        self.put(FeedStep(NO_EVENTS, None, "live"))

    def end(self) -> None:
        """End the feed."""
        self.has_ended.set()

    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield what is put in, until stopped or ended."""
        while not stop.is_set() and not (self.has_ended.is_set() and self.waiting.empty()):
            try:
                yield self.waiting.get(timeout=0.02)
            except queue.Empty:
                continue


def batch(record: PromotedRecord, steps: list[FeedStep]) -> list[ScoredBin]:
    """Return what a session of the record says of steps, without any server."""
    from tests.runtime.records import record_lattice  # noqa: PLC0415  # records use what is above

    model: LiveModel = live_model(record)
    session = LiveSession(model, record_lattice(record))
    return [each for step in steps for each in session.take(step.events, step.complete_to_ns)]
