"""Features in units of their deviation over the training bins: the scaler is part of the weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jax import Array
from numpy.typing import NDArray

MEAN, DEVIATION = "feature_mean", "feature_std"


def scaler_of(features: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return the means and population deviations [F] of features [N, F]; 1 where a feature is constant."""
    deviation = features.std(axis=0)
    return {MEAN: features.mean(axis=0), DEVIATION: np.where(deviation > 0, deviation, 1.0)}


def scaled(scaler: Mapping[str, Any], features: Any) -> Any:
    """Return features [T, F] less their means, in units of their deviations; NumPy's or JAX's, as they come."""
    centred, deviations = features - scaler[MEAN][None, :], scaler[DEVIATION][None, :]
    if isinstance(features, np.ndarray):
        return centred / deviations
    # What XLA makes of the division for many rows, but not for one: so scaled features are the same bits in both.
    return centred * (1.0 / deviations)


def linear(weights: Mapping[str, Array], features: Array) -> Array:
    """Return intercept + coefficients · scaled features, [T]."""
    z: Array = scaled(weights, features)
    return weights["intercept"][0] + (z * weights["coefficients"][None, :]).sum(axis=1)
