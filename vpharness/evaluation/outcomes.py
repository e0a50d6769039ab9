"""Outcomes of fires in batch: for each bin and direction, looked up in the first-passage tables."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation.costs import round_trip_cost
from vpharness.evaluation.dataset_view import DatasetView
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation
from vpharness.evaluation.fires import Fires
from vpharness.evaluation.passage import PassageTables, first_passage_tables
from vpharness.evaluation.queue_fills import QueueFills, fills_needed
from vpharness.evaluation.split import Part
from vpharness.order_fates import CLEARED, FILLS, NONE, OPEN, REJECTED, WITHDRAWN, is_filled

if TYPE_CHECKING:
    import jax

TIMEOUT: Final = 0
TAKE_PROFIT: Final = 1
STOP_LOSS: Final = 2
SKIPPED: Final = 3
CENSORED: Final = 4
UNFILLED: Final = 5
OUTCOME_NAMES: Final = ("timeout", "tp", "sl", "skipped", "censored", "unfilled")
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
        net_pnl: [2, S] float64, P&L from entry to exit before any cost, ticks; NaN where skipped or unfilled. A dataset
            without best prices has every net outcome skipped.
        net_start: [2, S] int32, bin of entry.
        net_price: [2, S] float64, price of entry, ticks.
        fills: [2, T] what became of resting orders; None where every entry is at the touch.
    """

    evaluation: ResolvedEvaluation
    mid_code: "jax.Array"
    mid_exit: "jax.Array"
    mid_pnl: "jax.Array"
    net_code: "jax.Array"
    net_exit: "jax.Array"
    net_pnl: "jax.Array"
    net_start: NDArray[np.int32]
    net_price: NDArray[np.float64]
    fills: QueueFills | None = None

    @functools.cached_property
    def net_results(self) -> NDArray[np.float64]:
        """[2, S] the net result of a fire at each bin, ticks, after all costs.

        It is 0 where its order is not filled, and NaN where there is no result.
        """
        pnl = np.asarray(self.net_pnl)
        results = pnl - self.cost(pnl, self.net_price, np.array([[1.0], [-1.0]]))
        return results if self.fills is None else np.where(np.asarray(self.net_code) == UNFILLED, 0.0, results)

    def cost(self, pnl: NDArray[np.float64], price: NDArray[np.float64], signs: NDArray[np.floating[Any]]) -> Any:
        """Return the cost of round trips, ticks, given their P&L before it, prices of entry and directions."""
        return round_trip_cost(self.evaluation, price, price + signs * pnl)


@dataclass(frozen=True)
class FireOrders:
    """The resting orders of n fires; see `QueueFills`.

    Attributes:
        reason: [n] int8, places among `order_fates.REASONS`.
        placed: [n] bool, whether there was an order, and its longest possible walk fits into the data.
        wait_ms: [n] float64.
        markout_ticks: [len(MARKOUT_MS), n] float64.
    """

    reason: NDArray[np.int8]
    placed: NDArray[np.bool_]
    wait_ms: NDArray[np.float64]
    markout_ticks: NDArray[np.float64]

    @functools.cached_property
    def filled(self) -> NDArray[np.bool_]:
        """[n] whether an order that was placed was filled."""
        filled: NDArray[np.bool_] = self.placed & is_filled(self.reason)
        return filled


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
        orders: the resting orders of the fires; None where every entry is at the touch.
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
    orders: FireOrders | None = None


def outcomes_of_bins(dataset: DatasetView, evaluation: ResolvedEvaluation) -> OutcomeTable:
    """Return the outcomes of every bin and direction of a dataset; `outcome_table` with all that it needs.

    Raises DatasetError where entries rest in a queue and the dataset has none.
    """
    barriers = (evaluation.tp_ticks, evaluation.sl_ticks)
    fills = fills_needed(dataset, evaluation)
    return outcome_table(first_passage_tables(dataset, barriers, evaluation.max_hold_bins), evaluation, fills)


