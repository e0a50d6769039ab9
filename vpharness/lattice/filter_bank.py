"""The filter bank: velocity, acceleration and jerk of each channel of a tick, and its masses, advanced exactly.

A tick's state is one row of 18 floats: v, a, j of the five channels in the order of `columns.CHANNELS`, then the masses
of add, pull and fill. Between impulses v, a, j obey

    v' = -lv v        a' = la (v' - a)        j' = lj (a' - j)

with l = 1/tau, whose solution over a time t is a lower triangular matrix of divided differences of the exponentials
(SPEC section 2, "Filter bank"). Being exact, it does not matter how time is cut.
"""

import math
from typing import Final

from vpharness.compiled import Array, inlined_kernel, int64

STATE_SIZE: Final = 18
CHANNEL_ADD: Final = int64(0)
CHANNEL_PULL: Final = int64(1)
CHANNEL_FILL: Final = int64(2)
CHANNEL_BID_DEPTH: Final = int64(3)
CHANNEL_ASK_DEPTH: Final = int64(4)
CHANNEL_COUNT: Final = 5
ORDER_COUNT: Final = 3
MASS_OFFSET: Final = CHANNEL_COUNT * ORDER_COUNT
MASS_COUNT: Final = 3

NANOSECOND: Final = 1e-9


@inlined_kernel
def divided_difference(exp_a: float, exp_b: float, rate_a: float, rate_b: float) -> float:
    """Return (exp(-rate_a t) - exp(-rate_b t)) / (rate_b - rate_a), from the exponentials."""
    return (exp_a - exp_b) / (rate_b - rate_a)


@inlined_kernel
def advance_into(state: Array, elapsed_ns: int, rules: Array, result: Array) -> None:
    """Write into `result` [18] what `state` [18] becomes in `elapsed_ns` without impulses (they may be one array)."""
    seconds = elapsed_ns * NANOSECOND
    rate_v, rate_a, rate_j = rules[0].rate_velocity, rules[0].rate_acceleration, rules[0].rate_jerk
    exp_v, exp_a, exp_j = math.exp(-rate_v * seconds), math.exp(-rate_a * seconds), math.exp(-rate_j * seconds)
    mass_decay = math.exp(-rules[0].rate_mass * seconds)
    diff_va = divided_difference(exp_v, exp_a, rate_v, rate_a)
    diff_vj = divided_difference(exp_v, exp_j, rate_v, rate_j)
    diff_aj = divided_difference(exp_a, exp_j, rate_a, rate_j)
    diff_vaj = (diff_vj - diff_aj) / (rate_a - rate_v)
    v_to_a = -rate_v * rate_a * diff_va
    a_to_j = -rate_a * rate_j * diff_aj
    v_to_j = -rate_v * rate_a * rate_j * (diff_vj - rate_a * diff_vaj)
    for channel in range(CHANNEL_COUNT):
        at = channel * ORDER_COUNT
        v, a, j = state[at], state[at + 1], state[at + 2]
        result[at] = exp_v * v
        result[at + 1] = exp_a * a + v_to_a * v
        result[at + 2] = exp_j * j + a_to_j * a + v_to_j * v
    for mass in range(MASS_OFFSET, MASS_OFFSET + MASS_COUNT):
        result[mass] = mass_decay * state[mass]


@inlined_kernel
def add_impulse(state: Array, channel: int, quantity: float, rules: Array) -> None:
    """Add an impulse of `quantity` to v, a and j of one channel of a tick's state [18]."""
    at = channel * ORDER_COUNT
    to_v = quantity * rules[0].rate_velocity
    to_a = to_v * rules[0].rate_acceleration
    state[at] += to_v
    state[at + 1] += to_a
    state[at + 2] += to_a * rules[0].rate_jerk
