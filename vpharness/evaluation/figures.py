"""The figures of a candidate: what its fires came to, with their intervals, over all the datasets it ran on."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.intervals import clustered_means
from vpharness.evaluation.outcomes import CENSORED, SKIPPED, STOP_LOSS, TAKE_PROFIT, TIMEOUT, FireOutcomes
from vpharness.evaluation.parameters import ResolvedEvaluation
from vpharness.evaluation.passage import TICK_TOLERANCE
from vpharness.evaluation.split import Part

_MS_PER_HOUR = 3_600_000.0


@dataclass(frozen=True)
class PartSample:
    """The fires of one candidate in one part of one dataset: samples of several datasets are judged together."""

    part: Part
    evaluation: ResolvedEvaluation
    outcomes: FireOutcomes

    @property
    def hours(self) -> float:
        """Time from the warm-up on, in hours."""
        return hours_of(self.part.n_firing_bins, self.evaluation.cell_width_ms)

    @property
    def blocks(self) -> NDArray[np.int64]:
        """[n] the block of each fire, from the start of the part on."""
        return (self.outcomes.fires.bins - self.part.start) // self.evaluation.block_bins


def hours_of(bins: int, cell_width_ms: float) -> float:
    """Return how long some bins take."""
    return bins * cell_width_ms / _MS_PER_HOUR


def _figure(unit: str, meaning: str) -> Any:
    return dataclasses.field(metadata={"unit": unit, "meaning": meaning})


@dataclass(frozen=True)
class Figures:
    """Figures over the fires of a part that are neither censored nor skipped; NaN where there is nothing to average.

    `_low` and `_high` are the ends of a 95 % interval, see `clustered_means`; NaN with fewer than two blocks. Each
    field's unit and meaning stand in its metadata.
    """

    n_fires: int = _figure("fires", "all fires of the part")
    events_per_hour: float = _figure("1/h", "all fires, by the time from the warm-up on")
    n_signals: int = _figure("fires", "fires judged at the mid")
    n_up: int = _figure("fires", "of these upwards")
    n_down: int = _figure("fires", "of these downwards")
    n_censored: int = _figure("fires", "fires whose walk at the mid does not fit")
    n_skipped: int = _figure("fires", "fires without a mid")
    n_blocks: int = _figure("blocks", "blocks of 2 max_hold with a fire judged at the mid")
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
    n_net_blocks: int = _figure("blocks", "blocks of 2 max_hold with a fire judged net")
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


def figures_of(samples: Sequence[PartSample]) -> Figures:
    """Return the figures of one candidate from its samples, one a dataset; blocks never cross a dataset.

    Raises:
        ValueError: no sample, or samples with different barriers.
    """
    barriers = {(sample.evaluation.tp_ticks, sample.evaluation.sl_ticks) for sample in samples}
    if len(barriers) != 1:
        raise ValueError(f"samples of one pair of barriers can be judged together, not of {sorted(barriers)}")
    ((tp_ticks, sl_ticks),) = barriers
    pooled = FireOutcomes.concatenate([sample.outcomes for sample in samples])
    hours = sum(sample.hours for sample in samples)
    return Figures(
        n_fires=len(pooled.fires),
        events_per_hour=len(pooled.fires) / hours if hours else np.nan,
        break_even_tp_share=sl_ticks / (tp_ticks + sl_ticks),
        **_means(pooled, _distinct_blocks(samples)),
        **_mid_figures(pooled),
        **_net_figures(pooled),
    )


def _means(pooled: FireOutcomes, blocks: NDArray[np.int64]) -> dict[str, Any]:
    """Return every mean with the ends of its interval, and the numbers of blocks they rest on."""
    judged, net_judged = pooled.mid_code < SKIPPED, pooled.net_code < SKIPPED
    values = {
        "tp_rate": np.where(judged, pooled.mid_code == TAKE_PROFIT, np.nan),
        "sl_rate": np.where(judged, pooled.mid_code == STOP_LOSS, np.nan),
        "timeout_rate": np.where(judged, pooled.mid_code == TIMEOUT, np.nan),
        "mean_pnl_ticks": pooled.mid_pnl_ticks,
        "net_tp_rate": np.where(net_judged, pooled.net_code == TAKE_PROFIT, np.nan),
        "net_win_rate": np.where(net_judged, pooled.net_pnl_ticks > TICK_TOLERANCE, np.nan),
        "net_pnl_ticks": pooled.net_pnl_ticks,
    }
    means = clustered_means(np.column_stack(list(values.values())), blocks)
    n_blocks = dict(zip(values, means.n_blocks.tolist(), strict=True))
    found: dict[str, Any] = {"n_blocks": n_blocks["mean_pnl_ticks"], "n_net_blocks": n_blocks["net_pnl_ticks"]}
    for name, mean, low, high in zip(values, means.mean.tolist(), means.low.tolist(), means.high.tolist(), strict=True):
        found |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    return found


def _mid_figures(pooled: FireOutcomes) -> dict[str, Any]:
    code, directions = pooled.mid_code, pooled.fires.directions
    judged, decided = code < SKIPPED, _decided(code)
    return {
        "n_signals": int(judged.sum()),
        "n_up": int(np.sum(judged & (directions > 0))),
        "n_down": int(np.sum(judged & (directions < 0))),
        "n_censored": int(np.sum(code == CENSORED)),
        "n_skipped": int(np.sum(code == SKIPPED)),
        "decided_tp_share": float(np.mean(code[decided] == TAKE_PROFIT)) if decided.any() else np.nan,
        "median_time_to_outcome_ms": _median(pooled.mid_time_ms[decided]),
    }


def _net_figures(pooled: FireOutcomes) -> dict[str, Any]:
    code = pooled.net_code
    pnl = pooled.net_pnl_ticks[code < SKIPPED]
    return {
        "n_net": len(pnl),
        "n_net_censored": int(np.sum(code == CENSORED)),
        "n_net_skipped": int(np.sum(code == SKIPPED)),
        "net_pnl_sd_ticks": float(np.std(pnl, ddof=1)) if len(pnl) > 1 else np.nan,
        "median_net_time_to_outcome_ms": _median(pooled.net_time_ms[_decided(code)]),
    }


def _decided(code: NDArray[np.int8]) -> NDArray[np.bool_]:
    decided: NDArray[np.bool_] = (code == TAKE_PROFIT) | (code == STOP_LOSS)
    return decided


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _distinct_blocks(samples: Sequence[PartSample]) -> NDArray[np.int64]:
    """Return the block of each fire, numbered on from dataset to dataset."""
    numbered, first = [], 0
    for sample in samples:
        numbered.append(sample.blocks + first)
        first += -(-(sample.part.stop - sample.part.start) // sample.evaluation.block_bins)
    return np.concatenate(numbered)
