"""The information coefficient of scores: how well their order agrees with that of the moves that follow.

With r and s the ranks of score and move over all N bins that have both, centred and scaled to variance 1 (ties share
their mean rank), the coefficient is Spearman's, Σ r s / N. Neighbouring bins share most of their moves, so that the
interval is that of a mean that is clustered in blocks (`intervals.RatioOfTotals`): P_b = Σ r s and n_b over the bins of
block b. The ranks are taken over all blocks together. Ranks within one short block would be centred on the moves that
are to be predicted; a score that follows the mean of earlier moves would then seem to predict their contrary.

Over several datasets, ranks and tenths are those within each dataset, and the sums over blocks are pooled: a score need
not have the same scale on every day.

These figures describe scores. They enter no p-value: what a candidate earned is judged by its fires alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.blocks import NS_PER_SECOND, block_seconds
from vpharness.evaluation.intervals import Interval, ratio_of_totals

Floats = NDArray[np.float64]
HORIZONS_BINS: Final = (1, 5, 10, 50, 100)
"""How far ahead moves are looked at."""
TENTHS: Final = 10


@dataclass(frozen=True, eq=False)
class ScoredMoves:
    """The bins of one dataset with a score and a value that followed it: [n] each.

    Attributes:
        scores: the scores.
        moves: what followed: moves, ticks, or labels.
        blocks: the block that each bin lies in.
    """

    scores: Floats
    moves: Floats
    blocks: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Floats, moves: Floats, blocks: NDArray[np.int64]) -> "ScoredMoves":
        """Return those of [T] bins that have both."""
        known = np.isfinite(scores) & np.isfinite(moves)
        return cls(scores[known], moves[known], blocks[known])


@dataclass(frozen=True)
class InformationCoefficient:
    """Spearman's correlation of scores with moves.

    Attributes:
        interval: the coefficient with its interval; NaN where scores or moves are all alike.
        bins: bins with both a score and a move.
        blocks: blocks that hold any.
    """

    interval: Interval
    bins: int
    blocks: int


def moves_ahead(mid_ticks: Floats, bins: int) -> Floats:
    """Return the move of the mid [T] over so many bins from each, ticks; NaN where either end is missing."""
    found = np.full(len(mid_ticks), np.nan)
    if 0 < bins < len(mid_ticks):
        found[:-bins] = mid_ticks[bins:] - mid_ticks[:-bins]
    return found


def blocks_of_bins(
    span_start_ns: int, bins: int, cell_width_ms: float, reach_bins: int, least_s: int
) -> NDArray[np.int64]:
    """Return the block [T] of each bin, for values that look `reach_bins` ahead.

    A block is the least power of two seconds that is at least four times the reach, and at least `least_s` long.
    """
    width_ns = round(cell_width_ms * 1_000_000)
    seconds = max(least_s, block_seconds(reach_bins * cell_width_ms / 1000))
    found: NDArray[np.int64] = (span_start_ns + np.arange(bins) * width_ns) // (seconds * NS_PER_SECOND)
    return found


def information_coefficient(scores: Floats, moves: Floats, blocks: NDArray[np.int64]) -> InformationCoefficient:
    """Return the information coefficient of scores [T] for moves [T]; bins without either are left out.

    `blocks` [T] is the block that each bin lies in.
    """
    return pooled_coefficient([ScoredMoves.of(scores, moves, blocks)])


def pooled_coefficient(parts: Sequence[ScoredMoves]) -> InformationCoefficient:
    """Return the information coefficient over several datasets; those whose scores or moves are all alike add none."""
    products = [standard_ranks(each.scores) * standard_ranks(each.moves) for each in parts]
    held = [place for place, each in enumerate(products) if len(each) and np.isfinite(each).all()]
    if not held:
        return InformationCoefficient(Interval(np.nan, np.nan, np.nan), sum(len(each.scores) for each in parts), 0)
    found = np.concatenate([products[place] for place in held])
    ratio = ratio_of_totals(*block_totals(found, np.concatenate([parts[place].blocks for place in held])))
    return InformationCoefficient(ratio.interval(), len(found), ratio.n_blocks)


def block_totals(values: Floats, blocks: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Return the sum [B] of values [n] in each block, and how many there are."""
    _, place = np.unique(blocks, return_inverse=True)
    totals: Floats = np.bincount(place, values).astype(np.float64)
    counts: NDArray[np.int64] = np.bincount(place).astype(np.int64)
    return totals, counts


