"""How the synthetic market carries out a move of the mid that was drawn before, and how deep it keeps the book.

One exchange event with one time does all of a move: the best level of a side is consumed or cancelled whatever it
holds, or a new one is placed inside the spread. So flow shows a move when it is made and no sooner; and both sides of
the book are treated alike, so neither does its shape foretell a sign.
"""

from typing import Final

import numpy as np

from vpharness.compiled import kernel
from vpharness.events.synthetic_book import (
    ASK_SIDE,
    BID_SIDE,
    FEWEST_LEVELS,
    SimulatedMarket,
    add,
    cancel,
    clear,
    end_exchange_event,
    end_snapshot,
    execute,
    level_quantity,
    new_order_id,
    slot_of,
    tick_at,
)
from vpharness.events.synthetic_flow import USUAL_ORDERS, draw_size
from vpharness.events.synthetic_moves import MOST_LEVELS

CANCELLED_MOVES: Final = 0.4
"""The chance that a best level that gives way is cancelled and not consumed."""


@kernel
def enact(market: SimulatedMarket, up: bool, spread_change: int, jump_ticks: int, rng: np.random.Generator) -> None:
    """Carry out a move: the side it comes towards gives way, the side behind it follows, or, in a jump, both."""
    giving, following = (ASK_SIDE, BID_SIDE) if up else (BID_SIDE, ASK_SIDE)
    if spread_change > 0 or jump_ticks > 0:
        cancelled = jump_ticks == 0 and rng.random() < CANCELLED_MOVES
        aggressor_id = 0 if cancelled else new_order_id(market)
        for _ in range(max(jump_ticks, 1)):
            _take_level(market, giving, aggressor_id)
    if spread_change < 0 or jump_ticks > 0:
        for _ in range(max(jump_ticks, 1)):
            _improve(market, following, rng)
    _keep_depth(market, giving, rng)
    _keep_depth(market, following, rng)
    end_exchange_event(market)


@kernel
def _take_level(market: SimulatedMarket, side: int, aggressor_id: int) -> None:
    """Remove the best level of a side whole: traded away by an aggressor, or cancelled where there is none (id 0)."""
    tick = market.best[side]
    slot = slot_of(tick)
    if aggressor_id > 0:
        execute(market, side, tick, level_quantity(market, slot), aggressor_id)
    else:
        while market.queue_length[slot] > 0:
            cancel(market, side, tick, market.queue_length[slot] - 1)
    market.best[side] = tick_at(market, side, 1)
    market.levels[side] -= 1


@kernel
def _improve(market: SimulatedMarket, side: int, rng: np.random.Generator) -> None:
    tick = tick_at(market, side, -1)
    _make_level(market, side, tick, 1 + int(3.0 * rng.random()), rng)
    market.best[side] = tick
    market.levels[side] += 1


@kernel
def _keep_depth(market: SimulatedMarket, side: int, rng: np.random.Generator) -> None:
    """Add or cancel levels at the far end until a side has no fewer and no more than it should."""
    while market.levels[side] < FEWEST_LEVELS:
        distance = market.levels[side]
        orders = 1 + int(2.0 * (USUAL_ORDERS[distance] - 1.0) * rng.random())
        _make_level(market, side, tick_at(market, side, distance), orders, rng)
        market.levels[side] += 1
    while market.levels[side] > MOST_LEVELS:
        tick = tick_at(market, side, market.levels[side] - 1)
        while market.queue_length[slot_of(tick)] > 0:
            cancel(market, side, tick, market.queue_length[slot_of(tick)] - 1)
        market.levels[side] -= 1


@kernel
def _make_level(market: SimulatedMarket, side: int, tick: int, orders: int, rng: np.random.Generator) -> None:
    for _ in range(orders):
        add(market, side, tick, draw_size(rng))


@kernel
def open_book(market: SimulatedMarket, rng: np.random.Generator) -> None:
    """Fill both sides and write them as a snapshot: a clear, then an add for each order."""
    clear(market)
    for side in (BID_SIDE, ASK_SIDE):
        _keep_depth(market, side, rng)
    end_snapshot(market)
