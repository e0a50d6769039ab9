"""The datasets before one, as a fit at the beginning of that one sees them: features and labels, in the order of time.

Their bins are counted backwards from it: bin -1 is the last one of the dataset before. A label that would reach out of
its own dataset is missing, so that none reaches the fit, whatever lies between two sessions.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.datasets.find import Dataset
from vpharness.datasets.read import load
from vpharness.evaluation.dataset_view import DatasetView, view_of_bins
from vpharness.learning.labels import labels_of
from vpharness.signals import LearnedParameters, LearnedSignal, body_parameters, features

_KEPT_BYTES: Final = 2**29
"""Of features of earlier datasets, which the fits of later ones share; in single precision, which is what they have."""


@dataclass(frozen=True, eq=False)
class EarlierBins:
    """The bins of earlier datasets that a fit may look at: features [E, F] and labels [E], the last one is bin -1."""

    features: NDArray[np.float32]
    labels: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class EarlierDatasets:
    """The datasets before one, in the order of time."""

    datasets: tuple[Dataset, ...]

    @property
    def identity(self) -> list[dict[str, str]]:
        """What weights that are fitted on them depend on: their ids and checksums."""
        return [{"id": each.manifest.dataset_id, "checksum": each.checksum} for each in self.datasets]

    def bins(self, signal: LearnedSignal[Any], params: LearnedParameters) -> EarlierBins:
        """Return what a fit may look at: of the last `train_window_bins`, where these are given.

        Raises DatasetError where a dataset cannot be read.
        """
        parts: list[tuple[NDArray[np.float32], NDArray[np.float64]]] = []
        held, window = 0, params.train_window_bins
        for dataset in reversed(self.datasets):
            if window is not None and held >= window:
                break
            view = _view(dataset)
            parts.insert(0, (_KEPT.features(signal, params, dataset, view), labels_of(view, params)))
            held += view.n_bins
        return EarlierBins(np.concatenate([each for each, _ in parts]), np.concatenate([each for _, each in parts]))


def labelled_bins(params: LearnedParameters, bins: Sequence[int]) -> int:
    """Return how many bins of earlier datasets, of so many bins each, have a label that a fit at bin 0 may use."""
    window, found = params.train_window_bins, 0
    for number in reversed(bins):
        reached = number if window is None else min(number, window)
        found += max(reached - params.reach_bins, 0)
        window = None if window is None else window - reached
    return max(found - params.embargo_bins, 0)


def _view(dataset: Dataset) -> DatasetView:
    manifest = dataset.manifest
    return view_of_bins(
        load(dataset).bins,
        name=manifest.dataset_id,
        checksum=dataset.checksum,
        span=(manifest.first_bin_start_ns, manifest.last_bin_end_ns),
        tick_size=manifest.tick_size,
        cell_width_ms=manifest.cell_width_ms,
        has_best_prices=manifest.has_best_prices,
    )


class _KeptFeatures:
    """Features of datasets, the least recently used of which go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str], NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def features(
        self, signal: LearnedSignal[Any], params: LearnedParameters, dataset: Dataset, view: DatasetView
    ) -> NDArray[np.float32]:
        """Return the features [T, F] of a signal on a dataset."""
        parameters = json.dumps(body_parameters(params), sort_keys=True)
        key = dataset.checksum, f"{signal.body.__module__}.{signal.name} {id(signal)}", parameters
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        loaded = load(dataset, signal.columns)
        shown = signal.with_series(loaded.grid, loaded.bins, view.tick_size)
        found = features(signal, params, shown, cell_width_ms=view.cell_width_ms, valid=view.book_valid)
        with self._lock:
            self._kept[key] = made = found.astype(np.float32)
            while sum(each.nbytes for each in self._kept.values()) > _KEPT_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return made


_KEPT: Final = _KeptFeatures()
