"""Plain twins of the signals: loops over bins and cells, nearest to the definitions, and slow.

Each takes columns by name, [T, K] with k = -radius..radius, the parameters of the signal, and the bin's length in
milliseconds, and returns a score a bin [T]. Every row is a bin with a valid book.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.naive_operators import Floats, naive_ema, naive_lag, naive_rate, naive_robust_z_series, naive_slope

Columns = Mapping[str, NDArray[Any]]


def cells(row: NDArray[Any], chosen: Iterable[int]) -> list[float]:
    """Return the values of a row at the given k."""
    radius = len(row) // 2
    return [float(row[k + radius]) for k in chosen]


def side_mean(row: NDArray[Any], side: int, first: int, last: int) -> float:
    """Return the mean over |k| = first..last on the side -1 (bid) or +1 (ask)."""
    return sum(cells(row, (side * d for d in range(first, last + 1)))) / (last - first + 1)


def by_bin(columns: Columns, of_bin: Callable[[dict[str, NDArray[Any]]], float]) -> Floats:
    """Compute one value for each bin from its rows of cells."""
    bins = len(next(iter(columns.values())))
    return np.array([of_bin({name: column[t] for name, column in columns.items()}) for t in range(bins)])


def naive_perm_derivative(columns: Columns, p: Any, cell_width_ms: float) -> Floats:
    """Robust z of the derivatives of the balance of permutation states."""
    radius = columns["perm_state5_code"].shape[1] // 2
    weights = {}
    for k in range(-radius, radius + 1):
        excluded = p.center_exclusion_radius > 0 and abs(k) <= p.center_exclusion_radius
        weights[k] = 0.0 if excluded else 1 / max(abs(k), 1) ** p.spatial_decay_power
    total = sum(weights.values())

    def base(row: dict[str, NDArray[Any]]) -> float:
        states = row["perm_state5_code"]
        share = dict.fromkeys((-2, -1, 0, 1, 2), 0.0)
        for k, weight in weights.items():
            share[int(states[k + radius])] += weight / total
        value = p.bull_pressure_weight * share[1] + p.bull_vacuum_weight * share[2]
        value -= p.bear_pressure_weight * share[-1] + p.bear_vacuum_weight * share[-2]
        if p.enable_weighted_blend:
            value *= min(max(1 - p.mixed_weight * share[0], 0.0), 1.0)
        return float(value)

    series = by_bin(columns, base)
    total = np.zeros(len(series))
    for weight in (p.d1_weight, p.d2_weight, p.d3_weight):
        series = naive_rate(series, cell_width_ms / 1000)
        z = naive_robust_z_series(series, p.zscore_window_bins, p.zscore_min_periods, fallback="std")
        total += weight * np.tanh(z / p.tanh_scale)
    score: Floats = np.clip(total / (p.d1_weight + p.d2_weight + p.d3_weight), -1, 1)
    return score


def naive_ads(columns: Columns, p: Any, _cell_width_ms: float) -> Floats:
    """Slopes of the imbalance of adding and pulling over three bands."""
    bands = [(1, 3), (4, 11), (12, 23)]
    weights = [1 / math.sqrt(last - first + 1) for first, last in bands]

    def imbalance(row: dict[str, NDArray[Any]]) -> float:
        total = 0.0
        for weight, (first, last) in zip(weights, bands, strict=True):
            add = side_mean(row["v_add"], -1, first, last) - side_mean(row["v_add"], +1, first, last)
            pull = side_mean(row["v_pull"], +1, first, last) - side_mean(row["v_pull"], -1, first, last)
            total += weight / sum(weights) * (add + pull)
        return total

    x = by_bin(columns, imbalance)
    score = np.zeros(len(x))
    for w, blend in zip(p.slope_windows, p.blend_weights, strict=True):
        score += blend * np.tanh(
            naive_robust_z_series(naive_slope(x, w), p.zscore_window, p.zscore_min_periods) / p.blend_scale
        )
    return score


def naive_pfp(columns: Columns, p: Any, _cell_width_ms: float) -> Floats:
    """Lead of the inner zone over the outer one."""

    def lead(names: tuple[str, ...], side: int) -> Floats:
        inner = by_bin(columns, lambda row: sum(side_mean(row[name], side, 1, 3) for name in names))
        outer = by_bin(columns, lambda row: sum(side_mean(row[name], side, 5, 12) for name in names))
        score: Floats = naive_ema(inner * naive_lag(outer, p.lag_bins), p.ema_alpha) / (
            naive_ema(inner * outer, p.ema_alpha) + p.eps
        )
        return score

    build, pull = ("v_add", "v_fill"), ("v_pull",)
    score: Floats = p.add_weight * (lead(build, -1) - lead(build, +1)) + p.pull_weight * (
        lead(pull, +1) - lead(pull, -1)
    )
    return score


def naive_spg(columns: Columns, p: Any, _cell_width_ms: float) -> Floats:
    """Gradients of pressure and vacuum along k, and the curvature of pressure."""
    radius = columns["pressure_variant"].shape[1] // 2

    def gradient(row: NDArray[Any], k: int) -> float:
        i = k + radius
        if i == 0:
            return float(row[1] - row[0])
        if i == len(row) - 1:
            return float(row[i] - row[i - 1])
        return float(row[i + 1] - row[i - 1]) / 2

    def net(row: dict[str, NDArray[Any]]) -> float:
        total = 0.0
        for name in ("pressure_variant", "vacuum_variant"):
            for k in range(1, p.band + 1):
                total += (gradient(row[name], k) - gradient(row[name], -k)) / p.band
        return total

    def curvature(row: dict[str, NDArray[Any]]) -> float:
        pressure = row["pressure_variant"]
        near = range(-p.curv_radius, p.curv_radius + 1)
        bent = [pressure[radius + k + 1] + pressure[radius + k - 1] - 2 * pressure[radius + k] for k in near]
        return -float(sum(bent)) / len(near)

    def alpha(span: float) -> float:
        return 2 / (span + 1)

    x = by_bin(columns, net)
    smooth = 0.6 * naive_ema(x, alpha(p.fast_span)) + 0.4 * naive_ema(x, alpha(p.slow_span))
    return 0.7 * smooth + 0.3 * naive_ema(by_bin(columns, curvature), alpha(p.curv_span))


def naive_erd(columns: Columns, p: Any, _cell_width_ms: float) -> Floats:
    """Imbalance of the spectrum where its entropy spikes."""
    radius = columns["spectrum_state_code"].shape[1] // 2
    below, above = range(-radius, 0), range(1, radius + 1)

    def entropy(states: list[float]) -> float:
        shares = [states.count(code) / len(states) for code in (-1, 0, 1)]
        return -sum(share * math.log2(share) for share in shares if share > 0)

    everywhere = by_bin(columns, lambda row: entropy(list(row["spectrum_state_code"])))
    gate = np.maximum(0, naive_robust_z_series(everywhere, p.zscore_window, p.zscore_min_periods) - p.spike_floor)
    if p.variant == "a":
        rows = columns["spectrum_score"]
        difference = [float(np.mean(cells(row, below)) - np.mean(cells(row, above))) for row in rows]
    else:
        rows = columns["spectrum_state_code"]
        difference = [entropy(cells(row, above)) - entropy(cells(row, below)) for row in rows]
    score: Floats = gate * np.array(difference)
    return score


def naive_jad(columns: Columns, p: Any, _cell_width_ms: float) -> Floats:
    """Divergence of the sides in jerk and acceleration."""

    def weighted_mean(row: NDArray[Any], side: int) -> float:
        distances = range(1, p.radius + 1)
        total = sum(cell / d for cell, d in zip(cells(row, (side * d for d in distances)), distances, strict=True))
        return total / sum(1 / d for d in distances)

    def divergence(row: dict[str, NDArray[Any]], letter: str) -> float:
        add, pull = row[f"{letter}_add"], row[f"{letter}_pull"]
        return 0.5 * (weighted_mean(add, -1) - weighted_mean(add, +1)) + 0.5 * (
            weighted_mean(pull, +1) - weighted_mean(pull, -1)
        )

    def raw(row: dict[str, NDArray[Any]]) -> float:
        jerk, acceleration = divergence(row, "j"), divergence(row, "a")
        if np.sign(jerk) == np.sign(acceleration):
            return 0.4 * jerk + 0.6 * acceleration
        return 0.8 * jerk + 0.2 * acceleration

    z = naive_robust_z_series(by_bin(columns, raw), p.zscore_window, p.zscore_min_periods)
    score: Floats = np.tanh(z / p.tanh_scale)
    return score


def naive_iirc(columns: Columns, p: Any, _cell_width_ms: float) -> Floats:
    """Trend of the log ratio of the sides' replenishment."""

    def ratio(row: dict[str, NDArray[Any]], side: int) -> float:
        band = [side * d for d in range(1, p.band + 1)]
        score: float = sum(cells(row["v_add"], band)) / (
            sum(cells(row["v_pull"], band)) + sum(cells(row["v_fill"], band)) + p.eps
        )
        return score

    x = by_bin(columns, lambda row: math.log(ratio(row, -1) + 1) - math.log(ratio(row, +1) + 1))
    fast, slow = naive_slope(x, p.fast_window), naive_slope(x, p.slow_window)
    score = np.zeros(len(x))
    for t in range(len(x)):
        if not (math.isnan(fast[t]) or math.isnan(slow[t]) or abs(x[t]) < p.noise_floor):
            score[t] = 0.6 * fast[t] + 0.4 * slow[t]
    return score


