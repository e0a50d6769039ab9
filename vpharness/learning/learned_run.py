"""A learned signal on a dataset: its features, its fits, and the scores that follow from both."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError, DatasetError
from vpharness.evaluation import DatasetView
from vpharness.learning.earlier_datasets import EarlierDatasets
from vpharness.learning.fitting import FitAt, fits_of, in_force
from vpharness.learning.labels import labels_of
from vpharness.learning.stored_weights import RECENT, StoredWeights
from vpharness.learning.weights_store import (
    Card,
    keep_schedule,
    keep_weights,
    read_schedule,
    read_weights,
    weights_name,
)
from vpharness.signals import (
    FitsInForce,
    Fitted,
    LearnedParameters,
    LearnedSignal,
    Model,
    body_parameters,
    combination_scorer,
    digest,
    outputs_as_columns,
    score_parameters,
)
from vpharness.signals.core.learned import DATASET

LEARNING_VERSION: Final = 1
"""Raised by hand where the same features would be labelled, chosen or fitted in another way than before."""
_SCORED_BINS: Final = 8_192
"""Bins whose features are copied at once, when they are scored: a multiple of what a model is given at once."""
_DISTRIBUTIONS: Final = {"sklearn": "scikit-learn", "xgboost": "xgboost-cpu"}
"""Packages whose import has another name."""


def model_identity(model: Model) -> dict[str, Any]:
    """Return what weights depend on besides data and parameters: the model, its version and those of its packages."""
    names = ("numpy", "jax", *model.packages)
    return {
        "learning_version": LEARNING_VERSION,
        "model": model.name,
        "model_version": model.version,
        "packages": {name: _version(name) for name in names},
    }


def _version(name: str) -> str | None:
    try:
        return version(_DISTRIBUTIONS.get(name, name))
    except PackageNotFoundError:
        return None


@dataclass(frozen=True, eq=False)
class FitRecord:
    """A fit with its digest and its card.

    Attributes:
        fit: the fit.
        digest: the name of its weights, as the store has it, whether or not they could be kept.
        card: what it was fitted on, when, how, and by what.
    """

    fit: FitAt
    digest: str
    card: Card


@dataclass(frozen=True, eq=False)
class LearnedRun:
    """A learned signal with its parameters on a dataset of T bins.

    Attributes:
        signal: the signal.
        params: its parameters.
        features: [T, F], NaN where the book is not valid.
        view: the dataset's bins as evaluation reads them.
        fits: its fits, in the order of time.
        digests: the names of their weights in the store; empty where nothing could be kept.
        earlier: the datasets before, where it is fitted on these.
    """

    signal: LearnedSignal[Any]
    params: LearnedParameters
    features: NDArray[np.float64]
    view: DatasetView
    fits: tuple[FitAt, ...]
    digests: tuple[str, ...]
    earlier: EarlierDatasets | None = None

    @classmethod
    def of(
        cls,
        signal: LearnedSignal[Any],
        params: LearnedParameters,
        features: NDArray[np.float64],
        view: DatasetView,
        models: Path | None,
        earlier: EarlierDatasets | None = None,
        report: Callable[[int, int], None] | None = None,
    ) -> "LearnedRun":
        """Fit a signal on a dataset, or read the fits that an earlier run has left in `models`.

        Weights that are kept are read again when they are used, so that memory does not grow with the number of fits.

        Args:
            signal: the signal.
            params: its parameters.
            features: [T, F] on the dataset.
            view: the dataset's bins.
            models: the folder of weights; None: nothing is kept.
            earlier: the datasets before, for a signal that is fitted on these.
            report: is called with the number of fits done and of all, after each.

        Raises ConfigError where a package is missing, or a signal that is fitted on earlier datasets is given none, and
        DatasetError where kept weights are damaged.
        """
        if params.refit_every == DATASET and earlier is None:
            raise ConfigError(needs_collection(signal.name))
        key = schedule_key(signal, params, view.checksum, earlier)
        known = None if models is None else read_schedule(models, key)
        if models is not None and known is not None:
            fits = tuple(_read_fit(models, name) for name in known)
            return cls(signal, params, features, view, fits, tuple(known), earlier)
        labels, width_ms = labels_of(view, params), view.cell_width_ms
        before = None if earlier is None else earlier.bins(signal, params)
        found = fits_of(signal.model, params, features, labels, width_ms, report, before)
        cards = ((each, _card(signal, params, view, each, earlier)) for each in found)
        fits, names = _kept(models, key, cards)
        return cls(signal, params, features, view, fits, names, earlier)

    def scores(self) -> NDArray[np.float64]:
        """Return the scores [T]; NaN where the book is not valid, and before the first fit."""
        valid = self.view.book_valid
        found, outputs = np.full(len(valid), np.nan), self.outputs()
        combined = combination_scorer(self.signal, self.params, self.view.cell_width_ms)
        if combined is None:
            found[valid] = outputs
            return found
        scores = np.asarray(combined.step(combined.start(), outputs_as_columns(combined.series, outputs))[1])
        found[valid] = np.where(np.isnan(outputs).any(axis=1), np.nan, scores)
        return found

    def newest_fit(self, stop: int) -> FitRecord | None:
        """Return the fit that is in force at the end of the bins before `stop`; None where there is none."""
        before = [fit for fit in self.fits if fit.bin < stop]
        if not before:
            return None
        card = _card(self.signal, self.params, self.view, before[-1], self.earlier)
        return FitRecord(before[-1], weights_name(before[-1].fitted.weights, card), card)

    @property
    def in_force(self) -> FitsInForce:
        """Its fits as a scorer takes them."""
        return in_force(self.signal.model, self.fits, self.view.book_valid)

    def outputs(self) -> NDArray[np.float64]:
        """Return what the model gives at the valid bins: scores [n], or its outputs [n, M]."""
        (valid,), force = np.nonzero(self.view.book_valid), self.in_force
        if not len(valid):
            return force.scores(self.features[valid], 0)
        # Cut where a fit comes into force, and from there on by whole blocks: what is scored at once stays the same.
        edges = sorted({0, len(valid), *(first for first in force.firsts if first < len(valid))})
        cuts = [start for first, last in itertools.pairwise(edges) for start in range(first, last, _SCORED_BINS)]
        stops = [*cuts[1:], len(valid)]
        return np.concatenate(
            [force.scores(self.features[valid[cut:stop]], cut) for cut, stop in zip(cuts, stops, strict=True)]
        )


def needs_collection(name: str) -> str:
    """Return why a signal that is fitted on earlier datasets cannot be fitted without any."""
    return (
        f"signal {name} has refit_every=dataset: it is fitted on the datasets before one in a collection, and here are "
        "none; give dataset.collection=ID, or signal.refit_every=bins"
    )


def schedule_key(
    signal: LearnedSignal[Any], params: LearnedParameters, checksum: str, earlier: EarlierDatasets | None = None
) -> str:
    """Return the key of all that the fits of a run on a dataset follow from: runs with equal ones share them."""
    parts = {
        "dataset": checksum,
        **({} if earlier is None else {"earlier": earlier.identity}),
        "features": digest(signal, params),
        "parameters": score_parameters(params),
        **model_identity(signal.model),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _card(
    signal: LearnedSignal[Any],
    params: LearnedParameters,
    view: DatasetView,
    fit: FitAt,
    earlier: EarlierDatasets | None = None,
) -> Card:
    """Return the card of a fit: what it was fitted on, when, how, and by what."""
    of_fit = {name: value for name, value in score_parameters(params).items() if name in params.outside_the_body()}
    width_ns = round(view.cell_width_ms * 1_000_000)
    return {
        "signal": signal.name,
        "features": {"digest": digest(signal, params), "parameters": body_parameters(params)},
        "dataset": {"name": view.name, "checksum": view.checksum},
        **({} if earlier is None else {"fitted_on": earlier.identity}),
        "parameters": of_fit,
        "fit": {
            "bin": fit.bin,
            "time_ns": view.span[0] + fit.bin * width_ns,
            "first_training_bin": fit.first,
            "last_training_bin": fit.last,
            "training_bins": fit.rows,
            "training_loss": fit.fitted.training_loss,
        },
        **model_identity(signal.model),
    }


def _kept(
    models: Path | None, key: str, fits: Iterable[tuple[FitAt, Card]]
) -> tuple[tuple[FitAt, ...], tuple[str, ...]]:
    """Return fits, and the names of their weights where all could be written, each once it is done.

    A lake that cannot be written to is no reason to fail: then they stay in memory.
    """
    found, names = list[FitAt](), list[str]()
    for fit, card in fits:
        name = None if models is None else _written(models, fit, card)
        if models is None or name is None:
            found.append(fit)
            continue
        names.append(name)
        found.append(_stored(models, name, fit))
    if models is None or len(names) < len(found):
        return tuple(found), ()
    try:
        keep_schedule(models, key, names)
    except OSError:
        return tuple(found), ()
    return tuple(found), tuple(names)


def _written(models: Path, fit: FitAt, card: Card) -> str | None:
    """Write the weights of a fit, and return their name; None where that cannot be done."""
    try:
        return keep_weights(models, fit.fitted.weights, card)
    except (DatasetError, OSError):
        return None


def _stored(models: Path, name: str, fit: FitAt) -> FitAt:
    """Return a fit whose weights are read when they are used."""
    RECENT.put(models, name, fit.fitted.weights)
    fitted = dataclasses.replace(fit.fitted, weights=StoredWeights(models, name))
    return dataclasses.replace(fit, fitted=fitted)


def _read_fit(models: Path, name: str) -> FitAt:
    weights, card = read_weights(models, name)
    told: Mapping[str, Any] = card["fit"]
    RECENT.put(models, name, weights)
    return FitAt(
        told["bin"],
        told["first_training_bin"],
        told["last_training_bin"],
        told["training_bins"],
        Fitted(StoredWeights(models, name), told["training_loss"]),
    )


def with_garbage(view: DatasetView, first: int, seed: int) -> DatasetView:
    """Return a dataset whose mid is garbage from a bin on, so that every label that reaches it is."""
    rng, mid = np.random.default_rng(seed), view.mid.copy()
    kept = mid[:first] if first else mid  # what lies before, where there is anything
    mid[first:] = np.abs(kept.mean()) * rng.lognormal(size=len(mid) - first)
    return dataclasses.replace(view, mid=mid)
