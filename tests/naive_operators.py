"""Plain twins of the time operators: loops over bins, nearest to the definitions, and slow.

Each takes and returns one array [T]; NaN is a missing value.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tests.naive_spectrum import naive_robust_z

Floats = NDArray[np.float64]


def naive_rate(x: Floats, seconds: float) -> Floats:
    """(x_t - x_{t-1}) / seconds, 0 at the first bin."""
    return np.array([0.0 if t == 0 else (x[t] - x[t - 1]) / seconds for t in range(len(x))])


def naive_lag(x: Floats, n: int) -> Floats:
    """x_{t-n}, 0 before."""
    return np.array([x[t - n] if t >= n else 0.0 for t in range(len(x))])


def naive_ema(x: Floats, alpha: float) -> Floats:
    """y_0 = x_0, y_t = alpha x_t + (1 - alpha) y_{t-1}; a missing input is passed over."""
    found = []
    y = math.nan
    for value in x:
        if not math.isnan(value):
            y = value if math.isnan(y) else alpha * value + (1 - alpha) * y
        found.append(y)
    return np.array(found)


def naive_slope(x: Floats, w: int) -> Floats:
    """Least-squares slope over the last w values, missing until there are w and while one of them is missing."""
    found = np.full(len(x), np.nan)
    time = np.arange(w) - (w - 1) / 2
    for t in range(w - 1, len(x)):
        values = x[t - w + 1 : t + 1]
        found[t] = float(np.sum(time * (values - values.mean())) / np.sum(time**2))
    return found


def naive_mean(x: Floats, w: int) -> Floats:
    """Mean of the last w values, of those there are at the start."""
    return np.array([np.mean(x[max(0, t - w + 1) : t + 1]) for t in range(len(x))])


def naive_std(x: Floats, w: int) -> Floats:
    """Population standard deviation of the last w values, of those there are at the start."""
    return np.array([np.std(x[max(0, t - w + 1) : t + 1]) for t in range(len(x))])


def naive_skew(x: Floats, w: int) -> Floats:
    """Population skewness of the last w values, of those there are at the start; 0 where all are equal."""
    found = []
    for t in range(len(x)):
        values = x[max(0, t - w + 1) : t + 1]
        if np.ptp(values) == 0:
            found.append(0.0)
            continue
        differences = values - np.mean(values)
        found.append(float(np.mean(differences**3) / np.mean(differences**2) ** 1.5))
    return np.array(found)


def naive_robust_z_series(x: Floats, w: int, m: int, floor: float = 1e-9, fallback: str | None = None) -> Floats:
    """The robust z at every bin; with the fallback "std" x_t / std where the MAD's scale is at or under the floor."""
    found = np.zeros(len(x))
    for t in range(len(x)):
        found[t] = naive_robust_z(x[: t + 1].tolist(), w, m, floor)
        if fallback is None or not math.isfinite(x[t]):
            continue
        values = x[max(0, t - w + 1) : t + 1]
        values = values[np.isfinite(values)]
        flat = len(values) >= m and 1.4826 * np.median(np.abs(values - np.median(values))) <= floor
        if flat and np.std(values) > floor:
            found[t] = x[t] / np.std(values)
    return found
