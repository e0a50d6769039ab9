"""When a learned signal is fitted, and which bins a fit may look at."""

from vpharness.signals import LearnedParameters
from vpharness.signals.core.learned import DATASET


def fit_bins(params: LearnedParameters, bins: int, cell_width_ms: float) -> range:
    """Return the bins of a dataset of so many at which a fit takes place, if it has enough labels."""
    if params.refit_every == DATASET:
        return range(min(bins, 1))
    return range(params.first_fit_bins, bins, params.every_bins(cell_width_ms))


def training_bins(params: LearnedParameters, fit_bin: int, earlier: int = 0) -> range:
    """Return the bins t that a fit may use: of the last `train_window_bins`, t + reach + embargo < the fit's bin.

    The reach is the label's full one, whether or not it was decided earlier: which labels take part must not depend on
    what they turned out to be. Before bin 0 there are `earlier` bins, numbered backwards from -1.
    """
    window = fit_bin + earlier if params.train_window_bins is None else params.train_window_bins
    start = max(-earlier, fit_bin - window)
    return range(start, max(start, fit_bin - params.reach_bins - params.embargo_bins))
