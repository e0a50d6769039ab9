"""The probability of backtest overfitting, by combinatorially symmetric cross-validation (CSCV).

Bailey, Borwein, López de Prado and Zhu (Journal of Computational Finance, 2017): the segments are put in S groups of
neighbours, S even. Each choice of S/2 groups is one half, the others are the other half. In each half the candidate of
the best net mean is taken, and its rank in the other half is looked at: with rank r from 1 (worst) among the N
candidates that can be judged there, ω = r/(N + 1) and λ = ln(ω/(1 - ω)). PBO is the share of halves with λ <= 0: how
often the best of one half is at best average in the other. Choosing at random among candidates that are worth the same
gives one half.

The net mean of a half is the sum of its groups' ticks over that of their fires, so all halves of all candidates are
two products of matrices, [N, S] by [S, halves], made in chunks of halves that keep memory bounded.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.significance import LEAST_NET_FIRES
from vpharness.results.walk_forward.segments import History

FloatArray = NDArray[np.float64]

MOST_GROUPS: Final = 16
_LEAST_CANDIDATES: Final = 2
_VALUES_AT_ONCE: Final = 2**20
"""So many values [N, halves] are held at a time, in each of about ten arrays: under 100 MB."""
_SAME: Final = 1e-9
"""Net means that differ by no more, ticks, are equal: they share their ranks."""


@dataclass(frozen=True)
class Overfitting:
    """The probability of backtest overfitting, and what it is made of.

    Attributes:
        probability: share of halves with λ <= 0; NaN where no half could be judged.
        logits: [H] λ of each half that could be judged.
        chosen_net, later_net: [H] net mean of the half's best candidate in that half, and in the other one, ticks.
        n_groups: S.
        n_halves: how many halves there are; H of them could be judged.
        n_candidates: candidates that have enough fires in some half.
    """

    probability: float
    logits: FloatArray
    chosen_net: FloatArray
    later_net: FloatArray
    n_groups: int
    n_halves: int
    n_candidates: int

    @property
    def loss_share(self) -> float:
        """The share of halves whose best candidate loses in the other half; NaN where none could be judged."""
        return float(np.mean(self.later_net < 0)) if len(self.later_net) else math.nan


def overfitting(histories: Sequence[History], most_groups: int = MOST_GROUPS) -> Overfitting | None:
    """Return the probability of backtest overfitting of some candidates over all their segments.

    None where there are not two segments, or not two candidates that ran on all of them.
    """
    whole = [each for each in histories if all(own is not None for own in each.in_segments)]
    n_segments = len(whole[0].in_segments) if whole else 0
    n_groups = min(most_groups, n_segments) // 2 * 2
    if n_groups < 2 or len(whole) < _LEAST_CANDIDATES:  # two halves
        return None
    fires, earned = np.zeros((2, len(whole), n_segments))
    for row, each in enumerate(whole):
        for column, own in enumerate(each.in_segments):
            if own is not None and len(own.evidence.blocks.block):
                fires[row, column] = own.evidence.blocks.count("n_net").sum()
                earned[row, column] = own.evidence.blocks.tick("net_pnl").sum()
    edges = np.linspace(0, n_segments, n_groups + 1).round().astype(int)[:-1]
    return of_groups(np.add.reduceat(fires, edges, axis=1), np.add.reduceat(earned, edges, axis=1))


def of_groups(fires: FloatArray, earned: FloatArray, least_fires: int = LEAST_NET_FIRES) -> Overfitting:
    """Return the probability of backtest overfitting from net fires and ticks [N, S] of candidates in groups.

    A candidate can be judged in a half in which it has `least_fires`. Of those that can be judged in both halves the
    one with the best net mean is taken, of equals the first; halves without any are left out. Candidates with equal
    net means share the mean of their ranks.
    """
    # Equal rows are one row that counts several times, so that rounding does not tell them apart.
    rows, first, counts = np.unique(
        np.concatenate([fires, earned], axis=1), axis=0, return_index=True, return_counts=True
    )
    order = np.argsort(first)
    rows, weights = rows[order], counts[order].astype(np.float64)
    n_groups = fires.shape[1]
    fires, earned = rows[:, :n_groups], rows[:, n_groups:]
    # A candidate that lacks fires in the whole lacks them in every half.
    enough = fires.sum(axis=1) >= least_fires
    fires, earned, weights = fires[enough], earned[enough], weights[enough]
    n_halves = math.comb(n_groups, n_groups // 2)
    chunks = _chunks(n_groups, max(1, _VALUES_AT_ONCE // len(fires))) if len(fires) else iter(())
    found = [_of_halves(fires, earned, weights, halves, least_fires) for halves in chunks]
    logits, chosen, later = np.concatenate([np.zeros((3, 0)), *found], axis=1)
    probability = float(np.mean(logits <= 0)) if len(logits) else math.nan
    return Overfitting(probability, logits, chosen, later, n_groups, n_halves, int(weights.sum()))


def _chunks(n_groups: int, size: int) -> Iterator[FloatArray]:
    """Yield all halves of the groups, as columns of 0 and 1: [S, at most `size`]."""
    halves = itertools.combinations(range(n_groups), n_groups // 2)
    while some := list(itertools.islice(halves, size)):
        columns = np.zeros((n_groups, len(some)))
        columns[np.array(some).T, np.arange(len(some))] = 1.0
        yield columns


def _of_halves(
    fires: FloatArray, earned: FloatArray, weights: FloatArray, halves: FloatArray, least_fires: int
) -> FloatArray:
    """Return [3, H] λ, the net mean of the best candidate in each half, and its net mean in the other half."""
    here, there = fires @ halves, fires @ (1 - halves)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_here, mean_there = (earned @ halves) / here, (earned @ (1 - halves)) / there
    judged = there >= least_fires
    mean_there[~judged] = np.nan
    mean_here[(here < least_fires) | ~judged] = -np.inf
    best = _first_best(mean_here)
    columns = np.arange(halves.shape[1])
    kept = np.isfinite(mean_here[best, columns])
    best, columns = best[kept], columns[kept]
    mean_there, judged = mean_there[:, kept], judged[:, kept]
    own = mean_there[best, np.arange(len(best))]
    worse = weights @ (mean_there < own - _SAME)
    equal = weights @ (np.abs(mean_there - own) <= _SAME)
    rank = worse + (equal + 1) / 2
    share = rank / (weights @ judged + 1)
    return np.stack([np.log(share / (1 - share)), mean_here[best, columns], own])


def _first_best(means: FloatArray) -> NDArray[np.int64]:
    """Return for each column the first row whose mean is the best, but for rounding."""
    best: NDArray[np.int64] = np.argmax(means >= means.max(axis=0) - _SAME, axis=0)
    return best
