"""The moves of the synthetic mid, drawn before any order exists.

A move changes the mid by half a tick, through the spread, or carries both best prices along (a jump). Its time, its
kind and the coin that decides its sign come from a stream of random numbers of their own, so nothing that order flow
does can tell what the mid will do next:

- at a spread of one tick the next move widens it, at three it narrows it, and at two it mostly narrows it;
- the rate of moves is `MOVES_PER_SECOND` of the spread that stands, times the market's activity;
- the sign is up where the coin, uniform on [0, 1), falls below the probability of a rise: one half in a fair market.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SECOND_NS: Final = 1_000_000_000
MINUTE_SECONDS: Final = 60
MINUTE_NS: Final = MINUTE_SECONDS * SECOND_NS

MOVES_PER_SECOND: Final = {1: 0.9, 2: 4.0, 3: 8.0}
"""Moves a second at ordinary activity, by the spread in ticks: a wide spread does not stand for long."""
WIDEN_FURTHER: Final = 0.1
"""The chance that a spread of two ticks widens instead of narrowing."""
JUMP_SHARE: Final = 0.01
JUMP_TICKS: Final = ((0.5, 2), (0.75, 3), (0.9, 4), (1.0, 5))
"""How far a jump goes, in ticks, by cumulated probability."""
MOST_JUMP_TICKS: Final = JUMP_TICKS[-1][1]
MOST_LEVELS: Final = 64
"""The most levels of a side after each exchange event: how far below the best bid the book may reach."""

ACTIVITY_SECONDS: Final = 300.0
"""How long quiet and busy spells last: the time in which the memory of log activity falls to 1/e."""
ACTIVITY_SPREAD: Final = 0.5
"""The standard deviation of log activity."""
ACTIVITY_RANGE: Final = (0.6, 4.0)

MOVE_DTYPE: Final = np.dtype(
    [("ts_ns", np.int64), ("spread_change", np.int64), ("jump_ticks", np.int64), ("sign_uniform", np.float64)]
)
"""One move: its time; what it does to the spread, in ticks (0 for a jump); how far a jump goes; and the sign's coin."""


@dataclass
class MoveSchedule:
    """The state needed to draw the moves of the next minute.

    `rng` is the moves' own stream; `log_activity` the state of the slow spells; `spread_ticks` the spread after the
    last move; `wait` what is left of the unit-rate exponential wait for the next one.
    """

    rng: np.random.Generator
    log_activity: float
    spread_ticks: int
    wait: float


def open_schedule(rng: np.random.Generator) -> MoveSchedule:
    """Return the schedule of a market that opens with a spread of one tick at an activity drawn from its long run."""
    log_activity = ACTIVITY_SPREAD * float(rng.standard_normal())
    return MoveSchedule(rng, log_activity, spread_ticks=1, wait=_exponential(rng))


def draw_minute(schedule: MoveSchedule, minute_start_ns: int) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """Draw a minute's moves, an array of MOVE_DTYPE, and the activity of its seconds (1 is ordinary).

    Times never go backwards and lie from the minute's start on and before the next minute's.
    """
    activity = _draw_activity(schedule)
    moves: list[tuple[int, int, int, float]] = []
    for second, level in enumerate(activity.tolist()):
        second_ns = minute_start_ns + second * SECOND_NS
        elapsed = 0.0
        while True:
            rate = MOVES_PER_SECOND[schedule.spread_ticks] * level
            if elapsed + schedule.wait / rate >= 1.0:
                schedule.wait -= (1.0 - elapsed) * rate
                break
            elapsed += schedule.wait / rate
            ts_ns = second_ns + int(elapsed * SECOND_NS)
            moves.append((ts_ns, *_draw_kind(schedule), schedule.rng.random()))
            schedule.wait = _exponential(schedule.rng)
    return np.array(moves, dtype=MOVE_DTYPE), activity


def _draw_kind(schedule: MoveSchedule) -> tuple[int, int]:
    """Draw what a move does to the spread and how far it jumps, both in ticks, and keep the spread that follows."""
    if schedule.rng.random() < JUMP_SHARE:
        far = schedule.rng.random()
        return 0, next(ticks for cumulated, ticks in JUMP_TICKS if far < cumulated)
    widens = schedule.spread_ticks == 1 or (schedule.spread_ticks == 2 and schedule.rng.random() < WIDEN_FURTHER)
    change = 1 if widens else -1
    schedule.spread_ticks += change
    return change, 0


def _draw_activity(schedule: MoveSchedule) -> NDArray[np.float64]:
    """Draw a minute of activity: log activity is a first-order autoregression by the second, held within its range."""
    shocks = schedule.rng.standard_normal(MINUTE_SECONDS)
    logs = _autoregression(schedule.log_activity, ACTIVITY_SECONDS, ACTIVITY_SPREAD * shocks)
    schedule.log_activity = float(logs[-1])
    low, high = ACTIVITY_RANGE
    activity: NDArray[np.float64] = np.clip(np.exp(logs - ACTIVITY_SPREAD**2 / 2), low, high)
    return activity


def _autoregression(start: float, seconds: float, shocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x_t = φ x_{t-1} + √(1 - φ²) shock_t, φ = exp(-1/seconds); its spread in the long run is the shocks'."""
    memory = math.exp(-1.0 / seconds)
    fresh = math.sqrt(1.0 - memory * memory)
    values = np.empty(len(shocks))
    value = start
    for second, shock in enumerate(shocks.tolist()):
        value = memory * value + fresh * shock
        values[second] = value
    return values


def _exponential(rng: np.random.Generator) -> float:
    return -math.log1p(-rng.random())
