"""The spectrum: how a tick's balance of pressure and vacuum has been moving, against its own recent past.

For each absolute tick, over emitted bins t, with the composite c_t of `forces` and windows W (default 5, 10, 20, 40):

    r_t = mean over w in W of the mean of c over its last w bins (over those there are, at the start)
    d1 = (r_t - r_{t-1}) / bin seconds,  d2 = (d1_t - d1_{t-1}) / bin seconds,  d3 likewise;  0 at the first bin
    spectrum_score = sum over i of weight_i tanh(robust_z(d_i, 300 bins) / 3), without unit, within +-sum of the weights

and spectrum_state_code is +1 or -1 where the score reaches +-threshold. The z-scores are those of `rolling_robust_z`.

A tick is followed bin by bin while it is in the window. One that comes into it is given its past first, from the
queued force states, so that the score never depends on where the window has been. As many ticks are followed as
`layout.SPARE_SERIES` windows hold; the one idle for longest gives way. Cost of a cell and bin: the largest window, and
three exchanges in sorted windows.
"""

import math
from typing import Final

from vpharness.compiled import Array, Record, kernel
from vpharness.lattice.filter_bank import NANOSECOND
from vpharness.lattice.forces import past_composites
from vpharness.lattice.layout import DIFFERENCES, NO_SLOT, NO_TIME, LatticeState
from vpharness.lattice.rolling_robust_z import insert_ordered, replace_ordered, robust_z

LONGEST_CATCH_UP: Final = 50
"""Bins that are appended one by one to a series that missed them; past that, making it anew is cheaper.

A look-back shorter than this is the limit instead: of bins before it nothing is known any more.
"""


@kernel
def _claim_series(state: LatticeState, slot: int) -> int:
    """Give a tick the series that has been idle for longest."""
    series = state.series
    idlest = 0
    for index in range(len(series)):
        if series[index].slot == NO_SLOT:
            idlest = index
            break
        if series[index].bin < series[idlest].bin:
            idlest = index
    if series[idlest].slot != NO_SLOT:
        state.ticks[series[idlest].slot].series = NO_SLOT
    series[idlest].slot = slot
    state.ticks[slot].series = idlest
    return idlest


@kernel
def _rolled(composites: Array, last: int, seen: int, windows: Array) -> float:
    """Return the mean of the trailing means of the `seen` composites up to place `last` of a circular buffer.

    `windows` ascend. Each mean is the sum over its own window: a difference of running totals would leave rounding
    behind that the third difference brings to the surface.
    """
    place, count, total, mean_of_means = last, 0, 0.0, 0.0
    for window in windows:
        while count < min(window, seen):
            total += composites[place]
            count += 1
            place = place - 1 if place > 0 else len(composites) - 1
        mean_of_means += total / count
    return mean_of_means / len(windows)


@kernel
def _difference(kept: Record, rolled: float, is_first: bool, seconds: float) -> None:
    """Advance a series' last rolled value, and its three successive differences per second, by one bin.

    Each difference is that of the one before it, so all three need only their own last values.
    """
    change = 0.0 if is_first else (rolled - kept.rolled) / seconds
    kept.rolled = rolled
    for order in range(DIFFERENCES):
        before = kept.differences[order]
        kept.differences[order] = change
        change = 0.0 if is_first else (change - before) / seconds


@kernel
def _append(state: LatticeState, entry: int, composite: float, first_bin: int) -> None:
    """Append the composite of the bin after its last one to a series."""
    rules, kept, composites = state.rules[0], state.series[entry], state.composites[entry]
    kept.bin += 1
    seen = kept.bin - first_bin + 1
    at = kept.bin % len(composites)
    composites[at] = composite
    rolled = _rolled(composites, at, seen, state.windows)
    _difference(kept, rolled, seen == 1, rules.cell_width_ns * NANOSECOND)
    window = rules.spectrum_zscore_window
    place = kept.bin % window
    for order in range(DIFFERENCES):
        new = kept.differences[order]
        if seen > window:
            replace_ordered(
                state.ordered_changes[entry, order],
                window,
                state.changes[entry, order, place],
                new,
                state.searches[entry, order],
            )
        else:
            insert_ordered(state.ordered_changes[entry, order], seen - 1, new)
        state.changes[entry, order, place] = new


@kernel
def _rebuild(state: LatticeState, entry: int, first_bin: int, last_bin: int) -> None:
    """Fill a series with the bins up to `last_bin`, as if it had been followed since `first_bin`."""
    window, seconds = state.rules[0].spectrum_zscore_window, state.rules[0].cell_width_ns * NANOSECOND
    kept = state.series[entry]
    start = max(first_bin, last_bin + 1 - len(state.past))
    past = state.past[: max(last_bin + 1 - start, 0)]
    past_composites(state, kept.slot, start, past)
    kept.rolled = 0.0
    for order in range(DIFFERENCES):
        kept.differences[order] = 0.0
    longest_window = state.composites.shape[1]
    for index in range(len(past)):
        bin_number = start + index
        state.composites[entry, bin_number % longest_window] = past[index]
        # Where `start` is not the first bin, the first means lack composites; no value that is kept depends on them.
        _difference(kept, _rolled(past, index, index + 1, state.windows), index == 0, seconds)
        if bin_number > last_bin - window:
            for order in range(DIFFERENCES):
                state.changes[entry, order, bin_number % window] = kept.differences[order]
    kept.bin = last_bin
    count = min(last_bin + 1 - first_bin, window)
    for order in range(DIFFERENCES):
        for index in range(count):
            value = state.changes[entry, order, (last_bin - index) % window]
            insert_ordered(state.ordered_changes[entry, order], index, value)


@kernel
def _catch_up(state: LatticeState, entry: int, first_bin: int, last_bin: int) -> None:
    """Append the bins that a series has missed, up to `last_bin`."""
    kept = state.series[entry]
    missed = state.past[: last_bin - kept.bin]
    past_composites(state, kept.slot, kept.bin + 1, missed)
    for index in range(len(missed)):
        _append(state, entry, missed[index], first_bin)


@kernel
def spectrum_score(state: LatticeState, slot: int, composite: float, first_bin: int) -> float:
    """Return the score of a tick for the bin that is closing, whose composite is given.

    `first_bin` is the first emitted bin, from which on differences and windows count.
    """
    bin_number, rules = state.clock[0].bin, state.rules[0]
    if state.ticks[slot].state_ns == NO_TIME:
        return 0.0  # never an impulse: its composite is and was 0, and so is every difference
    entry = state.ticks[slot].series
    if entry == NO_SLOT:
        entry = _claim_series(state, slot)
        _rebuild(state, entry, first_bin, bin_number - 1)
    kept = state.series[entry]
    missed = bin_number - 1 - kept.bin
    if missed > min(LONGEST_CATCH_UP, len(state.past)):
        _rebuild(state, entry, first_bin, bin_number - 1)
    elif missed > 0:
        _catch_up(state, entry, first_bin, bin_number - 1)
    _append(state, entry, composite, first_bin)
    count = min(bin_number + 1 - first_bin, rules.spectrum_zscore_window)
    if count < rules.spectrum_zscore_min_periods:
        return 0.0
    score, floor, scale = 0.0, rules.spectrum_zscore_floor, rules.spectrum_tanh_scale
    weights = (rules.spectrum_d1_weight, rules.spectrum_d2_weight, rules.spectrum_d3_weight)
    for order in range(DIFFERENCES):
        ordered, found = state.ordered_changes[entry, order], state.searches[entry, order]
        z = robust_z(kept.differences[order], ordered, count, floor, found)
        score += weights[order] * math.tanh(z / scale)
    return score
