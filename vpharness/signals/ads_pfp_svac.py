"""ads_pfp_svac: the weighted mean of ads, pfp and svac, with times in milliseconds."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter, same_as
from vpharness.signals.ads import Ads, ads, one_weight_a_window
from vpharness.signals.core.definition import LONGEST_MS, SignalParameters, signal, traced
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.time_operators import INTEGER_SLACK, Clock
from vpharness.signals.pfp import Pfp, pfp
from vpharness.signals.svac import Svac, svac


@dataclass(frozen=True)
class AdsPfpSvac(SignalParameters):
    """Parameters of ads_pfp_svac."""

    thresholds: list[float] = same_as(Ads, "thresholds")
    ads_slope_windows_ms: list[int] = parameter(
        [1000, 2500, 5000], meaning="windows of the slopes", unit="ms", above=0, maximum=LONGEST_MS
    )
    ads_blend_weights: list[float] = same_as(Ads, "blend_weights")
    ads_zscore_window_ms: int = parameter(
        20000, meaning="window of the robust z of each slope", unit="ms", above=0, maximum=LONGEST_MS
    )
    ads_zscore_min_periods_ratio: float = parameter(
        0.15, meaning="minimum number of slopes for a robust z, as a share of its window", above=0, maximum=1
    )
    ads_blend_scale: float = same_as(Ads, "blend_scale")
    ads_warmup_ms: int = parameter(
        20000, meaning="initial time in which ads is left out", unit="ms", minimum=0, maximum=LONGEST_MS
    )
    pfp_lag_ms: int = parameter(
        500, meaning="delay of the outer zone against the inner one", unit="ms", above=0, maximum=LONGEST_MS
    )
    pfp_ema_alpha: float = same_as(Pfp, "ema_alpha")
    pfp_add_weight: float = same_as(Pfp, "add_weight")
    pfp_pull_weight: float = same_as(Pfp, "pull_weight")
    svac_norm_alpha: float = same_as(Svac, "norm_alpha")
    svac_norm_floor: float = same_as(Svac, "norm_floor")
    composite_weight_ads: float = parameter(0.40, meaning="weight of ads", minimum=0)
    composite_weight_pfp: float = parameter(0.30, meaning="weight of pfp", minimum=0)
    composite_weight_svac: float = parameter(0.30, meaning="weight of svac", minimum=0)

    def relations(self) -> Iterator[str]:
        """Yield what does not fit together."""
        yield from super().relations()
        yield from one_weight_a_window(
            "ads_slope_windows_ms", self.ads_slope_windows_ms, "ads_blend_weights", self.ads_blend_weights
        )
        if self.composite_weight_ads + self.composite_weight_pfp + self.composite_weight_svac <= 0:
            yield "composite_weight_ads, _pfp and _svac are all 0: one of them must be above 0"


@signal(columns=("v_add", "v_fill", "v_pull", "vacuum_variant"))
def ads_pfp_svac(time: Clock, grid: Grid, p: AdsPfpSvac) -> Array:
    """Weighted mean of ads, pfp and svac, each from its warm-up on.

    score = sum of w_i s_i / sum of w_i over the parts i that have been shown at least n_i bins: n = ads_warmup_ms for
    ads, pfp_lag_ms for pfp, 1 bin for svac; 0 where none has. Times become bins = ceil(ms / cell width), so that the
    same parameters mean the same on any cell width.

    It bets that three views of the same withdrawal of liquidity (its trend, its path inwards, its size) err
    independently, so that their mean is right more often than each.
    """
    window = time.bins(p.ads_zscore_window_ms, least=2)
    enough = jnp.floor(window.astype(jnp.float64) * p.ads_zscore_min_periods_ratio + INTEGER_SLACK).astype(jnp.int64)
    ads_p = traced(
        Ads,
        slope_windows=[time.bins(milliseconds, least=2) for milliseconds in p.ads_slope_windows_ms],
        blend_weights=p.ads_blend_weights,
        zscore_window=window,
        zscore_min_periods=jnp.maximum(2, enough),
        blend_scale=p.ads_blend_scale,
    )
    lag = time.bins(p.pfp_lag_ms)
    pfp_p = traced(
        Pfp, lag_bins=lag, ema_alpha=p.pfp_ema_alpha, add_weight=p.pfp_add_weight, pull_weight=p.pfp_pull_weight
    )
    svac_p = traced(Svac, norm_alpha=p.svac_norm_alpha, norm_floor=p.svac_norm_floor)
    parts = (
        (p.composite_weight_ads, time.bins(p.ads_warmup_ms), ads(time, grid, ads_p)),
        (p.composite_weight_pfp, lag, pfp(time, grid, pfp_p)),
        (p.composite_weight_svac, jnp.int64(1), svac(time, grid, svac_p)),
    )
    return _mean_of_warm_parts(time, parts)


def _mean_of_warm_parts(time: Clock, parts: tuple[tuple[float, Array, Array], ...]) -> Array:
    """Return the weighted mean of the (weight, warm-up in bins, score) that have warmed up; 0 where none has."""
    seen = time.seen(parts[0][2])
    total = jnp.zeros_like(parts[0][2])
    weights = jnp.zeros_like(total)
    for weight, warmup, part in parts:
        counts = (seen >= warmup) & (weight > 0)
        total = total + jnp.where(counts, weight * part, 0.0)
        weights = weights + jnp.where(counts, weight, 0.0)
    return jnp.where(weights > 0, total / weights, 0.0)
