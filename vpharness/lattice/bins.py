"""Closing a bin: its row, and the cells of its window.

A row of `bins.parquet` holds times, counts and best prices; with a valid book the mid, (best bid + best ask)/2, and
spot, the tick nearest to it, half up. The window is K = 2 radius + 1 cells, cell k being the tick spot + k. Each cell
is its tick's filter state advanced to the bin's end (`filter_bank`), its resting depths, forces (`forces`) and
spectrum (`spectrum`); a tick that was never touched is all zeros. Labels say how the best prices moved since the bin
before.

Arrays are written in place: floats [27, K] in the order of FLOAT_COLUMNS, labels [7, K] in that of LABEL_COLUMNS,
moves [2, K], last_event_ids [K]. Cost: K cells a bin, however many orders rest.
"""

from typing import Final

import numpy as np

from vpharness.compiled import Array, Record, inlined_kernel, int64, kernel
from vpharness.hash_table import ALONE, NOWHERE, find
from vpharness.lattice.columns import (
    BEAR_PRESSURE,
    BEAR_VACUUM,
    BULL_PRESSURE,
    BULL_VACUUM,
    FLOAT_COLUMNS,
    LABEL_COLUMNS,
    MIXED,
)
from vpharness.lattice.filter_bank import (
    MASS_COUNT,
    MASS_OFFSET,
    ORDER_COUNT,
    STATE_SIZE,
    advance_into,
    advance_velocities_into,
)
from vpharness.lattice.forces import composite, forget_before, pressure, remember_touched, vacuum
from vpharness.lattice.layout import NO_TICK, NO_TIME, SIDE_ASK, SIDE_BID, LatticeState
from vpharness.lattice.levels import best_tick
from vpharness.lattice.spectrum import spectrum_score

PRESSURE: Final = FLOAT_COLUMNS.index("pressure_variant")
VACUUM: Final = FLOAT_COLUMNS.index("vacuum_variant")
FIRST_MASS: Final = FLOAT_COLUMNS.index("add_mass")
REST_DEPTH: Final = FLOAT_COLUMNS.index("rest_depth")
BID_DEPTH: Final = FLOAT_COLUMNS.index("bid_depth")
ASK_DEPTH: Final = FLOAT_COLUMNS.index("ask_depth")
FIRST_RATES: Final = tuple(FLOAT_COLUMNS.index(f"{order}_add") for order in ("v", "a", "j"))
V_ADD, V_PULL, V_FILL, V_REST = (FLOAT_COLUMNS.index(f"v_{rate}") for rate in ("add", "pull", "fill", "rest_depth"))
A_ADD, A_PULL = (FLOAT_COLUMNS.index(f"a_{rate}") for rate in ("add", "pull"))
SPECTRUM_SCORE: Final = FLOAT_COLUMNS.index("spectrum_score")
FLOW_COUNT: Final = 3
"""Columns of each rate: the three flows, rest_depth, and the two depths."""

NO_FILTERS, VELOCITIES, ACCELERATIONS, EVERYTHING = int64(0), int64(1), int64(2), int64(3)
"""How far a tick's filters are advanced for the columns that are wanted."""

STATE_CODE: Final = LABEL_COLUMNS.index("spectrum_state_code")
ASK_SIGN: Final = LABEL_COLUMNS.index("ask_reprice_sign")
BID_SIGN: Final = LABEL_COLUMNS.index("bid_reprice_sign")
MICROSTATE: Final = LABEL_COLUMNS.index("perm_microstate_id")
STATE5: Final = LABEL_COLUMNS.index("perm_state5_code")
CHASE_UP: Final = LABEL_COLUMNS.index("chase_up_flag")
CHASE_DOWN: Final = LABEL_COLUMNS.index("chase_down_flag")

LEAST_MOVE, MOST_MOVE = -(2**31), 2**31 - 1
"""What the columns of moves, int32, can hold."""


@inlined_kernel
def book_is_valid(state: LatticeState, bid_tick: int, ask_tick: int) -> bool:
    """Return whether both sides are there, not crossed, and neither a snapshot, a halt nor a gap is under way."""
    clock = state.clock[0]
    in_doubt = clock.snapshot_under_way or clock.halted or clock.gaps > 0
    return NO_TICK < bid_tick < ask_tick and not in_doubt


@kernel
def _clip_move(now: int, before: int) -> int:
    """Return how far a best price has moved, in ticks, as far as the column can hold."""
    if now == NO_TICK or before == NO_TICK:  # noqa: PLR1714  # numba would build a tuple
        return 0
    return min(max(now - before, LEAST_MOVE), MOST_MOVE)


