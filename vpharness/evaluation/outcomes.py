"""Outcomes of fires in batch: for each bin and direction, looked up in the first-passage tables."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation
from vpharness.evaluation.fires import Fires
from vpharness.evaluation.passage import PassageTables
from vpharness.evaluation.split import Part

if TYPE_CHECKING:
    import jax

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
    mid_code: "jax.Array"
    mid_exit: "jax.Array"
    mid_pnl: "jax.Array"
    net_code: "jax.Array"
    net_exit: "jax.Array"
    net_pnl: "jax.Array"


@dataclass(frozen=True)
class FireOutcomes:
    """The outcomes of n fires, at the mid and net.

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
    from vpharness.evaluation import compiled_loops  # noqa: PLC0415  # JAX, which takes a second to load

    missing = [each for each in (evaluation.tp_ticks, evaluation.sl_ticks) if each not in tables.barriers]
    if missing or evaluation.max_hold_bins > tables.horizon_bins:
        raise ConfigError(
            f"tp {evaluation.tp_ticks:g}, sl {evaluation.sl_ticks:g} ticks and walks of {evaluation.max_hold_bins} "
            f"bins cannot be looked up in tables for {tables.barriers} and {tables.horizon_bins}; make them anew"
        )
    tp, sl = tables.barriers.index(evaluation.tp_ticks), tables.barriers.index(evaluation.sl_ticks)
    code, end, pnl = compiled_loops.walks(
        (tables.rises[tp], tables.falls[tp]),
        (tables.falls[sl], tables.rises[sl]),
        tables.mid,
        tables.last_mid,
        tables.tick_size,
        evaluation.max_hold_bins,
    )
    if tables.best_bid is None or tables.best_ask is None:
        no_code, no_pnl = compiled_loops.no_touches(code)
        return OutcomeTable(evaluation, code, end, pnl, no_code, end, no_pnl)
    net_code, net_end, net_pnl = compiled_loops.touches(
        code,
        end,
        tables.next_book,
        tables.best_bid,
        tables.best_ask,
        tables.tick_size_nano,
        (evaluation.entry_delay_bins, evaluation.exit_delay_bins, evaluation.max_hold_bins),
    )
    return OutcomeTable(evaluation, code, end, pnl, net_code, net_end, net_pnl)


def fire_outcomes(table: OutcomeTable, fires: Fires, part: Part) -> FireOutcomes:
    """Return the outcomes of a part's fires; those that do not fit into the data are censored, whatever they are.

    Args:
        table: the outcomes of every bin.
        fires: fires of the part alone.
        part: its `limit` is the first bin that no walk may look at.
    """
    evaluation = table.evaluation
    rows = np.where(fires.directions > 0, UP_ROW, DOWN_ROW)

    def judged(
        code: "jax.Array", end: "jax.Array", reach: int, delay: int
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
