"""The simulator of the synthetic market: its events, minute by minute, in chunks."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events.event_source import CHUNK_EVENTS
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.events.synthetic import LEAN_SECONDS, SyntheticSource
from vpharness.events.synthetic_book import MOST_SNAPSHOT_RECORDS, SimulatedMarket, empty_market
from vpharness.events.synthetic_enactment import open_book
from vpharness.events.synthetic_market import advance_minute
from vpharness.events.synthetic_moves import (
    MINUTE_NS,
    MINUTE_SECONDS,
    MOST_JUMP_TICKS,
    MOST_LEVELS,
    MoveSchedule,
    draw_minute,
    open_schedule,
)
from vpharness.prices import tick_size_to_price


def simulate_market(
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