@kernel
def _state5(k: int, ask_sign: int, bid_sign: int) -> int:
    """Return perm_state5_code of a cell from `ask_sign` and `bid_sign`, the directions in which the quotes moved.

    Where the bid rises and the ask does not fall, quotes leave room above spot (bull vacuum) and build support below
    it (bull pressure). A bid that rises against a falling ask, quotes that stand, and the cell at spot are mixed. All
    else is bear: pressure above spot, vacuum below it, also where only the ask rises, since the bid does not follow.
    """
    if k == 0 or (ask_sign == 0 and bid_sign == 0):
        return MIXED
    if bid_sign == 1 and ask_sign >= 0:
        return BULL_VACUUM if k > 0 else BULL_PRESSURE
    if bid_sign == 1:
        return MIXED
    return BEAR_PRESSURE if k > 0 else BEAR_VACUUM


@kernel
def _write_labels(labels: Array, moves: Array, radius: int, ask_move: int, bid_move: int) -> None:
    """Write the label columns [7, K] and the move columns [2, K] of a bin."""
    ask_sign, bid_sign = np.sign(ask_move), np.sign(bid_move)
    labels[ASK_SIGN, :] = ask_sign
    labels[BID_SIGN, :] = bid_sign
    labels[MICROSTATE, :] = 3 * (ask_sign + 1) + (bid_sign + 1)
    labels[CHASE_UP, :] = ask_sign == 1 and bid_sign == 1
    labels[CHASE_DOWN, :] = ask_sign == -1 and bid_sign == -1
    for k in range(-radius, radius + 1):
        labels[STATE5, k + radius] = _state5(k, ask_sign, bid_sign)
    moves[0, :] = ask_move
    moves[1, :] = bid_move


@kernel
def _write_cell(state: LatticeState, slot: int, filters: Array, cell: Array) -> None:
    """Write the float columns [27] of a tick's cell, from its filter state [18] at the bin's end."""
    for order in range(ORDER_COUNT):
        at = FIRST_RATES[order]
        for flow in range(FLOW_COUNT):
            cell[at + flow] = filters[flow * ORDER_COUNT + order]
        bid, ask = filters[FLOW_COUNT * ORDER_COUNT + order], filters[(FLOW_COUNT + 1) * ORDER_COUNT + order]
        cell[at + FLOW_COUNT] = bid + ask
        cell[at + FLOW_COUNT + 1] = bid
        cell[at + FLOW_COUNT + 2] = ask
    for mass in range(MASS_COUNT):
        cell[FIRST_MASS + mass] = filters[MASS_OFFSET + mass]
    bids, asks = state.levels[2 * slot + SIDE_BID].quantity, state.levels[2 * slot + SIDE_ASK].quantity
    cell[REST_DEPTH] = (bids + asks) * state.rules[0].size_unit
    cell[BID_DEPTH] = bids * state.rules[0].size_unit
    cell[ASK_DEPTH] = asks * state.rules[0].size_unit
    cell[PRESSURE] = pressure(state.rules, cell[V_ADD], cell[A_ADD], cell[V_REST])
    cell[VACUUM] = vacuum(state.rules, cell[V_PULL], cell[A_PULL], cell[V_FILL], cell[V_REST])


@kernel
def _orders_needed(wanted: Array, with_spectrum: bool) -> int:
    """Return up to which order a tick's filters have to be advanced for some float columns: 3 for masses as well."""
    most = ACCELERATIONS if with_spectrum else NO_FILTERS
    for index in wanted:
        if index == PRESSURE or index == VACUUM:  # noqa: PLR1714, SIM109  # numba would build a tuple
            most = max(most, ACCELERATIONS)
        elif FIRST_MASS <= index < FIRST_MASS + MASS_COUNT or index >= FIRST_RATES[2]:
            most = max(most, EVERYTHING)
        elif index >= FIRST_RATES[1]:
            most = max(most, ACCELERATIONS)
        elif index >= FIRST_RATES[0]:
            most = max(most, VELOCITIES)
    return most


