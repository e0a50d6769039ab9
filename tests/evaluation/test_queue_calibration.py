"""Slow proofs: the null keeps its size where entries rest, and an edge that pays only passively is found there alone.

Fates are made from the path itself: an order is filled for certain when its level gives way, which is when the price
moves against it, and now and then while the level stands. So fills are adversely selected, as they are in markets.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.evaluation.paths import martingale
from vpharness.evaluation import (
    DatasetView,
    EvaluationParameters,
    Figures,
    Judgement,
    ResolvedEvaluation,
    SplitParameters,
    evaluate_fires,
    find_fires,
    judge,
    outcomes_of_bins,
    parts_of,
)
from vpharness.order_fates import BEHIND, FATE_DTYPE, OPEN, REJECTED, THROUGH, WITHDRAWN

WAIT_BINS, WIDTH_NS = 30, 100_000_000
QUEUE = EvaluationParameters(
    tp_ticks=3, sl_ticks=3, max_hold_bins=100, warmup_bins=100, cooldown_bins=10, fill="queue", max_wait_bins=WAIT_BINS
).resolve(100.0)
TOUCH = EvaluationParameters(tp_ticks=3, sl_ticks=3, max_hold_bins=100, warmup_bins=100, cooldown_bins=10).resolve(
    100.0
)


def with_fates(view: DatasetView, seed: int) -> DatasetView:
    """Return a dataset whose orders arrive one bin after their decision, and are filled in the middle of a bin."""
    assert view.best_bid is not None
    assert view.best_ask is not None
    n_bins, rng = view.n_bins, np.random.default_rng([seed, 9])
    fates = np.zeros((n_bins, 2), FATE_DTYPE)
    sides = ((view.best_bid, view.best_ask, 1), (view.best_ask, view.best_bid, -1))
    for side, (own, opposite, sign) in enumerate(sides):
        reason, fill_ns = np.full(n_bins, OPEN), np.zeros(n_bins, np.int64)
        arrival = np.arange(n_bins) + 1
        waits = arrival < n_bins
        at = np.minimum(arrival, n_bins - 1)
        crosses = waits & (sign * (opposite[at] - own) <= 0)
        reason[crosses], waits = REJECTED, waits & ~crosses
        for later in range(1, WAIT_BINS + 1):
            bins = arrival + later
            waits &= bins < n_bins
            bins = np.minimum(bins, n_bins - 1)
            gone = waits & (sign * (own[bins] - own) < 0)
            lucky = waits & ~gone & (own[bins] == own) & (rng.random(n_bins) < 0.05)
            reason[gone], reason[lucky] = THROUGH, BEHIND
            filled = gone | lucky
            fill_ns[filled] = view.span[0] + bins[filled] * WIDTH_NS + WIDTH_NS // 2
            waits &= ~filled
        reason[waits] = WITHDRAWN
        fates["price"][:, side], fates["reason"][:, side], fates["fill_ns"][:, side] = own, reason, fill_ns
    return dataclasses.replace(view, virtual_orders=lambda _latency_ns, _max_wait_ns: fates)


def judged(view: DatasetView, score: NDArray[np.float64], evaluation: ResolvedEvaluation) -> Judgement:
    """Judge a score at the threshold 1."""
    (part,) = parts_of(view, evaluation, SplitParameters(kind="none"))
    (fires,) = find_fires(score, [1.0], warmup_bins=evaluation.warmup_bins, cooldown_bins=evaluation.cooldown_bins)
    (found,) = evaluate_fires(view, outcomes_of_bins(view, evaluation), part, [fires])
    return judge([found.evidence], evaluation)


COVERED: Final = {
    "net": ("net_pnl_ticks", "n_net"),
    "filled": ("fill_rate", "n_orders"),
    "markout 1 s": ("markout_1s_ticks", "n_net"),
    "markout 10 s": ("markout_10s_ticks", "n_net"),
}
"""Figures whose intervals are checked, each with the count that weighs it over markets."""


def covered(figures: Sequence[Figures], name: str, count: str) -> float:
    """Return the share of intervals that hold the true mean, which is that over all markets."""
    values, low, high = (np.array([getattr(each, f"{name}{end}") for each in figures]) for end in ("", "_low", "_high"))
    truth = np.average(values, weights=[getattr(each, count) for each in figures])
    return float(np.mean((low <= truth) & (truth <= high)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["noise", "momentum", "regimes"])
def test_the_null_keeps_its_size_with_resting_orders(kind: str) -> None:
    """On 200 martingales: 0.02 to 0.09 of p-values under 0.05, and 90 to 98 % of intervals hold the truth."""
    p_values, figures = [], []
    for seed in range(200):
        plain, seen = martingale(seed, 6000)
        score = {
            "noise": seen["noise"],
            "momentum": np.convolve(seen["moved"], np.ones(10))[:6000] + 0.1 * seen["noise"],
            "regimes": np.where(np.arange(6000) // 40 % 2 == 0, 1, 0) * seen["turning"],
        }[kind]
        judgement = judged(with_fates(plain, seed), score, QUEUE)
        p_values.append(judgement.p_value)
        figures.append(judgement.figures)
    assert 0.6 < np.mean([each.fill_rate for each in figures]) < 0.95
    small = float(np.mean(np.array(p_values) <= 0.05))
    shares = {name: covered(figures, *names) for name, names in COVERED.items()}
    print(f"{kind}: p <= 0.05 in {small:.1%}, mean p {np.mean(p_values):.2f}; covered {shares}")
    assert 0.02 <= small <= 0.09
    assert 0.4 < np.mean(p_values) < 0.6
    assert all(0.9 <= share <= 0.98 for share in shares.values())


@pytest.mark.slow
def test_an_edge_that_pays_only_passively_is_found_in_the_queue_alone() -> None:
    """The same fires lose the spread at the touch, and earn for sure as resting orders."""
    plain, seen = martingale(4, 60_000, edge=0.35)
    view = with_fates(plain, 4)
    score = seen["lean"] * np.where(np.arange(60_000) // 50 % 2 == 0, 1, 0)
    queue, touch = judged(view, score, QUEUE), judged(view, score, TOUCH)
    assert touch.figures.net_pnl_ticks_high < 0
    assert queue.figures.net_pnl_ticks_low > 0
    assert queue.p_value <= 0.05
    assert not queue.lacks