def naive_msd(columns: Columns, p: Any, _cell_width_ms: float) -> Floats:
    """Vacuum above less vacuum below."""
    radius = columns["vacuum_variant"].shape[1] // 2

    def of_bin(row: dict[str, NDArray[Any]]) -> float:
        vacuum, total = row["vacuum_variant"], 0.0
        for d in range(1, radius + 1):
            weight = 1 / d if p.variant == "weighted" else 1.0
            total += weight * (vacuum[radius + d] - vacuum[radius - d])
        return total

    return by_bin(columns, of_bin)


def naive_svac(columns: Columns, p: Any, cell_width_ms: float) -> Floats:
    """Weighted msd in units of its recent size."""
    x = naive_msd(columns, SimpleNamespace(variant="weighted"), cell_width_ms)
    score: Floats = x / np.maximum(naive_ema(np.abs(x), p.norm_alpha), p.norm_floor)
    return score


def naive_ads_pfp_svac(columns: Columns, p: Any, cell_width_ms: float) -> Floats:
    """Weighted mean of ads, pfp and svac over the parts that have warmed up."""

    def bins(milliseconds: float, least: int) -> int:
        return max(least, math.ceil(milliseconds / cell_width_ms - 1e-9))

    window = bins(p.ads_zscore_window_ms, 2)
    ads_in_bins = SimpleNamespace(
        slope_windows=[bins(milliseconds, 2) for milliseconds in p.ads_slope_windows_ms],
        blend_weights=p.ads_blend_weights,
        zscore_window=window,
        zscore_min_periods=max(2, math.floor(window * p.ads_zscore_min_periods_ratio + 1e-9)),
        blend_scale=p.ads_blend_scale,
    )
    lag = bins(p.pfp_lag_ms, 1)
    pfp_in_bins = SimpleNamespace(
        lag_bins=lag,
        ema_alpha=p.pfp_ema_alpha,
        add_weight=p.pfp_add_weight,
        pull_weight=p.pfp_pull_weight,
        eps=1e-12,
    )
    svac_in_bins = SimpleNamespace(norm_alpha=p.svac_norm_alpha, norm_floor=p.svac_norm_floor)

    parts = [
        (p.composite_weight_ads, bins(p.ads_warmup_ms, 1), naive_ads(columns, ads_in_bins, cell_width_ms)),
        (p.composite_weight_pfp, lag, naive_pfp(columns, pfp_in_bins, cell_width_ms)),
        (p.composite_weight_svac, 1, naive_svac(columns, svac_in_bins, cell_width_ms)),
    ]
    score = np.zeros(len(parts[0][2]))
    for t in range(len(score)):
        counting = [(weight, part[t]) for weight, warmup, part in parts if t + 1 >= warmup]
        total = sum(weight for weight, _ in counting)
        score[t] = sum(weight * value for weight, value in counting) / total if total > 0 else 0.0
    return score


NAIVE_SIGNALS: Final[dict[str, Callable[[Columns, Any, float], Floats]]] = {
    "perm_derivative": naive_perm_derivative,
    "ads": naive_ads,
    "pfp": naive_pfp,
    "spg": naive_spg,
    "erd": naive_erd,
    "jad": naive_jad,
    "iirc": naive_iirc,
    "msd": naive_msd,
    "svac": naive_svac,
    "ads_pfp_svac": naive_ads_pfp_svac,
}
"""The twin of each signal by its name."""