def standard_ranks(values: Floats) -> Floats:
    """Return ranks of mean 0 and variance 1, of which equal values share the mean; NaN where all are equal."""
    ranks = _mean_ranks(values)
    spread = ranks.std() if len(ranks) else 0.0
    return (ranks - ranks.mean()) / spread if spread > 0 else np.full(len(values), np.nan)


def _mean_ranks(values: Floats) -> Floats:
    """Return the rank [n] of each value, from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place] if len(values) else np.zeros(0)
    return middle


@dataclass(frozen=True)
class Deciles:
    """What followed the scores of each tenth, from the lowest to the highest; NaN where a tenth is empty.

    Attributes:
        bins: [10] how many bins.
        mean_score: [10] the mean of the scores.
        mean_move: [10] the mean move, ticks.
        low, high: [10] the ends of its interval over blocks; NaN with fewer than two.
        hit_rate: [10] the share of the moves other than 0 that had the sign of the score.
    """

    bins: NDArray[np.int64]
    mean_score: Floats
    mean_move: Floats
    low: Floats
    high: Floats
    hit_rate: Floats


def deciles(scores: Floats, moves: Floats, blocks: NDArray[np.int64] | None = None) -> Deciles:
    """Return what followed the scores [T] of each tenth; bins without a score or a move [T] are left out.

    A score belongs to tenth floor(10 (rank - 1/2)/N) of its mean rank among the N: equal scores are in the same one.
    Without `blocks` [T] there are no intervals.
    """
    of = np.zeros(len(scores), np.int64) if blocks is None else blocks
    return pooled_deciles([ScoredMoves.of(scores, moves, of)])


def pooled_deciles(parts: Sequence[ScoredMoves]) -> Deciles:
    """Return what followed the scores of each tenth, over several datasets: a tenth is one within its dataset."""
    tenth = np.concatenate([tenths(each.scores) for each in parts])
    scores, moves, blocks = (np.concatenate([getattr(each, name) for each in parts]) for name in _COLUMNS)
    bins = np.bincount(tenth, minlength=TENTHS)
    tells = (moves != 0) & (scores != 0)
    hits = np.bincount(tenth[tells], np.sign(moves[tells]) == np.sign(scores[tells]), minlength=TENTHS)
    ends = [_interval(moves[tenth == each], blocks[tenth == each]) for each in range(TENTHS)]
    with np.errstate(invalid="ignore"):
        return Deciles(
            bins,
            np.bincount(tenth, scores, minlength=TENTHS) / bins,
            np.bincount(tenth, moves, minlength=TENTHS) / bins,
            np.array([each.low for each in ends]),
            np.array([each.high for each in ends]),
            hits / np.bincount(tenth[tells], minlength=TENTHS),
        )


_COLUMNS: Final = ("scores", "moves", "blocks")


def tenths(scores: Floats) -> NDArray[np.int64]:
    """Return the tenth [n] that each score belongs to, from 0."""
    found: NDArray[np.int64] = (TENTHS * (_mean_ranks(scores) - 0.5) / max(len(scores), 1)).astype(np.int64)
    return np.minimum(found, TENTHS - 1)


def _interval(values: Floats, blocks: NDArray[np.int64]) -> Interval:
    return ratio_of_totals(*block_totals(values, blocks)).interval()
