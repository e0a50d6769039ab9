"""The figures of a candidate: what its fires came to, with their intervals, over all the datasets it ran on."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.blocks import BlockSums
from vpharness.evaluation.evidence import Evidence
from vpharness.evaluation.intervals import Interval, ratio_of_totals


def _figure(unit: str, meaning: str) -> Any:
    return dataclasses.field(metadata={"unit": unit, "meaning": meaning})


@dataclass(frozen=True)
class Figures:
    """Figures over the fires of a part that are neither censored nor skipped; NaN where there is nothing to average.

    `_low` and `_high` are the ends of a 95 % interval, see `RatioOfTotals`; NaN with fewer than two blocks. Each
    field's unit and meaning stand in its metadata.
    """

    n_fires: int = _figure("fires", "all fires of the part")
    events_per_hour: float = _figure("1/h", "all fires, by the time from the warm-up on")
    n_signals: int = _figure("fires", "fires judged at the mid")
    n_up: int = _figure("fires", "of these upwards")
    n_down: int = _figure("fires", "of these downwards")
    n_censored: int = _figure("fires", "fires whose walk at the mid does not fit")
    n_skipped: int = _figure("fires", "fires without a mid")
    block_s: int = _figure("s", "length of a block: at least four mean walks")
    n_blocks: int = _figure("blocks", "blocks with a fire judged at the mid")
    tp_rate: float = _figure("share", "take-profit touched first")
    tp_rate_low: float = _figure("share", "lower end")
    tp_rate_high: float = _figure("share", "upper end")
    sl_rate: float = _figure("share", "stop-loss touched first")
    sl_rate_low: float = _figure("share", "lower end")
    sl_rate_high: float = _figure("share", "upper end")
    timeout_rate: float = _figure("share", "neither touched")
    timeout_rate_low: float = _figure("share", "lower end")
    timeout_rate_high: float = _figure("share", "upper end")
    decided_tp_share: float = _figure("share", "tp / (tp + sl) at the mid")
    break_even_tp_share: float = _figure("share", "sl_ticks / (tp_ticks + sl_ticks): a guide only")
    mean_pnl_ticks: float = _figure("ticks", "mean P&L at the mid")
    mean_pnl_ticks_low: float = _figure("ticks", "lower end")
    mean_pnl_ticks_high: float = _figure("ticks", "upper end")
    median_time_to_outcome_ms: float = _figure("ms", "from the fire to the barrier, tp and sl alone")
    n_net: int = _figure("fires", "fires judged net")
    n_net_censored: int = _figure("fires", "fires whose walk with its delays does not fit")
    n_net_skipped: int = _figure("fires", "fires without a valid book to enter or leave at")
    n_net_blocks: int = _figure("blocks", "blocks with a fire judged net")
    net_pnl_ticks: float = _figure("ticks", "mean net P&L")
    net_pnl_ticks_low: float = _figure("ticks", "lower end")
    net_pnl_ticks_high: float = _figure("ticks", "upper end")
    net_pnl_sd_ticks: float = _figure("ticks", "standard deviation of the net P&L over fires (n - 1)")
    net_tp_rate: float = _figure("share", "take-profit touched first")
    net_tp_rate_low: float = _figure("share", "lower end")
    net_tp_rate_high: float = _figure("share", "upper end")
    net_win_rate: float = _figure("share", "net P&L above 0")
    net_win_rate_low: float = _figure("share", "lower end")
    net_win_rate_high: float = _figure("share", "upper end")
    median_net_time_to_outcome_ms: float = _figure("ms", "from the entry to the barrier, tp and sl alone")


def figures_of(evidence: Evidence, tp_ticks: float, sl_ticks: float) -> Figures:
    """Return the figures of one candidate from its evidence, pooled over its datasets, and its barriers."""
    blocks, tally = evidence.blocks, evidence.tally
    totals = {name: int(blocks.count(name).sum()) for name in ("n_mid", "mid_tp", "mid_sl", "n_net")}
    decided = totals["mid_tp"] + totals["mid_sl"]
    return Figures(
        n_fires=tally.n_fires,
        events_per_hour=tally.n_fires / tally.hours if tally.hours else math.nan,
        n_signals=totals["n_mid"],
        n_up=tally.n_up,
        n_down=tally.n_down,
        n_censored=tally.n_censored,
        n_skipped=tally.n_skipped,
        block_s=blocks.seconds,
        n_blocks=int(np.count_nonzero(blocks.count("n_mid"))),
        decided_tp_share=totals["mid_tp"] / decided if decided else math.nan,
        break_even_tp_share=sl_ticks / (tp_ticks + sl_ticks),
        median_time_to_outcome_ms=_median(evidence.mid_times_ms),
        n_net=totals["n_net"],
        n_net_censored=tally.n_net_censored,
        n_net_skipped=tally.n_net_skipped,
        n_net_blocks=int(np.count_nonzero(blocks.count("n_net"))),
        net_pnl_sd_ticks=_standard_deviation(evidence),
        median_net_time_to_outcome_ms=_median(evidence.net_times_ms),
        **_means(blocks),
    )


def _means(blocks: BlockSums) -> dict[str, Any]:
    """Return every mean with the ends of its interval."""
    intervals = {
        "tp_rate": _rate(blocks, "mid_tp", "n_mid"),
        "sl_rate": _rate(blocks, "mid_sl", "n_mid"),
        "timeout_rate": _rate(blocks, "mid_timeout", "n_mid"),
        "mean_pnl_ticks": ratio_of_totals(blocks.tick("mid_pnl"), blocks.count("n_mid")).interval(),
        "net_tp_rate": _rate(blocks, "net_tp", "n_net"),
        "net_win_rate": _rate(blocks, "net_win", "n_net"),
        "net_pnl_ticks": ratio_of_totals(blocks.tick("net_pnl"), blocks.count("n_net")).interval(),
    }
    found: dict[str, Any] = {}
    for name, interval in intervals.items():
        found |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found


def _rate(blocks: BlockSums, successes: str, of: str) -> Interval:
    return ratio_of_totals(blocks.count(successes), blocks.count(of)).rate_interval()


def _standard_deviation(evidence: Evidence) -> float:
    n, total = int(evidence.blocks.count("n_net").sum()), float(evidence.blocks.tick("net_pnl").sum())
    if n < 2:
        return math.nan
    return math.sqrt(max(evidence.tally.net_pnl_squares - total**2 / n, 0.0) / (n - 1))


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else math.nan
