"""The plain twins applied to a dataset and an evaluation as a whole."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tests.naive import naive_mid_outcome, naive_net_outcome
from tests.naive_evaluation import Fire, Outcome
from vpharness.evaluation import OUTCOME_NAMES, DatasetView, Fires, ResolvedEvaluation


def as_pairs(fires: Fires) -> list[Fire]:
    """Return fires as (bin, direction) pairs."""
    return list(zip(fires.bins.tolist(), fires.directions.tolist(), strict=True))


def outcome_at_mid(dataset: DatasetView, evaluation: ResolvedEvaluation, fire: Fire, limit: int) -> Outcome:
    """Judge one fire at the mid."""
    return naive_mid_outcome(
        dataset.mid,
        dataset.book_valid,
        dataset.tick_size,
        fire,
        tp=evaluation.tp_ticks,
        sl=evaluation.sl_ticks,
        hold=evaluation.max_hold_bins,
        limit=limit,
        cell_width_ms=evaluation.cell_width_ms,
    )


def outcome_net(dataset: DatasetView, evaluation: ResolvedEvaluation, fire: Fire, limit: int) -> Outcome:
    """Judge one fire net."""
    assert dataset.best_bid is not None
    assert dataset.best_ask is not None
    return naive_net_outcome(
        dataset.mid,
        dataset.book_valid,
        dataset.best_bid,
        dataset.best_ask,
        dataset.tick_size,
        fire,
        tp=evaluation.tp_ticks,
        sl=evaluation.sl_ticks,
        hold=evaluation.max_hold_bins,
        entry_delay=evaluation.entry_delay_bins,
        exit_delay=evaluation.exit_delay_bins,
        cost=evaluation.cost_ticks,
        limit=limit,
        cell_width_ms=evaluation.cell_width_ms,
    )


def net_pnl_lookup(dataset: DatasetView, evaluation: ResolvedEvaluation, limit: int) -> Callable[[int, int], float]:
    """Return pnl(bin, side): net of a fire there, NaN where it is censored or skipped."""

    def pnl(t: int, side: int) -> float:
        return float(outcome_net(dataset, evaluation, (t, side), limit)["pnl"])

    return pnl


def same(found: float, expected: float, tolerance: float = 1e-9) -> bool:
    """Whether two figures agree, NaN with NaN."""
    return (math.isnan(found) and math.isnan(expected)) or math.isclose(
        found, expected, rel_tol=tolerance, abs_tol=tolerance
    )


def names(codes: NDArray[np.int8]) -> list[str]:
    """Return the names of outcome codes."""
    return [OUTCOME_NAMES[code] for code in codes]