def outcome_table(
    tables: PassageTables, evaluation: ResolvedEvaluation, fills: QueueFills | None = None
) -> OutcomeTable:
    """Look up the outcomes of every bin and direction for one pair of barriers.

    Args:
        tables: the first passages of the dataset.
        evaluation: how fires are judged.
        fills: of the dataset's virtual orders, with the evaluation's latency and wait, where its entries rest.

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
    if evaluation.in_queue != (fills is not None):
        raise ValueError(f"fill={evaluation.fill} goes {'with' if evaluation.in_queue else 'without'} fills of orders")
    size = int(code.shape[1])
    start = np.broadcast_to(np.arange(size, dtype=np.int32) + evaluation.entry_delay_bins, (2, size))
    if tables.best_bid is None or tables.best_ask is None:
        no_code, no_pnl = compiled_loops.no_touches(code)
        return OutcomeTable(evaluation, code, end, pnl, no_code, end, no_pnl, start, np.full((2, size), np.nan))
    if fills is not None:
        start, price = _padded(fills.bin, size), _padded(fills.price, size)
        net_code, net_end, net_pnl = compiled_loops.rests(
            (code, end),
            (tables.next_book, tables.best_bid, tables.best_ask),
            tables.tick_size_nano,
            start,
            price,
            tuple(
                _padded(np.isin(fills.reason, reasons), size)
                for reasons in (FILLS, (REJECTED, WITHDRAWN, CLEARED), (OPEN,))
            ),
            (evaluation.exit_delay_bins, evaluation.max_hold_bins),
        )
        price_ticks = price / tables.tick_size_nano
        return OutcomeTable(evaluation, code, end, pnl, net_code, net_end, net_pnl, start, price_ticks, fills)
    net_code, net_end, net_pnl = compiled_loops.touches(
        code,
        end,
        tables.next_book,
        tables.best_bid,
        tables.best_ask,
        tables.tick_size_nano,
        (evaluation.entry_delay_bins, evaluation.exit_delay_bins, evaluation.max_hold_bins),
    )
    entry = np.minimum(start[0], size - 1)
    price = np.stack([np.asarray(tables.best_ask)[entry], np.asarray(tables.best_bid)[entry]]) / tables.tick_size_nano
    return OutcomeTable(evaluation, code, end, pnl, net_code, net_end, net_pnl, start, price)


def _padded(rows: NDArray[Any], size: int) -> NDArray[Any]:
    """Return [2, S] rows [2, T] with zeros behind them."""
    whole = np.zeros((2, size), rows.dtype)
    whole[:, : rows.shape[1]] = rows
    return whole


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
        code: "jax.Array", end: "jax.Array", reach: int, start: NDArray[Any]
    ) -> tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.float64]]:
        fits = fires.bins + reach < part.limit
        codes = np.where(fits, np.asarray(code)[rows, fires.bins], CENSORED).astype(np.int8)
        counts = codes < SKIPPED
        ends = np.where(counts, np.asarray(end)[rows, fires.bins], fires.bins).astype(np.int64)
        times = np.where(counts, (ends - start) * evaluation.cell_width_ms, np.nan)
        return codes, ends, times

    mid_code, mid_exit, mid_time = judged(table.mid_code, table.mid_exit, evaluation.mid_reach_bins, fires.bins)
    net_code, net_exit, net_time = judged(
        table.net_code, table.net_exit, evaluation.net_reach_bins, table.net_start[rows, fires.bins].astype(np.int64)
    )
    mid_pnl = np.asarray(table.mid_pnl)[rows, fires.bins]
    net_pnl = np.asarray(table.net_pnl)[rows, fires.bins]
    net_pnl = net_pnl - table.cost(net_pnl, table.net_price[rows, fires.bins], fires.directions.astype(np.float64))
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
        orders=None if table.fills is None else _orders_of(table.fills, rows, fires.bins, net_code != CENSORED),
    )


def _orders_of(
    fills: QueueFills, rows: NDArray[np.int64], bins: NDArray[np.int64], fits: NDArray[np.bool_]
) -> FireOrders:
    places = rows * fills.reason.shape[1] + bins  # one index into flat arrays is found in half the time of two
    reason = fills.reason.reshape(-1)[places]
    markouts = fills.markout_ticks.reshape(len(fills.markout_ticks), -1)[:, places]
    return FireOrders(reason, fits & (reason != NONE), fills.wait_ms.reshape(-1)[places], markouts)