@kernel
def _write_window(
    state: LatticeState, spot: int, first_bin: int, floats: Array, labels: Array, last_event_ids: Array
) -> None:
    """Write the cells around spot: float columns [27, K], the spectrum's state [7, K] and last_event_id [K].

    Of the float columns those that are wanted are written, others stay as they are.
    """
    rules, wanted = state.rules[0], state.wanted
    if len(wanted) == 0 and not rules.with_spectrum:
        return
    end_ns = (state.clock[0].bin + 1) * rules.cell_width_ns
    filters, cell, orders = state.tick_state, state.cell, _orders_needed(wanted, rules.with_spectrum)
    for column in range(2 * rules.radius + 1):
        tick = spot + column - rules.radius
        slot = find(state.tick_table, np.uint64(tick), ALONE)
        if slot == NOWHERE:
            for index in wanted:
                floats[index, column] = 0.0
            labels[STATE_CODE, column] = 0
            last_event_ids[column] = 0
            continue
        if state.ticks[slot].state_ns != NO_TIME:
            elapsed_ns = end_ns - state.ticks[slot].state_ns
            if orders == EVERYTHING:
                advance_into(state.filters[slot], elapsed_ns, state.rules, filters)
            elif orders != NO_FILTERS:
                advance_velocities_into(state.filters[slot], elapsed_ns, state.rules, orders == ACCELERATIONS, filters)
        else:
            for index in range(STATE_SIZE):
                filters[index] = 0.0
        _write_cell(state, slot, filters, cell)
        score = 0.0
        if rules.with_spectrum:
            score = spectrum_score(state, slot, composite(cell[PRESSURE], cell[VACUUM]), first_bin)
        cell[SPECTRUM_SCORE] = score
        for index in wanted:
            floats[index, column] = cell[index]
        labels[STATE_CODE, column] = (score >= rules.spectrum_threshold) - (score <= -rules.spectrum_threshold)
        last_event_ids[column] = state.ticks[slot].last_event_id


@kernel
def _emit(
    state: LatticeState,
    row: Record,
    floats: Array,
    labels: Array,
    moves: Array,
    last_event_ids: Array,
    bid_tick: int,
    ask_tick: int,
) -> None:
    """Write the open bin as the next emitted one."""
    clock, rules = state.clock[0], state.rules[0]
    valid = book_is_valid(state, bid_tick, ask_tick)
    first_bin = clock.bin - clock.emitted
    row.bin_seq = clock.emitted
    row.bin_start_ns = clock.bin * rules.cell_width_ns
    row.bin_end_ns = row.bin_start_ns + rules.cell_width_ns
    row.ts_ns = row.bin_end_ns
    row.bin_event_count = clock.bin_event_count
    row.event_id = clock.event_id
    row.best_bid_price_int = bid_tick * rules.tick_price if bid_tick != NO_TICK else 0
    row.best_ask_price_int = ask_tick * rules.tick_price if ask_tick != NO_TICK else 0
    row.book_valid = valid
    ask_move, bid_move = _clip_move(ask_tick, clock.last_ask_tick), _clip_move(bid_tick, clock.last_bid_tick)
    if clock.emitted == 0:
        ask_move, bid_move = 0, 0
    if rules.with_cells:
        _write_labels(labels, moves, rules.radius, ask_move, bid_move)
    if valid:
        spot = (bid_tick + ask_tick + 1) // 2
        row.mid_price = (bid_tick + ask_tick) * rules.tick_price / 2e9
        row.spot_ref_price_int = spot * rules.tick_price
        if rules.with_cells:
            _write_window(state, spot, first_bin, floats, labels, last_event_ids)
    else:
        row.mid_price = 0.0
        row.spot_ref_price_int = 0
        for index in state.wanted:
            floats[index, :] = 0.0
        labels[STATE_CODE, :] = 0
        last_event_ids[:] = 0
    clock.last_bid_tick, clock.last_ask_tick = bid_tick, ask_tick
    clock.emitted += 1


@kernel
def close_bin(
    state: LatticeState, row: Record, floats: Array, labels: Array, moves: Array, last_event_ids: Array
) -> bool:
    """Close the open bin and open the next one; return whether it was emitted, into the arrays given.

    Emission begins at the first bin, from the start on, whose end sees a valid book; then every bin is emitted.
    """
    clock = state.clock[0]
    bid_tick, ask_tick = best_tick(state, SIDE_BID), best_tick(state, SIDE_ASK)
    emitting = clock.emitted > 0
    if not emitting and clock.start_bin != NO_TIME and clock.bin >= clock.start_bin:
        emitting = book_is_valid(state, bid_tick, ask_tick)
    if emitting:
        _emit(state, row, floats, labels, moves, last_event_ids, bid_tick, ask_tick)
    remember_touched(state, emitting)
    forget_before(state, clock.bin + 1 - len(state.past))
    clock.bin += 1
    clock.bin_event_count = 0
    return emitting
