"""A seeded simulated market: events, not grids, so that everything runs as it does on an exchange's file.

What the simulator promises: the book is never crossed or one-sided at the end of an exchange event, each side has
depth on at least 50 levels, and, at strength 0, the mid is a martingale given all past flow, by construction: its
moves are drawn first, independent of everything (`synthetic_moves`), and flow enacts them (`synthetic_enactment`),
while what happens in between never touches a best price (`synthetic_flow`). `synthetic_market` lets time run over all
of it.
"""

import dataclasses
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError, SourceError
from vpharness.events.event_source import CHUNK_EVENTS, EventStream
from vpharness.events.mbo_event import EVENT_DTYPE, MAX_PRICE
from vpharness.events.synthetic_book import MOST_LEVELS, MOST_SNAPSHOT_RECORDS, SimulatedMarket, empty_market
from vpharness.events.synthetic_enactment import open_book
from vpharness.events.synthetic_market import advance_minute
from vpharness.events.synthetic_moves import (
    MINUTE_NS,
    MINUTE_SECONDS,
    MOST_JUMP_TICKS,
    MoveSchedule,
    draw_minute,
    open_schedule,
)
from vpharness.events.times import LATEST_NS
from vpharness.parameters import parameter, problems
from vpharness.prices import PRICE_SCALE, tick_size_to_price

SIMULATOR_VERSION: Final = 1
"""Raised by hand when the simulator's output changes."""

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
        return nullcontext(EventStream(instrument="SYN", size_unit=1.0, chunks=simulate(self)))


def simulate(
    source: SyntheticSource, chunk_events: int = CHUNK_EVENTS, flow_seed: int | None = None
) -> Iterator[NDArray[np.void]]:
    """Yield the market's events in chunks of EVENT_DTYPE, none longer than `chunk_events`.

    Neither the chunks' length nor when they are asked for changes an event. `flow_seed` draws another order flow around
    the same moves. Raises ValueError where a chunk could not hold the opening snapshot.
    """
    if chunk_events < MOST_SNAPSHOT_RECORDS:
        raise ValueError(f"chunk_events is {chunk_events}; it must be at least {MOST_SNAPSHOT_RECORDS}")
    moves_seed, own_flow_seed = np.random.SeedSequence(source.seed).spawn(2)
    flow_rng = np.random.default_rng(own_flow_seed if flow_seed is None else flow_seed)
    schedule = open_schedule(np.random.default_rng(moves_seed))
    best_bid = math.floor(source.initial_price / source.tick_size + 0.5)
    market = empty_market(best_bid, source.start_ns, np.zeros(chunk_events, EVENT_DTYPE))
    tick_price = tick_size_to_price(source.tick_size)
    open_book(market, flow_rng)
    lean = math.copysign(1.0, flow_rng.random() - 0.5)
    for minute in range(source.minutes):
        minute_start_ns = source.start_ns + minute * MINUTE_NS
        turns = flow_rng.random(MINUTE_SECONDS) < 1.0 / LEAN_SECONDS
        leans = np.asarray(lean * np.cumprod(np.where(turns, -1.0, 1.0)), dtype=np.float64)
        lean = float(leans[-1])
        yield from _minute(source, market, minute_start_ns, schedule, leans, flow_rng, tick_price)


def _minute(
    source: SyntheticSource,
    market: SimulatedMarket,
    minute_start_ns: int,
    schedule: MoveSchedule,
    lean: NDArray[np.float64],
    flow_rng: np.random.Generator,
    tick_price: int,
) -> Iterator[NDArray[np.void]]:
    """Yield a minute's events, those that are already written first."""
    moves, activity = draw_minute(schedule, minute_start_ns)
    over = False
    while not over:
        over = advance_minute(
            market, minute_start_ns, moves, activity, lean, source.event_rate, source.strength, flow_rng
        )
        yield _take_events(market, tick_price)
    if market.best[0] <= MOST_LEVELS + MOST_JUMP_TICKS:
        raise SourceError("the synthetic price has walked down to zero; raise source.initial_price")


def _take_events(market: SimulatedMarket, tick_price: int) -> NDArray[np.void]:
    """Return a copy of the events written, at their prices, and make room for the next."""
    events: NDArray[np.void] = market.events[: int(market.clock["written"][0])].copy()
    events["price"] *= tick_price
    market.clock["written"] = 0
    return events
