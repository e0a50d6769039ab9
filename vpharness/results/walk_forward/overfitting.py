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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.significance import LEAST_NET_FIRES
from vpharness.results.walk_forward.choosing import WindowSums

FloatArray = NDArray[np.float64]

MOST_GROUPS: Final = 16
FEW_GROUPS: Final = 8
"""With fewer groups there are at most 20 halves, most of which share their segments: PBO means little."""
LEAST_GROUPS: Final = 4
"""With two, each half is one segment, and there is one way to cut: no share can be made of it."""
_LEAST_CANDIDATES: Final = 2
_VALUES_AT_ONCE: Final = 2**16
"""So many values [N, halves] are held at a time, in each of about ten arrays: they stay in the processor's cache."""
_MULTIPLIED_AT_ONCE: Final = 2**18
"""Multiplications of a product of matrices up to which OpenBLAS uses one thread."""
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
    def undefined(self) -> str:
        """Why there is no such probability, as a clause; "" where there is one."""
        if self.n_groups < LEAST_GROUPS:
            return f"{LEAST_GROUPS} segments or more are needed, for a half to be more than one of them"
        if self.n_candidates < _LEAST_CANDIDATES:
            return f"fewer than {_LEAST_CANDIDATES} candidates have enough fires to be ranked"
        return "" if len(self.logits) else "no candidate has enough fires in both halves of the segments"

    @property
    def loss_share(self) -> float:
        """The share of halves whose best candidate loses in the other half; NaN where none could be judged."""
        return float(np.mean(self.later_net < 0)) if len(self.later_net) else math.nan


def overfitting(sums: WindowSums, ran: NDArray[np.bool_], most_groups: int = MOST_GROUPS) -> Overfitting | None:
    """Return the probability of backtest overfitting of candidates over all segments.

    Args:
        sums: of the candidates.
        ran: [C, T] whether each candidate ran on each segment; those that ran on all of them count.
        most_groups: the greatest number of groups.

    None where there are not two segments, or not two candidates that ran on all of them.
    """
    whole = ran.all(axis=1)
    n_segments = ran.shape[1]
    n_groups = min(most_groups, n_segments) // 2 * 2
    if n_groups < 2 or np.count_nonzero(whole) < _LEAST_CANDIDATES:  # two halves
        return None
    edges = np.linspace(0, n_segments, n_groups + 1).round().astype(int)[:-1]
    fires, earned = (np.add.reduceat(each[whole], edges, axis=1) for each in (sums.fires, sums.earned))
    return of_groups(fires, earned)


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
    found = [each for halves in chunks for each in _of_halves(fires, earned, weights, halves, least_fires)]
    logits, chosen, later = np.concatenate([np.zeros((3, 0)), *found], axis=1)
    probability = float(np.mean(logits <= 0)) if len(logits) else math.nan
    return Overfitting(probability, logits, chosen, later, n_groups, n_halves, int(weights.sum()))


def _chunks(n_groups: int, size: int) -> Iterator[FloatArray]:
    """Yield the halves that hold the first group, as columns of 0 and 1: [S, at most `size`]; the rest is opposite."""
    halves = itertools.combinations(range(1, n_groups), n_groups // 2 - 1)
    while some := list(itertools.islice(halves, size)):
        columns = np.zeros((n_groups, len(some)))
        columns[0] = 1.0
        columns[np.array(some, np.int64).reshape(len(some), -1).T, np.arange(len(some))] = 1.0
        yield columns


def _product(values: FloatArray, halves: FloatArray) -> FloatArray:
    """Return [N, halves] the product of [N, S] and [S, halves]."""
    # In pieces that BLAS does not share among threads, which would wait for one another busily.
    width = max(1, _MULTIPLIED_AT_ONCE // values.size)
    found = np.empty((len(values), halves.shape[1]))
    for start in range(0, halves.shape[1], width):
        found[:, start : start + width] = values @ halves[:, start : start + width]
    return found


def _of_halves(
    fires: FloatArray, earned: FloatArray, weights: FloatArray, halves: FloatArray, least_fires: int
) -> Iterator[FloatArray]:
    """Yield [3, H] λ, the net mean of each half's best candidate there, and in the other half; then the other way."""
    here = _product(fires, halves)
    there = fires.sum(axis=1)[:, None] - here
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_here = _product(earned, halves)
        mean_there = (earned.sum(axis=1)[:, None] - mean_here) / there
        mean_here /= here
    judged_here, judged_there = here >= least_fires, there >= least_fires
    mean_here[~judged_here], mean_there[~judged_there] = np.nan, np.nan
    yield _of_best(mean_here, mean_there, judged_here, judged_there, weights)
    yield _of_best(mean_there, mean_here, judged_there, judged_here, weights)


def _of_best(
    own: FloatArray,
    other: FloatArray,
    judged_own: NDArray[np.bool_],
    judged_other: NDArray[np.bool_],
    weights: FloatArray,
) -> FloatArray:
    """Return [3, H] λ of the best candidate of each half, and its net means, from net means [N, H] in both halves.

    Means are NaN where a candidate cannot be judged.
    """
    both = judged_own & judged_other
    means = own if both.all() else np.where(both, own, -np.inf)
    columns = np.flatnonzero(both.any(axis=0))
    if len(columns) < means.shape[1]:
        means, own, other, judged_other = (
            means[:, columns],
            own[:, columns],
            other[:, columns],
            judged_other[:, columns],
        )
    # Of those whose mean is the best, but for rounding, the first is taken.
    best = np.argmax(means >= means.max(axis=0, initial=-np.inf) - _SAME, axis=0)
    place = np.arange(len(columns))
    found = other[best, place]
    worse = _counted(other < found - _SAME, weights)
    equal = _counted(other <= found + _SAME, weights) - worse
    share = (worse + (equal + 1) / 2) / (_counted(judged_other, weights) + 1)
    return np.stack([np.log(share / (1 - share)), own[best, place], found])


def _counted(which: NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    """Return [H] the summed weights of the rows in which each column is true."""
    several = weights > 1
    found: FloatArray = np.count_nonzero(which, axis=0).astype(np.float64)
    return found + (weights[several] - 1) @ which[several] if several.any() else found
