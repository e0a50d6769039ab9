"""The information coefficient of scores: how well their order agrees with that of the moves that follow.

With r and s the ranks of score and move over all N bins that have both, centred and scaled to variance 1 (ties share
their mean rank), the coefficient is Spearman's, Σ r s / N. Neighbouring bins share most of their moves, so that the
interval is that of a mean that is clustered in blocks (`intervals.RatioOfTotals`): P_b = Σ r s and n_b over the bins of
block b. The ranks are taken over all blocks together. Ranks within one short block would be centred on the moves that
are to be predicted; a score that follows the mean of earlier moves would then seem to predict their contrary.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.intervals import Interval, ratio_of_totals

Floats = NDArray[np.float64]


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


def information_coefficient(scores: Floats, moves: Floats, blocks: NDArray[np.int64]) -> InformationCoefficient:
    """Return the information coefficient of scores [T] for moves [T]; bins without either are left out.

    `blocks` [T] is the block that each bin lies in.
    """
    known = np.isfinite(scores) & np.isfinite(moves)
    if not known.any():
        return InformationCoefficient(Interval(np.nan, np.nan, np.nan), 0, 0)
    products = _standard_ranks(scores[known]) * _standard_ranks(moves[known])
    _, place = np.unique(blocks[known], return_inverse=True)
    ratio = ratio_of_totals(np.bincount(place, products), np.bincount(place))
    return InformationCoefficient(ratio.interval(), int(known.sum()), ratio.n_blocks)


def _standard_ranks(values: Floats) -> Floats:
    """Return ranks of mean 0 and variance 1, of which equal values share the mean; NaN where all are equal."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks = middle[place]
    spread = ranks.std()
    return (ranks - ranks.mean()) / spread if spread > 0 else np.full(len(values), np.nan)


@dataclass(frozen=True)
class Deciles:
    """What followed the scores of each tenth, from the lowest to the highest; NaN where a tenth is empty.

    Attributes:
        bins: [10] how many bins.
        mean_score: [10] the mean of the scores.
        mean_move: [10] the mean move, ticks.
        hit_rate: [10] the share of the moves other than 0 that had the sign of the score.
    """

    bins: NDArray[np.int64]
    mean_score: Floats
    mean_move: Floats
    hit_rate: Floats


def deciles(scores: Floats, moves: Floats) -> Deciles:
    """Return what followed the scores [T] of each tenth; bins without a score or a move [T] are left out.

    A score belongs to tenth floor(10 (rank - 1/2)/N) of its mean rank among the N: equal scores are in the same one.
    """
    known = np.isfinite(scores) & np.isfinite(moves)
    shown, moved = scores[known], moves[known]
    _, place, counts = np.unique(shown, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - (counts - 1) / 2)[place]
    tenth = np.minimum((10 * (middle - 0.5) / max(len(shown), 1)).astype(np.int64), 9)
    bins = np.bincount(tenth, minlength=10)
    tells = (moved != 0) & (shown != 0)
    hits = np.bincount(tenth[tells], np.sign(moved[tells]) == np.sign(shown[tells]), minlength=10)
    with np.errstate(invalid="ignore"):
        return Deciles(
            bins,
            np.bincount(tenth, shown, minlength=10) / bins,
            np.bincount(tenth, moved, minlength=10) / bins,
            hits / np.bincount(tenth[tells], minlength=10),
        )
