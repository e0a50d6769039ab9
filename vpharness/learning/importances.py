"""Permutation importances: how much worse a learned signal's scores agree with labels once a feature is shuffled.

For feature f the blocks of time are put into a random order, and each bin is given the value of f of the bin that comes
to stand in its place; all other features stay. The values keep their distribution, and within a block their order, but
belong to another time. With r the standard ranks of the scores in force, r' those of the shuffled rows and l those of
the labels, the importance is Σ(r - r')l / N: what Spearman's coefficient loses. Its interval is over blocks. It is of
the bins of the training part, scored by fits before them, as they were in the run.

Features that say the same share their importance: shuffling one leaves the others to the model.
"""

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.information_coefficient import block_totals, standard_ranks
from vpharness.evaluation.intervals import Interval, ratio_of_totals
from vpharness.learning.learned_run import LearnedRun
from vpharness.signals import FitsInForce

Floats = NDArray[np.float64]
MOST_BINS: Final = 4_000
"""Of more bins every n-th one is looked at: neighbours say nearly the same."""
LEAST_BINS: Final = 100


@dataclass(frozen=True)
class Importance:
    """What the coefficient of scores and labels loses without a feature.

    Attributes:
        feature: its place among the features, from 0.
        loss: with its interval over blocks.
    """

    feature: int
    loss: Interval


def permutation_importances(
    run: LearnedRun, bins: NDArray[np.int64], wanted: Floats, blocks: NDArray[np.int64], *, seed: int = 0
) -> list[Importance]:
    """Return the importance of each feature, the largest first; none where too few bins have a score.

    Args:
        run: the run.
        bins: [n] ascending, the bins that are looked at, with a finite score each.
        wanted: [n] their labels.
        blocks: [n] the blocks that they lie in.
        seed: of the order of blocks.
    """
    step = -(-len(bins) // MOST_BINS)
    every = slice(None, None, max(step, 1))
    bins, wanted, blocks = bins[every], wanted[every], blocks[every]
    if len(bins) < LEAST_BINS:
        return []
    rng, ranks = np.random.default_rng(seed), standard_ranks(wanted)
    before = standard_ranks(_scores(run, run.features[bins], bins))
    found = []
    for feature in range(run.features.shape[1]):
        rows = run.features[bins].copy()
        rows[:, feature] = rows[shuffled_blocks(blocks, rng), feature]
        after = standard_ranks(_scores(run, rows, bins))
        loss = ratio_of_totals(*block_totals((before - np.nan_to_num(after)) * ranks, blocks)).interval()
        found.append(Importance(feature, loss))
    return sorted(found, key=lambda each: -np.nan_to_num(each.loss.mean, nan=-np.inf))


def shuffled_blocks(blocks: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return places [n] in which whole blocks have another order, and those of each block their own."""
    starts = np.flatnonzero(np.diff(blocks, prepend=blocks[0] - 1))
    stretches = np.split(np.arange(len(blocks)), starts[1:])
    return np.concatenate([stretches[place] for place in rng.permutation(len(stretches))])


def _scores(run: LearnedRun, rows: Floats, bins: NDArray[np.int64]) -> Floats:
    """Return the scores [n] of rows of features at bins, each by the fit in force there."""
    if run.signal.combination is not None:
        # What combines a model's outputs looks from bin to bin: it needs all of them.
        changed = run.features.copy()
        changed[bins] = rows
        return dataclasses.replace(run, features=changed).scores()[bins]
    found = np.full(len(bins), np.nan)
    fit_of = np.searchsorted([fit.bin for fit in run.fits], bins, side="right") - 1
    for place in np.unique(fit_of[fit_of >= 0]).tolist():
        own = fit_of == place
        found[own] = FitsInForce.always(run.signal.model, run.fits[place].fitted.weights).scores(rows[own], 0)
    return found
