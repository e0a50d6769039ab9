"""Outcomes: what a fire at each bin and direction would have come to, as lookups in the first-passage tables."""

from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation
from vpharness.evaluation.fires import Fires
from vpharness.evaluation.passage import PassageTables
from vpharness.evaluation.split import Part

TIMEOUT: Final = 0
TAKE_PROFIT: Final = 1
STOP_LOSS: Final = 2
SKIPPED: Final = 3
CENSORED: Final = 4
OUTCOME_NAMES: Final = ("timeout", "tp", "sl", "skipped", "censored")
"""Names of the outcome codes, by code."""

UP_ROW: Final = 0
DOWN_ROW: Final = 1


@dataclass(frozen=True)
class OutcomeTable:
    """Outcomes of every bin for one pair of barriers and one set of durations, before any cost; S is T padded.

    Row 0 holds the outcomes of fires upwards, row 1 those downwards. What does not fit into the data is in here as far
    as it goes: `fire_outcomes` censors it.

    Attributes:
        evaluation: what the table was made for.
        mid_code: [2, S] int8, outcome code at the mid.
        mid_exit: [2, S] int32, bin in which the walk from the fire's own mid ends.
        mid_pnl: [2, S] float64, P&L at the mid, ticks; NaN where skipped.
        net_code: [2, S] int8, outcome code of the walk from the bin of entry.
        net_exit: [2, S] int32, bin in which that walk ends.
        net_pnl: [2, S] float64, P&L from touch to touch before `cost_ticks`, ticks; NaN where skipped. A dataset
            without best prices has every net outcome skipped.
    """

    evaluation: ResolvedEvaluation
    mid_code: jax.Array
    mid_exit: jax.Array
    mid_pnl: jax.Array
    net_code: jax.Array
    net_exit: jax.Array
    net_pnl: jax.Array


@dataclass(frozen=True)
class FireOutcomes:
    """What n fires came to, at the mid and net.

    Attributes:
        fires: the fires.
        mid_code: [n] int8, see OUTCOME_NAMES.
        mid_exit: [n] int64, bin of the barrier, or the last bin walked; the fire's own where censored or skipped.
        mid_pnl_ticks: [n] float64, NaN where censored or skipped.
        mid_time_ms: [n] float64, from the fire to mid_exit; NaN where censored or skipped.
        net_code, net_exit, net_pnl_ticks, net_time_ms: the same for the net outcome, cost taken off, times from the
            bin of entry on.
    """

    fires: Fires
    mid_code: NDArray[np.int8]
    mid_exit: NDArray[np.int64]
    mid_pnl_ticks: NDArray[np.float64]
    mid_time_ms: NDArray[np.float64]
    net_code: NDArray[np.int8]
    net_exit: NDArray[np.int64]
    net_pnl_ticks: NDArray[np.float64]
    net_time_ms: NDArray[np.float64]


def outcome_table(tables: PassageTables, evaluation: ResolvedEvaluation) -> OutcomeTable:
    """Look up the outcomes of every bin and direction for one pair of barriers.

    Raises:
        ConfigError: the tables were made without one of the barriers, or for shorter walks.
    """
    missing = [each for each in (evaluation.tp_ticks, evaluation.sl_ticks) if each not in tables.barriers]
    if missing or evaluation.max_hold_bins > tables.horizon_bins:
        raise ConfigError(
            f"tp {evaluation.tp_ticks:g}, sl {evaluation.sl_ticks:g} ticks and walks of {evaluation.max_hold_bins} "
            f"bins cannot be looked up in tables for {tables.barriers} and {tables.horizon_bins}; make them anew"
        )
    tp, sl = tables.barriers.index(evaluation.tp_ticks), tables.barriers.index(evaluation.sl_ticks)
    code, end, pnl = _walks(
        (tables.rises[tp], tables.falls[tp]),
        (tables.falls[sl], tables.rises[sl]),
        tables.mid,
        tables.last_mid,
        tables.tick_size,
        evaluation.max_hold_bins,
    )
    if tables.best_bid is None or tables.best_ask is None:
        no_code, no_pnl = jnp.full_like(code, SKIPPED), jnp.full(code.shape, jnp.nan)
        return OutcomeTable(evaluation, code, end, pnl, no_code, end, no_pnl)
    net_code, net_end, net_pnl = _touches(
        code,
        end,
        tables.next_book,
        tables.best_bid,
        tables.best_ask,
        tables.tick_size_nano,
        (evaluation.entry_delay_bins, evaluation.exit_delay_bins, evaluation.max_hold_bins),
    )
    return OutcomeTable(evaluation, code, end, pnl, net_code, net_end, net_pnl)


