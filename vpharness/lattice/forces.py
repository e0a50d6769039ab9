"""Pressure, vacuum and their composite, now and at any bin that the spectrum may look back at.

Pressure P is liquidity that is being built up at a tick, vacuum V liquidity that is being drained, both in quantity/s
(accelerations, quantity/s^2, are weighed by coefficients that carry a second):

    P = c1 v_add + c2 max(v_rest_depth, 0) + c3 max(a_add, 0)
    V = c4 v_pull + c5 v_fill + c6 max(-v_rest_depth, 0) + c7 max(a_pull, 0)
    composite = (P - V) / (|P| + |V| + 1e-12), without unit, from -1 to 1

All three depend on six numbers of a tick, its force state: v_add, a_add, v_pull, a_pull, v_fill, v_rest_depth, and
these decay between impulses in closed form (`filter_bank`). After each bin the force state of every tick touched in it
is queued, a snapshot each, chained by tick. So a tick which comes into the window can be given its whole past at one
exponential a bin, and a tick that nobody looks at costs one queue entry a bin in which it is touched.
"""

import math

from vpharness.compiled import Array, kernel
from vpharness.lattice.filter_bank import (
    CHANNEL_ADD,
    CHANNEL_ASK_DEPTH,
    CHANNEL_BID_DEPTH,
    CHANNEL_FILL,
    CHANNEL_PULL,
    NANOSECOND,
    ORDER_COUNT,
    divided_difference,
)
from vpharness.lattice.layout import FORCE_STATES, NO_SLOT, NO_TIME, LatticeState

_ADD = CHANNEL_ADD * ORDER_COUNT
_PULL = CHANNEL_PULL * ORDER_COUNT
_FILL = CHANNEL_FILL * ORDER_COUNT
_BID_DEPTH = CHANNEL_BID_DEPTH * ORDER_COUNT
_ASK_DEPTH = CHANNEL_ASK_DEPTH * ORDER_COUNT


@kernel
def pressure(rules: Array, v_add: float, a_add: float, v_rest_depth: float) -> float:
    """Return pressure_variant, quantity/s: liquidity that is being built up (P above)."""
    return (
        rules[0].c1_v_add * v_add
        + rules[0].c2_v_rest_pos * max(v_rest_depth, 0.0)
        + rules[0].c3_a_add * max(a_add, 0.0)
    )


@kernel
def vacuum(rules: Array, v_pull: float, a_pull: float, v_fill: float, v_rest_depth: float) -> float:
    """Return vacuum_variant, quantity/s: liquidity that is being drained (V above)."""
    return (
        rules[0].c4_v_pull * v_pull
        + rules[0].c5_v_fill * v_fill
        + rules[0].c6_v_rest_neg * max(-v_rest_depth, 0.0)
        + rules[0].c7_a_pull * max(a_pull, 0.0)
    )


@kernel
def composite(pressure_now: float, vacuum_now: float) -> float:
    """Return the balance of pressure and vacuum, from -1 (all vacuum) to 1 (all pressure); 0 where nothing moves."""
    return (pressure_now - vacuum_now) / (abs(pressure_now) + abs(vacuum_now) + 1e-12)


@kernel
def composite_after(force_state: Array, elapsed_ns: int, rules: Array) -> float:
    """Return the composite of a tick `elapsed_ns` after its force state [6] was taken, without impulses since."""
    seconds = elapsed_ns * NANOSECOND
    rate_v, rate_a = rules[0].rate_velocity, rules[0].rate_acceleration
    exp_v, exp_a = math.exp(-rate_v * seconds), math.exp(-rate_a * seconds)
    v_to_a = -rate_v * rate_a * divided_difference(exp_v, exp_a, rate_v, rate_a)
    v_add, v_pull, v_rest = exp_v * force_state[0], exp_v * force_state[2], exp_v * force_state[5]
    a_add = exp_a * force_state[1] + v_to_a * force_state[0]
    a_pull = exp_a * force_state[3] + v_to_a * force_state[2]
    return composite(
        pressure(rules, v_add, a_add, v_rest), vacuum(rules, v_pull, a_pull, exp_v * force_state[4], v_rest)
    )


@kernel
def take_force_state(filters: Array, force_state: Array) -> None:
    """Write the force state [6] of a tick's filter state [18]."""
    force_state[0], force_state[1] = filters[_ADD], filters[_ADD + 1]
    force_state[2], force_state[3] = filters[_PULL], filters[_PULL + 1]
    force_state[4] = filters[_FILL]
    force_state[5] = filters[_BID_DEPTH] + filters[_ASK_DEPTH]


@kernel
def remember_touched(state: LatticeState, emitting: bool) -> None:
    """At a bin's end, queue the force states of the ticks touched in it.

    Before the first emitted bin there is no history to look back at: the latest state alone is kept.
    """
    clock = state.clock[0]
    for index in range(clock.touched):
        slot = state.touched[index]
        tick = state.ticks[slot]
        tick.touched = False
        if not emitting:
            tick.base_ns = tick.state_ns
            take_force_state(state.filters[slot], state.base_states[slot])
            continue
        number = clock.snapshot_end
        clock.snapshot_end += 1
        place = number % len(state.snapshots)
        snapshot = state.snapshots[place]
        snapshot.tick_slot, snapshot.bin, snapshot.state_ns, snapshot.next = slot, clock.bin, tick.state_ns, NO_SLOT
        take_force_state(state.filters[slot], state.snapshot_states[place])
        if tick.first_snapshot == NO_SLOT:
            tick.first_snapshot = number
        else:
            state.snapshots[tick.last_snapshot % len(state.snapshots)].next = number
        tick.last_snapshot = number
    clock.touched = 0


@kernel
def forget_before(state: LatticeState, first_bin: int) -> None:
    """Drop the snapshots of bins before `first_bin`; the last one of each tick becomes the state it starts from."""
    clock = state.clock[0]
    while clock.snapshot_first < clock.snapshot_end:
        place = clock.snapshot_first % len(state.snapshots)
        snapshot = state.snapshots[place]
        if snapshot.bin >= first_bin:
            break
        tick = state.ticks[snapshot.tick_slot]
        tick.base_ns = snapshot.state_ns
        for index in range(FORCE_STATES):
            state.base_states[snapshot.tick_slot, index] = state.snapshot_states[place, index]
        tick.first_snapshot = snapshot.next
        clock.snapshot_first += 1


@kernel
def past_composites(state: LatticeState, slot: int, first_bin: int, composites: Array) -> None:
    """Write the composites of a tick at the ends of the bins from `first_bin` on, one for each place of `composites`.

    Each is that of the newest force state taken by then, decayed to the bin's end; 0 before the first. Cost: one step
    for each bin and each snapshot of the tick among them.
    """
    tick, width = state.ticks[slot], state.rules[0].cell_width_ns
    taken_ns, force_state, following = tick.base_ns, state.base_states[slot], tick.first_snapshot
    for index in range(len(composites)):
        while following != NO_SLOT:
            place = following % len(state.snapshots)
            snapshot = state.snapshots[place]
            if snapshot.bin > first_bin + index:
                break
            taken_ns, force_state, following = snapshot.state_ns, state.snapshot_states[place], snapshot.next
        if taken_ns == NO_TIME:
            composites[index] = 0.0
        else:
            elapsed_ns = (first_bin + index + 1) * width - taken_ns
            composites[index] = composite_after(force_state, elapsed_ns, state.rules)
