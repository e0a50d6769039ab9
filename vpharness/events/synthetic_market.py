"""The clock of the synthetic market: background flow between moves, and each move at its drawn time."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.compiled import kernel
from vpharness.events.synthetic_book import MOST_RECORDS, SimulatedMarket
from vpharness.events.synthetic_enactment import enact
from vpharness.events.synthetic_flow import background
from vpharness.events.synthetic_moves import MINUTE_NS, SECOND_NS

EXCITED_SHARE: Final = 0.35
"""The share of background actions that earlier ones set off (the branching ratio of a Hawkes process)."""
EXCITATION_SECONDS: Final = 0.4
ACTIONS_AFTER_MOVE: Final = 8.0
"""How many background actions a move sets off."""

FLOW_SECONDS: Final = 5.0
FLOW_GAIN: Final = 4.0
"""What moves lean on: the imbalance of background flow near the touch, which fades in FLOW_SECONDS."""


@kernel
def probability_up(near_signed: float, near_total: float, strength: float) -> float:
    """Return ½ + ½ strength tanh(z), z = FLOW_GAIN times the imbalance of background flow near the touch.

    The imbalance is (bid adds - bid pulls - ask adds + ask pulls) over their sum, each decayed by FLOW_SECONDS.
    """
    if near_total <= 0.0:
        return 0.5
    return 0.5 + 0.5 * strength * math.tanh(FLOW_GAIN * near_signed / near_total)


@kernel
def _pass_time(market: SimulatedMarket, ts_ns: int) -> None:
    """Advance the clock to a time, and decay what is remembered of the flow."""
    clock = market.clock[0]
    seconds = (ts_ns - clock.ts_ns) / SECOND_NS
    clock.ts_ns = ts_ns
    clock.excitation *= math.exp(-seconds / EXCITATION_SECONDS)
    fading = math.exp(-seconds / FLOW_SECONDS)
    clock.near_signed *= fading
    clock.near_total *= fading


@kernel
def advance_minute(
    market: SimulatedMarket,
    minute_start_ns: int,
    moves: NDArray[np.void],
    activity: NDArray[np.float64],
    lean: NDArray[np.float64],
    event_rate: float,
    strength: float,
    rng: np.random.Generator,
) -> bool:
    """Write events until the minute is over (True) or `market.events` might not hold another one (False).

    moves: the minute's, of MOVE_DTYPE; activity, lean (±1): [60] by the second; event_rate: background actions a second
    at ordinary activity. Called again after False, it goes on as if it had never stopped. The wait for the next
    background action is drawn at the rate that stands after the last event, and anew before each move.
    """
    clock = market.clock[0]
    while clock.written + MOST_RECORDS <= len(market.events):
        second = (clock.ts_ns - minute_start_ns) // SECOND_NS
        calm_rate = (1.0 - EXCITED_SHARE) * event_rate * activity[second]
        wait = -math.log(1.0 - rng.random()) / (calm_rate + clock.excitation)
        ts_ns = clock.ts_ns + max(1, int(wait * SECOND_NS))
        move_left = clock.next_move < len(moves)
        horizon_ns = moves[clock.next_move].ts_ns if move_left else minute_start_ns + MINUTE_NS
        if ts_ns < horizon_ns:
            _pass_time(market, ts_ns)
            background(market, lean[(ts_ns - minute_start_ns) // SECOND_NS], rng)
            clock.excitation += EXCITED_SHARE / EXCITATION_SECONDS
            continue
        _pass_time(market, horizon_ns)
        if not move_left:
            clock.next_move = 0
            return True
        move = moves[clock.next_move]
        up = move.sign_uniform < probability_up(clock.near_signed, clock.near_total, strength)
        enact(market, up, move.spread_change, move.jump_ticks, rng)
        clock.excitation += ACTIONS_AFTER_MOVE / EXCITATION_SECONDS
        clock.next_move += 1
    return False