@jax.jit
def _walks(
    profits: tuple[jax.Array, jax.Array],
    losses: tuple[jax.Array, jax.Array],
    mid: jax.Array,
    last_mid: jax.Array,
    tick_size: float,
    max_hold: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return [2, S] code, end and P&L in ticks of the walks from every bin, given the bins to either barrier."""
    to_profit, to_loss = jnp.stack(profits), jnp.stack(losses)
    size = mid.shape[0]
    now = jnp.arange(size, dtype=jnp.int32)
    first = jnp.minimum(to_profit, to_loss)
    decided = first < max_hold
    barrier = jnp.where(to_profit < to_loss, TAKE_PROFIT, STOP_LOSS)
    last = last_mid[jnp.minimum(now + (max_hold - 1), size - 1)].astype(jnp.int32)
    end = jnp.where(decided, now + first, last).astype(jnp.int32)
    no_mid = jnp.isnan(mid)
    code = jnp.where(no_mid, SKIPPED, jnp.where(decided, barrier, TIMEOUT)).astype(jnp.int8)
    sign = jnp.array([[1.0], [-1.0]])
    pnl = jnp.where(no_mid, jnp.nan, sign * (mid[end] - mid) / tick_size)
    return code, end, pnl


@jax.jit
def _touches(
    walk_code: jax.Array,
    walk_end: jax.Array,
    next_book: jax.Array,
    best_bid: jax.Array,
    best_ask: jax.Array,
    tick_size_nano: int,
    delays: tuple[int, int, int],
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return [2, S] code, end and P&L in ticks of entering and leaving at the touch, for a fire at every bin.

    The walk of a fire at t is the walk from its bin of entry e; what it pays is the touch at e and the touch of the
    first valid book in the max_hold bins from its end and the exit delay on.
    """
    entry_delay, exit_delay, max_hold = delays
    size = next_book.shape[0]
    now = jnp.arange(size, dtype=jnp.int32)
    entry = jnp.minimum(now + entry_delay, size - 1)
    end = walk_end[:, entry]
    earliest = end + exit_delay
    leave = next_book.at[earliest].get(mode="fill", fill_value=size)
    no_entry = (next_book[entry] != entry) | (walk_code[:, entry] == SKIPPED)
    skipped = no_entry | (leave >= earliest + max_hold) | (leave >= size)
    leave = jnp.minimum(leave, size - 1)
    bought_first = best_bid[leave[UP_ROW]] - best_ask[entry]
    sold_first = best_bid[entry] - best_ask[leave[DOWN_ROW]]
    pnl = jnp.stack([bought_first, sold_first]) / tick_size_nano
    code = jnp.where(skipped, SKIPPED, walk_code[:, entry]).astype(jnp.int8)
    return code, end, jnp.where(skipped, jnp.nan, pnl)


def fire_outcomes(table: OutcomeTable, fires: Fires, part: Part) -> FireOutcomes:
    """Look up what the fires of a part came to; censoring is looked at first.

    Args:
        table: the outcomes of every bin.
        fires: fires of the part alone.
        part: its `limit` is the first bin that no walk may look at.
    """
    evaluation = table.evaluation
    rows = np.where(fires.directions > 0, UP_ROW, DOWN_ROW)

    def judged(
        code: jax.Array, end: jax.Array, reach: int, delay: int
    ) -> tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.float64]]:
        fits = fires.bins + reach < part.limit
        codes = np.where(fits, np.asarray(code)[rows, fires.bins], CENSORED).astype(np.int8)
        counts = codes < SKIPPED
        ends = np.where(counts, np.asarray(end)[rows, fires.bins], fires.bins).astype(np.int64)
        times = np.where(counts, (ends - fires.bins - delay) * evaluation.cell_width_ms, np.nan)
        return codes, ends, times

    mid_code, mid_exit, mid_time = judged(table.mid_code, table.mid_exit, evaluation.mid_reach_bins, 0)
    net_code, net_exit, net_time = judged(
        table.net_code, table.net_exit, evaluation.net_reach_bins, evaluation.entry_delay_bins
    )
    mid_pnl = np.asarray(table.mid_pnl)[rows, fires.bins]
    net_pnl = np.asarray(table.net_pnl)[rows, fires.bins] - evaluation.cost_ticks
    return FireOutcomes(
        fires=fires,
        mid_code=mid_code,
        mid_exit=mid_exit,
        mid_pnl_ticks=np.where(mid_code < SKIPPED, mid_pnl, np.nan),
        mid_time_ms=mid_time,
        net_code=net_code,
        net_exit=net_exit,
        net_pnl_ticks=np.where(net_code < SKIPPED, net_pnl, np.nan),
        net_time_ms=net_time,
    )
