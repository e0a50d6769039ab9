"""Labels as classes, and the score of class probabilities: P(up) - P(down)."""

from typing import Any, Final

import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.signals.core.learned import FitError

CLASSES: Final = "classes"


def classes_of(labels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the labels that there are, [C] ascending of -1, 0, 1, and the place of each bin's among them, [N].

    Raises FitError where all labels are equal: nothing could be told apart.
    """
    kinds, places = np.unique(labels, return_inverse=True)
    if len(kinds) < 2:
        raise FitError(f"all {len(labels)} labels are {kinds[0]:g}")
    return kinds, places.astype(np.int64)


def expected_sign(kinds: Array, probabilities: Array) -> Array:
    """Return P(up) - P(down), [T], from the labels [C] that there are and their probabilities [T, C]."""
    return (probabilities * kinds[None, :]).sum(axis=1)


def log_loss(probabilities: NDArray[np.float64], places: NDArray[np.int64]) -> float:
    """Return the mean log loss of probabilities [N, C] of the classes at `places` [N]."""
    chosen: NDArray[Any] = probabilities[np.arange(len(places)), places]
    return float(-np.mean(np.log(np.maximum(chosen, 1e-300))))
