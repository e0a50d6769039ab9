"""Fits to labels that were shuffled in blocks: what scores then seem to know, they have from nowhere.

The labels of a fit's training bins are put into another order, block by block, and the model is fitted to them; its
scores of the bins behind the fit are compared with the moves that followed. Over several shuffles the mean coefficient
is 0 where nothing but labels tells a model which way prices go. Where it is not, features, scaling or the comparison
itself tell it: then a coefficient of the signal as it is would prove nothing.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from vpharness.evaluation.information_coefficient import information_coefficient, moves_ahead
from vpharness.evaluation.intervals import Interval, half_width
from vpharness.learning.fitting import fit_at
from vpharness.learning.importances import shuffled_blocks
from vpharness.learning.labels import labels_of
from vpharness.learning.learned_run import LearnedRun
from vpharness.signals import FitsInForce
from vpharness.signals.core.learned import NONE

SHUFFLES: Final = 20
"""So many show that scores know nothing; fewer can only show that they know something."""
CONFIDENCE: Final = 0.999
"""So that an audit rarely fails by chance: once in a thousand."""
_REACHES_A_BLOCK: Final = 4


@dataclass(frozen=True)
class ShuffledLabels:
    """The results of fits to shuffled labels.

    Attributes:
        coefficients: of each shuffle.
        interval: of their mean, at `CONFIDENCE`.
    """

    coefficients: tuple[float, ...]
    interval: Interval

    @property
    def is_decided(self) -> bool:
        """Whether these are enough to tell: a few say nothing where they find nothing."""
        return not self.passed or len(self.coefficients) >= SHUFFLES

    @property
    def passed(self) -> bool:
        """Whether they are about 0 in the mean."""
        return self.interval.low <= 0 <= self.interval.high


def shuffled_labels(run: LearnedRun, shuffles: int = SHUFFLES, seed: int = 0) -> ShuffledLabels | None:
    """Return the coefficients of scores that were fitted to shuffled labels, over the bins behind the middle fit.

    None where the run has no fit, its model no labels or no score of its own, or its fits are on earlier datasets.
    """
    params, view, model = run.params, run.view, run.signal.model
    if not run.fits or params.label == NONE or model.outputs or run.earlier is not None:
        return None
    place = run.fits[len(run.fits) // 2].bin
    labels, rng, found = labels_of(view, params), np.random.default_rng(seed), list[float]()
    block = _REACHES_A_BLOCK * params.reach_bins
    mid = np.where(view.has_mid, view.mid, np.nan) / view.tick_size
    moves = moves_ahead(mid, params.reach_bins)[place:]
    for _ in range(shuffles):
        changed = labels.copy()
        known = np.flatnonzero(np.isfinite(labels[: place - params.reach_bins]))
        changed[known] = labels[known][shuffled_blocks(known // block, rng)]
        fit = fit_at(model, params, run.features, changed, place)
        if fit is None:
            continue
        scores = FitsInForce.always(model, fit.fitted.weights).scores(run.features[place:], 0)
        each = information_coefficient(scores, moves, np.arange(len(moves)) // block).interval.mean
        found.append(0.0 if math.isnan(each) else each)
    if len(found) < 2:
        return None
    mean, error = float(np.mean(found)), float(np.std(found, ddof=1)) / math.sqrt(len(found))
    half = half_width(error, len(found), CONFIDENCE)
    return ShuffledLabels(tuple(found), Interval(mean, max(mean - half, -1.0), min(mean + half, 1.0)))
