"""A seeded simulated market: events, not grids, so that everything runs as it does on an exchange's file.

What the simulator promises: the book is never crossed or one-sided at the end of an exchange event, each side has
depth on at least 50 levels, and, at strength 0, the mid is a martingale given all past flow, by construction: its
moves are drawn first, independent of everything (`synthetic_moves`), and flow enacts them (`synthetic_enactment`),
while what happens in between never touches a best price (`synthetic_flow`). `synthetic_market` lets time run over all
of it, and `synthetic_simulation` is asked for the events.
"""

import dataclasses
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from vpharness.errors import ConfigError
from vpharness.events.event_source import EventStream
from vpharness.events.mbo_event import MAX_PRICE
from vpharness.events.synthetic_moves import MINUTE_NS, MOST_JUMP_TICKS, MOST_LEVELS
from vpharness.events.times import LATEST_NS
from vpharness.parameters import parameter, problems
from vpharness.prices import PRICE_SCALE, tick_size_to_price

SIMULATOR_VERSION: Final = 1
"""Raised by hand when the simulator's output changes."""

EMBEDDED_INSTRUMENT: Final = "SYN"
"""The instrument of the simulated market, which needs no file and is served by default."""

LEAN_SECONDS: Final = 20.0
"""How long order flow leans to one side before it turns to the other, on average."""

WALK_TICKS_PER_MINUTE: Final = 100.0
"""Six times the standard deviation of the mid's walk over a minute at strength 1, and more at less, in ticks."""

MOST_MINUTES: Final = 5_256_000
"""Ten years."""


@dataclass(frozen=True)
class SyntheticSource:
    """A simulated market of limit, market and cancel flow in one instrument."""

    default_evict_crossed_ms: ClassVar[int] = 0

    seed: int = parameter(0, meaning="the market: the same seed gives the same events", minimum=0, maximum=2**53)
    minutes: int = parameter(120, meaning="how long the market lasts", unit="minutes", minimum=1, maximum=MOST_MINUTES)
    strength: float = parameter(
        0.0, meaning="how far the coming move leans on recent order flow; 0 is a martingale", minimum=0.0, maximum=1.0
    )
    tick_size: float = parameter(0.25, meaning="the smallest price step", unit="price units", above=0.0)
    initial_price: float = parameter(4800.0, meaning="the best bid at the open", unit="price units", above=0.0)
    event_rate: float = parameter(
        150.0, meaning="orders, cancels and trades at ordinary activity", unit="a second", minimum=1.0, maximum=10_000.0
    )
    start_ns: int = parameter(
        1_704_205_800_000_000_000,
        meaning="when the market opens",
        unit="ns since the Unix epoch, UTC",
        minimum=0,
        maximum=LATEST_NS,
    )

    def relations(self) -> Iterator[str]:
        """Yield an error where the price could walk out of its range, or time out of its own."""
        if self.start_ns + self.minutes * MINUTE_NS > LATEST_NS:
            yield (
                f"start_ns is {self.start_ns}; for {self.minutes} minutes it must be at most "
                f"{LATEST_NS - self.minutes * MINUTE_NS}, so that the market closes before the year 2200"
            )
        room = MOST_LEVELS + MOST_JUMP_TICKS + WALK_TICKS_PER_MINUTE * math.sqrt(self.minutes)
        lowest, highest = room * self.tick_size, MAX_PRICE / PRICE_SCALE - room * self.tick_size
        if not lowest <= self.initial_price <= highest:
            yield (
                f"initial_price is {self.initial_price}; for {self.minutes} minutes at a tick of {self.tick_size} it "
                f"must lie between {lowest:g} and {highest:g}"
            )

    def identity(self) -> dict[str, Any]:
        """Return the parameters and the simulator's version: the events depend on nothing else."""
        return {"source": "synthetic", "simulator_version": SIMULATOR_VERSION, **dataclasses.asdict(self)}

    def open(self) -> AbstractContextManager[EventStream]:
        """Open the market; ConfigError where a parameter is out of range."""
        if found := problems(self, "source."):
            raise ConfigError("; ".join(found))
        tick_size_to_price(self.tick_size)
        from vpharness.events.synthetic_simulation import simulate_market  # noqa: PLC0415  # compiled code takes a second to load

        return nullcontext(EventStream(instrument=EMBEDDED_INSTRUMENT, size_unit=1.0, chunks=simulate_market(self)))
