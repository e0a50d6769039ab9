"""The synthetic market's background flow: what happens between moves.

It adds, pulls, resizes, reprices and trades in part, but never empties a level and never improves a best price.

A latent lean, to one side or the other for spells of many seconds, tilts it: where the lean is positive, bids are added
and asks pulled more often, and more of the trades are buys. Moves look at this flow only as far as the market's
`strength` says.
"""

import math
from typing import Final

import numpy as np

from vpharness.compiled import kernel
from vpharness.events.synthetic_book import (
    ASK_SIDE,
    BID_SIDE,
    FEWEST_LEVELS,
    MOST_ORDERS,
    SimulatedMarket,
    add,
    cancel,
    end_exchange_event,
    execute,
    level_quantity,
    new_order_id,
    reprice,
    resize,
    slot_of,
    tick_at,
)
from vpharness.events.synthetic_moves import MOST_LEVELS

TRADE_SHARE: Final = 0.08
REPRICE_SHARE: Final = 0.06
RESIZE_SHARE: Final = 0.15
"""Shares of background actions: trades of all; of the rest those that move an order, and those that resize one."""

RESTORING: Final = 0.2
"""How much the chance of an add falls where a queue is twice as long as is usual at its distance."""
LEAN_OF_FLOW: Final = 0.2
LEAN_OF_TRADES: Final = 0.12
"""How much a lean to one side shifts the chance of an add there, and of a trade that way."""

NEAR_LEVELS: Final = 12
"""How many levels of a side count as near the touch."""

MEAN_SIZE: Final = 2.0
BLOCK_SHARE: Final = 0.02
BLOCK_FACTOR: Final = 8
"""A size is 1 plus an exponential of this mean, cut to a whole number; the rare block is so many times larger."""

_LEVEL: Final = np.arange(1, MOST_LEVELS + 2, dtype=np.float64)
USUAL_ORDERS: Final = 4.0 + 8.0 * (_LEVEL / 6.0) * np.exp(1.0 - _LEVEL / 6.0)
"""How many orders are usual at each distance from the best price: most of them some levels behind it."""


@kernel
def draw_size(rng: np.random.Generator) -> int:
    """Draw an order's size."""
    size = 1 + int(-MEAN_SIZE * math.log(1.0 - rng.random()))
    return size * BLOCK_FACTOR if rng.random() < BLOCK_SHARE else size


@kernel
def background(market: SimulatedMarket, lean: float, rng: np.random.Generator) -> None:
    """Carry out one background event, or none where it would change a best price."""
    written = market.clock[0].written
    if rng.random() < TRADE_SHARE:
        _trade_in_part(market, lean, rng)
    else:
        _touch_level(market, lean, rng)
    if market.clock[0].written > written:
        end_exchange_event(market)


@kernel
def _trade_in_part(market: SimulatedMarket, lean: float, rng: np.random.Generator) -> None:
    """Trade against a best level; what would empty it is left undone."""
    side = ASK_SIDE if rng.random() < 0.5 + LEAN_OF_TRADES * lean else BID_SIDE
    tick = market.best[side]
    quantity = min(draw_size(rng), level_quantity(market, slot_of(tick)) - 1)
    if quantity > 0:
        execute(market, side, tick, quantity, new_order_id(market))


@kernel
def _touch_level(market: SimulatedMarket, lean: float, rng: np.random.Generator) -> None:
    """Let one level, most often a near one, grow or shrink; longer queues than usual rather shrink."""
    side = BID_SIDE if rng.random() < 0.5 else ASK_SIDE
    nearness = rng.random()
    distance = int(FEWEST_LEVELS * nearness * nearness * nearness)
    orders = market.queue_length[slot_of(tick_at(market, side, distance))]
    tilt = LEAN_OF_FLOW * (lean if side == BID_SIDE else -lean)
    grows = 0.5 + tilt - RESTORING * (orders / USUAL_ORDERS[distance] - 1.0)
    position = int(orders * rng.random())
    kind = rng.random()
    if kind < REPRICE_SHARE:
        _move_order(market, side, distance, position, rng)
    elif rng.random() < grows:
        _grow(market, side, distance, position, kind < REPRICE_SHARE + RESIZE_SHARE, rng)
    else:
        _shrink(market, side, distance, position, kind < REPRICE_SHARE + RESIZE_SHARE, rng)


@kernel
def _move_order(market: SimulatedMarket, side: int, distance: int, position: int, rng: np.random.Generator) -> None:
    """Reprice an order by one or two levels; one that is alone, or finds no room, stays."""
    steps = int(4.0 * rng.random())
    new_distance = distance + (steps - 2 if steps < 2 else steps - 1)
    tick = tick_at(market, side, distance)
    if market.queue_length[slot_of(tick)] == 1 or not 0 <= new_distance < market.levels[side]:
        return
    new_tick = tick_at(market, side, new_distance)
    if market.queue_length[slot_of(new_tick)] < MOST_ORDERS:
        size = market.queues[slot_of(tick), position].size
        _remember(market, side, distance, -size)
        _remember(market, side, new_distance, size)
        reprice(market, side, tick, position, new_tick)


@kernel
def _grow(
    market: SimulatedMarket, side: int, distance: int, position: int, resizes: bool, rng: np.random.Generator
) -> None:
    tick = tick_at(market, side, distance)
    slot = slot_of(tick)
    size = draw_size(rng)
    if resizes:
        _remember(market, side, distance, size)
        resize(market, side, tick, position, market.queues[slot, position].size + size)
    elif market.queue_length[slot] < MOST_ORDERS:
        _remember(market, side, distance, size)
        add(market, side, tick, size)


@kernel
def _shrink(
    market: SimulatedMarket, side: int, distance: int, position: int, resizes: bool, rng: np.random.Generator
) -> None:
    """Pull an order, or a part of it; the last order of a level keeps a part."""
    tick = tick_at(market, side, distance)
    slot = slot_of(tick)
    size = market.queues[slot, position].size
    if not resizes and market.queue_length[slot] > 1:
        _remember(market, side, distance, -size)
        cancel(market, side, tick, position)
    elif size > 1:
        kept = 1 + int((size - 1) * rng.random())
        _remember(market, side, distance, kept - size)
        resize(market, side, tick, position, kept)


@kernel
def _remember(market: SimulatedMarket, side: int, distance: int, quantity: int) -> None:
    """Count quantity added (positive) or pulled (negative) near the touch towards the lean of the next move."""
    if distance < NEAR_LEVELS:
        clock = market.clock[0]
        clock.near_signed += quantity if side == BID_SIDE else -quantity
        clock.near_total += abs(quantity)
