"""The plain twin's spectrum: whole histories in lists, medians by sorting (SPEC section 2)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.naive_settings import Settings


@dataclass
class Spectrum:
    """One tick's composites and what follows from them, one value for every emitted bin."""

    composite: list[float]
    rolled: list[float]
    derivatives: tuple[list[float], list[float], list[float]]


def untouched(n_bins: int) -> Spectrum:
    """Return the history of a tick that nothing has touched in `n_bins` bins: all zeros."""
    composite, rolled, d1, d2, d3 = ([0.0] * n_bins for _ in range(5))
    return Spectrum(composite, rolled, (d1, d2, d3))


def extend(spectrum: Spectrum, s: Settings, pressure: float, vacuum: float) -> None:
    """Add the bin that is being closed to a tick's history."""
    spectrum.composite.append((pressure - vacuum) / (abs(pressure) + abs(vacuum) + 1e-12))
    spectrum.rolled.append(_mean([_mean(spectrum.composite[-window:]) for window in s.spectrum_windows]))
    first = len(spectrum.rolled) == 1
    for series, derivative in pairwise((spectrum.rolled, *spectrum.derivatives)):
        derivative.append(0.0 if first else (series[-1] - series[-2]) / s.width_s)


def spectrum_cell(spectrum: Spectrum, s: Settings) -> dict[str, Any]:
    """Return score and state code of the last bin of a history."""
    score = 0.0
    for weight, derivative in zip(s.spectrum_weights, spectrum.derivatives, strict=True):
        z = naive_robust_z(derivative, s.spectrum_zscore_window, s.spectrum_zscore_min_periods, s.spectrum_zscore_floor)
        score += weight * math.tanh(z / s.spectrum_tanh_scale)
    high = score >= s.spectrum_threshold
    low = score <= -s.spectrum_threshold
    return {"spectrum_score": score, "spectrum_state_code": int(high) - int(low)}


def naive_robust_z(values: Sequence[float], window: int, minimum: int, floor: float) -> float:
    """Return the robust z of the last value among the finite ones of the last `window` (SPEC section 3)."""
    finite = [x for x in values[-window:] if math.isfinite(x)]
    if not values or not math.isfinite(values[-1]) or len(finite) < minimum:
        return 0.0
    centre = _median(finite)
    scale = 1.4826 * _median([abs(x - centre) for x in finite])
    return (values[-1] - centre) / scale if scale > floor else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
