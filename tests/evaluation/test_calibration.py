"""Calibration: on prices without an edge the p-values and intervals are honest, and a planted edge is found."""

from typing import Final

import numpy as np
import pytest

from tests.evaluation.paths import martingale
from tests.evaluation.plain_signals import Signal, along_the_lean, anywhere, when_busy, when_narrow
from tests.results.ledgers import entered
from vpharness.evaluation import (
    EvaluationParameters,
    Evidence,
    ResolvedEvaluation,
    SplitParameters,
    evaluate,
    judge,
)
from vpharness.results.ranking import rank

SMALL: Final = EvaluationParameters(
    tp_ticks=3, sl_ticks=2, max_hold_bins=100, warmup_bins=50, cooldown_bins=10, null_draws=99
).resolve(100.0)
FULL: Final = EvaluationParameters().resolve(100.0)
SMALL_BINS: Final = 24_000
FULL_BINS: Final = 144_000
THRESHOLD: Final = 1.0
WITHOUT_EDGE: Final[list[Signal]] = [anywhere, when_narrow, when_busy]


def evidence(seed: int, n_bins: int, signal: Signal, evaluation: ResolvedEvaluation, edge: float = 0.0) -> Evidence:
    """Return the evidence of a signal over a whole martingale, or one with an edge."""
    dataset, seen = martingale(seed, n_bins, edge)
    (candidate,) = evaluate(dataset, signal(seen), [THRESHOLD], evaluation, SplitParameters(kind="none"))
    return candidate.parts["all"].evidence


def shares(seeds: range, n_bins: int, signal: Signal, evaluation: ResolvedEvaluation) -> tuple[float, float]:
    """Return the share of seeds with p_value <= 0.05, and of those whose interval of the mid mean covers 0."""
    judgements = [judge([evidence(seed, n_bins, signal, evaluation)], evaluation) for seed in seeds]
    assert all(each.lacks == () for each in judgements), "every candidate has enough data to be judged"
    significant = np.mean([each.p_value <= 0.05 for each in judgements])
    covered = np.mean([each.figures.mean_pnl_ticks_low <= 0 <= each.figures.mean_pnl_ticks_high for each in judgements])
    return float(significant), float(covered)


@pytest.mark.parametrize("signal", WITHOUT_EDGE)
def test_noise_is_rarely_significant_and_its_interval_covers_zero(signal: Signal) -> None:
    """Over 60 seeds of forty minutes: at most 12 % significant, and at least 87 % covered."""
    significant, covered = shares(range(60), SMALL_BINS, signal, SMALL)
    assert significant <= 0.12
    assert covered >= 0.87


def test_a_planted_edge_is_found_among_noise() -> None:
    """The right signal wins its family, and no other does; barriers are wide enough for the edge to pay the spread."""
    wide = SMALL.with_barriers(8, 4)
    signals = [along_the_lean, anywhere, when_narrow, when_busy]
    market, _ = martingale(1, 24_000, 0.9)
    found = rank(
        [entered(signal.__name__, evidence(1, 24_000, signal, wide, edge=0.9), wide, market) for signal in signals]
    )
    winners = [each.candidate.candidate_id for each in found if each.winner]
    assert winners == [along_the_lean.__name__]


def test_a_family_of_noise_is_not_significant_as_a_whole() -> None:
    """Of 30 unrelated candidates some have a small p-value; adjusted for the family none has."""
    dataset, seen = martingale(3, 12_000)
    family = []
    for seed in range(30):
        own = {**seen, "noise": np.random.default_rng(seed).normal(size=12_000)}
        (candidate,) = evaluate(dataset, anywhere(own), [THRESHOLD], SMALL, SplitParameters(kind="none"))
        family.append(entered(f"noise {seed}", candidate.parts["all"].evidence, SMALL, dataset))
    found = rank(family)
    assert min(each.judgement.p_value for each in found) <= 0.1
    assert min(each.p_adjusted for each in found if each.p_adjusted is not None) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("signal", WITHOUT_EDGE)
def test_p_values_and_intervals_are_calibrated_over_four_hours(signal: Signal) -> None:
    """Over 200 seeds of 144,000 bins: 2-9 % significant, 90-98 % covered."""
    significant, covered = shares(range(200), FULL_BINS, signal, FULL)
    assert 0.02 <= significant <= 0.09
    assert 0.90 <= covered <= 0.98
