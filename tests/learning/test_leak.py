"""What it is worth to fit to labels that are not known yet: on noise a leaking fit predicts, a purged one does not."""

from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from tests.learning.market import bins_and_columns
from tests.naive_operators import naive_mean
from vpharness.learning import fit_bins, labels_of, training_bins
from vpharness.signals import FitsInForce
from vpharness.signals.core.fits_in_force import rounded
from vpharness.signals.models import Knn

BINS: Final = 9_000
MARKETS: Final = 12
HORIZON: Final = 100

Floats = NDArray[np.float64]


def coefficients(seed: int) -> tuple[float, float]:
    """Return the information coefficients of a purged and a leaking fit on a market that wanders without direction."""
    view, _ = bins_and_columns(BINS, seed)
    p: Any = Knn(
        label="touch",
        label_ticks=4.0,
        label_bins=HORIZON,
        first_fit_bins=1_800,
        refit_every_bins=300,
        max_neighbours_kept=2_000,
    )
    mid = np.where(view.book_valid, view.mid, np.nan) / view.tick_size
    last = np.maximum.accumulate(np.where(view.book_valid, np.arange(BINS), 0))
    moves = np.diff(mid[last], prepend=mid[last][0])
    features = rounded(np.stack([naive_mean(moves, window) for window in (20, 100, 600)], axis=1))
    labels = labels_of(view, p)
    later = np.full(BINS, np.nan)
    later[:-HORIZON] = mid[HORIZON:] - mid[:-HORIZON]
    scores = [np.full(BINS, np.nan) for _ in range(2)]
    for place in fit_bins(p, BINS, view.cell_width_ms):
        purged = training_bins(p, place)
        for found, usable in zip(scores, (purged, range(purged.start, place)), strict=True):
            known = np.array([t for t in usable if np.isfinite(labels[t])])
            weights = p.MODEL.fit(features[known], labels[known], p).weights
            found[place : place + 300] = FitsInForce.always(p.MODEL, weights).scores(features[place : place + 300], 0)
    judged = np.isfinite(later) & np.isfinite(scores[0])
    purged_ic, leaking_ic = (float(spearmanr(each[judged], later[judged]).statistic) for each in scores)
    return purged_ic, leaking_ic


@pytest.mark.slow
def test_a_leaking_fit_predicts_noise_and_a_purged_one_does_not() -> None:
    """Nearest neighbours of slow features are the bins just before, whose labels the leaking fit knows."""
    found = np.array([coefficients(seed) for seed in range(MARKETS)])
    mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / MARKETS**0.5
    print(f"purged {mean[0]:.3f} ± {error[0]:.3f}, leaking {mean[1]:.3f} ± {error[1]:.3f}")
    assert abs(mean[0]) < 3 * error[0]
    assert mean[1] > 5 * error[1]
    assert (found[:, 1] > found[:, 0]).all()
