"""The filter bank: velocity, acceleration and jerk of each channel of a tick, and its masses, advanced exactly.

Each of the five channels (quantity added, pulled and filled, change of bid and ask depth) is a series of impulses q at
irregular times. It is smoothed by a cascade of three exponential filters, of which the second and third take the
derivative of the one before:

    v' = -lv v + lv q        a' = la (v' - a)        j' = lj (a' - j)        l = 1/tau, per second

so v is a flow in quantity/s averaged over tau_v, a how it changes (quantity/s^2) and j how that changes
(quantity/s^3). An impulse q adds lv q to v, lv la q to a and lv la lj q to j. Between impulses the state is x(t) =
expm(A t) x(0) with

    A = [[-lv, 0, 0], [-lv la, -la, 0], [-lv la lj, -la lj, -lj]]

A is triangular with distinct eigenvalues, so expm(A t) has the exponentials exp(-l t) on its diagonal and divided
differences of them below it (Opitz' formula for functions of bidiagonal matrices; Higham, Functions of Matrices, 2008,
section 4.6). Masses, in quantity, decay by exp(-t/tau_mass) and take impulses whole.

The solution is exact: advancing by t1 and then by t2 is advancing by t1 + t2, so it does not matter how time is cut,
and a tick need only be advanced when it is touched or looked at. Cost: four exponentials for a tick, whatever the
time.

A tick's state is one row of 18 floats: v, a, j of the five channels in the order of `columns.CHANNELS`, then the
masses of add, pull and fill.
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
    """Return the divided difference (exp(-rate_a t) - exp(-rate_b t)) / (rate_b - rate_a), from the exponentials.

    Two digits are lost for each digit that the rates agree in; `lattice_parameters.LEAST_TAU_DISTANCE` bounds that.
    """
    return (exp_a - exp_b) / (rate_b - rate_a)


@inlined_kernel
def advance_into(state: Array, elapsed_ns: int, rules: Array, result: Array) -> None:
    """Write into `result` [18] what `state` [18] becomes in `elapsed_ns` without impulses; they may be one array.

    The rows of expm(A t) below the diagonal are v_to_a, a_to_j and v_to_j, the same for all five channels.
    """
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
def advance_velocities_into(
    state: Array, elapsed_ns: int, rules: Array, with_accelerations: bool, result: Array
) -> None:
    """Write v, and a where it is asked for, into `result` [18] as `advance_into` does, bit by bit; nothing else."""
    seconds = elapsed_ns * NANOSECOND
    rate_v, rate_a = rules[0].rate_velocity, rules[0].rate_acceleration
    exp_v = math.exp(-rate_v * seconds)
    for channel in range(CHANNEL_COUNT):
        result[channel * ORDER_COUNT] = exp_v * state[channel * ORDER_COUNT]
    if with_accelerations:
        exp_a = math.exp(-rate_a * seconds)
        diff_va = divided_difference(exp_v, exp_a, rate_v, rate_a)
        v_to_a = -rate_v * rate_a * diff_va
        for channel in range(CHANNEL_COUNT):
            at = channel * ORDER_COUNT
            result[at + 1] = exp_a * state[at + 1] + v_to_a * state[at]


@inlined_kernel
def add_impulse(state: Array, channel: int, quantity: float, rules: Array) -> None:
    """Add an impulse of `quantity` to v, a and j of one channel of a tick's state [18]."""
    at = channel * ORDER_COUNT
    to_v = quantity * rules[0].rate_velocity
    to_a = to_v * rules[0].rate_acceleration
    state[at] += to_v
    state[at + 1] += to_a
    state[at + 2] += to_a * rules[0].rate_jerk
