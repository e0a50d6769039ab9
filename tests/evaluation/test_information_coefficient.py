"""Information coefficients and deciles against plain twins."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import spearmanr  # type: ignore[import-untyped]  # SciPy has no types

from vpharness.evaluation.information_coefficient import (
    ScoredMoves,
    blocks_of_bins,
    deciles,
    information_coefficient,
    moves_ahead,
    pooled_coefficient,
    pooled_deciles,
)


def naive_ranks(values: Sequence[float]) -> list[float]:
    """Return the mean rank of each value, from 1."""
    return [sum(other < v for other in values) + (sum(other == v for other in values) + 1) / 2 for v in values]


def naive_coefficient(scores: Sequence[float], moves: Sequence[float], blocks: Sequence[int]) -> tuple[float, float]:
    """Return Spearman's coefficient and its standard error over blocks, by loops."""
    shown = [t for t in range(len(scores)) if math.isfinite(scores[t]) and math.isfinite(moves[t])]
    ranks = []
    for values in (scores, moves):
        of = naive_ranks([values[t] for t in shown])
        mean = sum(of) / len(of)
        spread = math.sqrt(sum((each - mean) ** 2 for each in of) / len(of))
        ranks.append([(each - mean) / spread for each in of])
    sums: dict[int, float] = {}
    counts: dict[int, int] = {}
    for place, t in enumerate(shown):
        sums[blocks[t]] = sums.get(blocks[t], 0.0) + ranks[0][place] * ranks[1][place]
        counts[blocks[t]] = counts.get(blocks[t], 0) + 1
    total, held = sum(counts.values()), len(sums)
    mean = sum(sums.values()) / total
    scatter = sum((sums[b] - mean * counts[b]) ** 2 for b in sums)
    return mean, math.sqrt(held / (held - 1) * scatter) / total


def random_scores(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores with ties and gaps, moves that lean on them, and blocks."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=300), 1)
    moves = np.round(scores + 2 * rng.normal(size=300))
    scores[rng.random(300) < 0.05] = np.nan
    moves[rng.random(300) < 0.05] = np.nan
    return scores, moves, np.arange(300) // 20


@pytest.mark.parametrize("seed", range(3))
def test_the_coefficient_is_spearmans_with_an_interval_over_blocks(seed: int) -> None:
    """As SciPy has it, and as plain loops do; the interval is the mean plus and minus t standard errors."""
    scores, moves, blocks = random_scores(seed)
    found = information_coefficient(scores, moves, blocks)
    mean, error = naive_coefficient(scores.tolist(), moves.tolist(), blocks.tolist())
    known = np.isfinite(scores) & np.isfinite(moves)
    assert found.interval.mean == pytest.approx(mean, abs=1e-12)
    assert found.interval.mean == pytest.approx(spearmanr(scores[known], moves[known]).statistic, abs=1e-12)
    assert (found.bins, found.blocks) == (known.sum(), 15)
    assert found.interval.high - found.interval.mean == pytest.approx(2.1447866879169273 * error, rel=1e-9)


def test_what_has_no_order_has_no_coefficient() -> None:
    """Scores that are all alike, and none at all."""
    flat = information_coefficient(np.ones(9), np.arange(9.0), np.arange(9))
    assert math.isnan(flat.interval.mean)
    assert information_coefficient(np.full(9, np.nan), np.arange(9.0), np.arange(9)).bins == 0


def test_moves_end_where_the_data_do() -> None:
    """A missing mid at either end leaves a move missing."""
    mid = np.array([1.0, 2.0, np.nan, 5.0, 4.0])
    np.testing.assert_array_equal(moves_ahead(mid, 1), [1.0, np.nan, np.nan, -1.0, np.nan])
    np.testing.assert_array_equal(moves_ahead(mid, 3), [4.0, 2.0, np.nan, np.nan, np.nan])
    assert np.isnan(moves_ahead(mid, 5)).all()


@pytest.mark.parametrize("seed", range(3))
def test_deciles_by_hand(seed: int) -> None:
    """Each tenth by loops over its bins; equal scores stay together."""
    scores, moves, _ = random_scores(seed)
    found = deciles(scores, moves)
    shown = [t for t in range(300) if math.isfinite(scores[t]) and math.isfinite(moves[t])]
    ranks = naive_ranks([float(scores[t]) for t in shown])
    for tenth in range(10):
        own = [t for t, rank in zip(shown, ranks, strict=True) if int(10 * (rank - 0.5) / len(shown)) == tenth]
        telling = [t for t in own if moves[t] and scores[t]]
        assert found.bins[tenth] == len(own)
        assert found.mean_score[tenth] == pytest.approx(np.mean([scores[t] for t in own]))
        assert found.mean_move[tenth] == pytest.approx(np.mean([moves[t] for t in own]))
        right = [moves[t] * scores[t] > 0 for t in telling]
        assert found.hit_rate[tenth] == pytest.approx(np.mean(right))


def test_several_datasets_are_pooled_with_ranks_of_their_own() -> None:
    """The mean of products over both, whatever the scale of either; one whose scores are all alike adds nothing."""
    first, second = (ScoredMoves.of(*random_scores(seed)) for seed in (1, 2))
    wide = ScoredMoves(1000 * second.scores + 7, second.moves, second.blocks + 100)
    flat = ScoredMoves(np.ones(9), np.arange(9.0), np.arange(9))
    found = pooled_coefficient([first, wide, flat])
    own = [pooled_coefficient([each]) for each in (first, second)]
    mean = sum(each.interval.mean * each.bins for each in own) / sum(each.bins for each in own)
    assert found.interval.mean == pytest.approx(mean, abs=1e-12)
    assert (found.bins, found.blocks) == (sum(each.bins for each in own), 30)
    tenths = pooled_deciles([first, wide])
    assert tenths.bins.sum() == found.bins
    assert (tenths.low[tenths.bins > 20] < tenths.high[tenths.bins > 20]).all()


def test_blocks_are_at_least_four_times_as_long_as_what_is_looked_at() -> None:
    """By the clock, in powers of two seconds, and no shorter than those of the fires."""
    blocks = blocks_of_bins(3_000_000_000, 100, 100.0, 5, 1)
    assert np.unique(blocks, return_counts=True)[1].tolist() == [10, 20, 20, 20, 20, 10]
    assert len(np.unique(blocks_of_bins(0, 100, 100.0, 5, 8))) == 2
