"""Fitting a learned signal: at every bin of its schedule, to the bins whose labels were known before."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.learning.earlier_datasets import EarlierBins
from vpharness.learning.schedule import fit_bins, training_bins
from vpharness.signals import FitError, FitsInForce, Fitted, LearnedParameters, Model

Floats = NDArray[np.float64]
_ALWAYS_NEEDED: Final = ("safetensors", "threadpoolctl")
"""What weights are kept with, and what keeps fits to one thread: another number of threads may add in another order."""


@dataclass(frozen=True, eq=False)
class FitAt:
    """A fit of a schedule.

    Attributes:
        bin: the bin at whose beginning it takes place: it knows those before, and scores from this one on.
        first, last: the first and the last bin that it was fitted on; -1 is the last one of the dataset before.
        rows: how many bins it was fitted on.
        fitted: its weights and training loss.
    """

    bin: int
    first: int
    last: int
    rows: int
    fitted: Fitted


def fits_of(
    model: Model,
    params: LearnedParameters,
    features: Floats,
    labels: Floats,
    cell_width_ms: float,
    report: Callable[[int, int], None] | None = None,
    earlier: EarlierBins | None = None,
) -> Iterator[FitAt]:
    """Yield the fits of a run, in the order of time.

    Args:
        model: what is fitted.
        params: its parameters, the label's and the schedule's.
        features: [T, F], NaN where the book is not valid.
        labels: [T], NaN where they are not known.
        cell_width_ms: the length of a bin.
        report: is called with the number of fits done and of all, after each.
        earlier: the bins of the datasets before, where it is fitted on these.

    Raises ConfigError where a package is missing that the model is fitted with.
    """
    require_packages(model)
    places = fit_bins(params, len(labels), cell_width_ms)
    for number, place in enumerate(places):
        found = fit_at(model, params, features, labels, place, earlier)
        if found is not None:
            yield found
        if report is not None:
            report(number + 1, len(places))


def fit_at(
    model: Model,
    params: LearnedParameters,
    features: Floats,
    labels: Floats,
    fit_bin: int,
    earlier: EarlierBins | None = None,
) -> FitAt | None:
    """Return the fit at a bin; None where too few bins are labelled, or the model cannot be fitted to these.

    Nothing from the fit's bin on is looked at.
    """
    if earlier is None:
        usable = training_bins(params, fit_bin)
        rows, wanted = features[usable.start : usable.stop], labels[usable.start : usable.stop]
    else:
        usable, held = training_bins(params, fit_bin, len(earlier)), len(earlier)
        rows = earlier.features[usable.start + held : usable.stop + held].astype(np.float64)
        wanted = earlier.labels[usable.start + held : usable.stop + held]
    # A bin without a valid book has no feature at all; a missing feature of another is for the model.
    known = np.isfinite(rows)
    shown = known.any(axis=1) if model.takes_missing else known.all(axis=1)
    (places,) = np.nonzero(np.isfinite(wanted) & shown)
    if len(places) < params.min_train_bins:
        return None
    try:
        with _one_thread():
            fitted = model.fit(np.ascontiguousarray(rows[places]), np.ascontiguousarray(wanted[places]), params)
    except FitError:
        return None
    return FitAt(fit_bin, usable.start + int(places[0]), usable.start + int(places[-1]), len(places), fitted)


def _one_thread() -> contextlib.AbstractContextManager[Any]:
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  # of the extra `learn`

    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits


def in_force(model: Model, fits: Sequence[FitAt], valid: NDArray[np.bool_]) -> FitsInForce:
    """Return fits as a scorer takes them, which is shown the valid bins alone."""
    before = np.concatenate([[0], np.cumsum(valid)])
    return FitsInForce(
        model, tuple(int(before[each.bin]) for each in fits), tuple(each.fitted.weights for each in fits)
    )


def missing_packages(model: Model) -> list[str]:
    """Return the packages that a model is fitted and kept with, and that are not installed."""
    return [name for name in (*model.packages, *_ALWAYS_NEEDED) if importlib.util.find_spec(name) is None]


def require_packages(model: Model) -> None:
    """Raise ConfigError where a package is missing that a model is fitted or kept with."""
    if missing := missing_packages(model):
        raise ConfigError(missing_sentence(model, missing))


def missing_sentence(model: Model, missing: Sequence[str]) -> str:
    """Return what to do about packages of a model that are missing."""
    return f"the model {model.name} needs {', '.join(missing)}: pip install 'vpharness[learn]'"
