"""The label of each bin: what a learned signal is fitted to predict, from the mid of later bins."""

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation import DatasetView, first_passage_tables
from vpharness.signals import LearnedParameters
from vpharness.signals.core.learned import MOVE, NONE


def labels_of(view: DatasetView, params: LearnedParameters) -> NDArray[np.float64]:
    """Return the labels [T]; NaN where the full reach is not in the data, and where there is no mid.

    `move`: mid_{t+h} - mid_t in ticks. `touch`: +1 where the mid rises by `label_ticks`, compared as barriers are,
    before it falls by as much, within the next `label_bins`; -1 where it falls first; 0 where it does neither. `none`:
    0, for models that need no label.
    """
    bins, reach = view.n_bins, params.reach_bins
    found = np.full(bins, np.nan)
    if bins <= reach:
        return found
    has_mid = view.has_mid
    if params.label == NONE:
        return np.where(has_mid, 0.0, np.nan)
    if params.label == MOVE:
        mid = np.where(has_mid, view.mid, np.nan) / view.tick_size
        found[: bins - reach] = mid[reach:] - mid[: bins - reach]
        return found
    tables = first_passage_tables(view, (params.label_ticks,), reach + 1)
    rise, fall = (np.asarray(side[0])[:bins] for side in (tables.rises, tables.falls))
    touched = np.where((rise < fall) & (rise <= reach), 1.0, np.where((fall < rise) & (fall <= reach), -1.0, 0.0))
    found[: bins - reach] = np.where(has_mid, touched, np.nan)[: bins - reach]
    return found
