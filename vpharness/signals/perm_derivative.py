"""perm_derivative: how fast the balance of bull and bear permutation states changes."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.lattice.columns import BEAR_VACUUM, MIXED
from vpharness.parameters import parameter
from vpharness.signals.core.definition import (
    LONGEST_WINDOW_BINS,
    WIDEST_TICKS,
    SignalParameters,
    fixed_thresholds,
    min_periods_fit,
    signal,
)
from vpharness.signals.core.grid import Grid, normalised
from vpharness.signals.core.time_operators import Clock


@dataclass(frozen=True)
class PermDerivative(SignalParameters):
    """Parameters of perm_derivative."""

    thresholds: list[float] = fixed_thresholds(0.03, 0.05, 0.08, 0.10, 0.15, 0.20)  # noqa: RUF009 - the list is copied for each instance
    zscore_window_bins: int = parameter(
        300, meaning="window of the robust z of each derivative", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    zscore_min_periods: int = parameter(
        75, meaning="minimum number of values for a robust z", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    tanh_scale: float = parameter(3.0, meaning="divisor of the robust z inside tanh", above=0)
    d1_weight: float = parameter(1.0, meaning="weight of the first derivative", minimum=0)
    d2_weight: float = parameter(0.0, meaning="weight of the second derivative", minimum=0)
    d3_weight: float = parameter(0.0, meaning="weight of the third derivative", minimum=0)
    bull_pressure_weight: float = parameter(1.0, meaning="weight of the share of bull pressure")
    bull_vacuum_weight: float = parameter(1.0, meaning="weight of the share of bull vacuum")
    bear_pressure_weight: float = parameter(1.0, meaning="weight of the share of bear pressure")
    bear_vacuum_weight: float = parameter(1.0, meaning="weight of the share of bear vacuum")
    mixed_weight: float = parameter(
        0.0, meaning="how much the mixed share damps, with enable_weighted_blend", minimum=0
    )
    enable_weighted_blend: bool = parameter(False, meaning="damp the balance by the share of mixed cells")
    center_exclusion_radius: int = parameter(
        0, meaning="cells up to this distance are ignored; 0: none are", unit="ticks", minimum=0, maximum=WIDEST_TICKS
    )
    spatial_decay_power: float = parameter(0.0, meaning="cells weigh 1/distance to this power", minimum=0)

    def relations(self) -> Iterator[str]:
        """Yield what does not fit together."""
        yield from super().relations()
        yield from min_periods_fit(
            "zscore_min_periods", self.zscore_min_periods, "zscore_window_bins", self.zscore_window_bins
        )
        if self.d1_weight + self.d2_weight + self.d3_weight <= 0:
            yield "d1_weight, d2_weight and d3_weight are all 0: one of them must be above 0"


@signal(columns=("perm_state5_code",))
def perm_derivative(time: Clock, grid: Grid, p: PermDerivative) -> Array:
    """Rate of change of bull less bear permutation states around spot, and of that rate, as robust z.

    With cell weights w_k proportional to 1/max(|k|, 1)^spatial_decay_power, sum 1, and shares p_s = sum of w_k
    [state_k = s]: b = c_1 p_bull_pressure + c_2 p_bull_vacuum - c_3 p_bear_pressure - c_4 p_bear_vacuum, damped by
    clip(1 - mixed_weight p_mixed, 0, 1) with enable_weighted_blend; d_1 = rate(b), d_2 = rate(d_1), d_3 = rate(d_2),
    per s^i; score = sum of g_i tanh(robust_z(d_i, zscore_window_bins) / tanh_scale) / sum of g_i, without unit,
    clipped to +-1.

    It bets on the moment at which the way in which the best prices move flips: the label of a cell says whether a
    bin's reprice built or emptied its side, and a jump of the balance of labels tells of a new direction of the
    quotes.
    """
    derivative = balance(grid, p)
    score, total = jnp.zeros_like(derivative), p.d1_weight + p.d2_weight + p.d3_weight
    for weight in (p.d1_weight, p.d2_weight, p.d3_weight):
        derivative = time.rate(derivative)
        z = time.robust_z(derivative, p.zscore_window_bins, p.zscore_min_periods, fallback="std")
        score = score + weight * jnp.tanh(z / p.tanh_scale)
    return jnp.clip(score / total, -1.0, 1.0)


def balance(grid: Grid, p: PermDerivative) -> Array:
    """Return the weighted shares of bull states less those of bear states: [T].

    The weighted sum of shares is taken cell by cell: the mean over cells of the weight of each cell's state.
    """
    cell_weights = _cell_weights(grid, p)
    state_weights = jnp.stack(
        [-p.bear_vacuum_weight, -p.bear_pressure_weight, 0.0, p.bull_pressure_weight, p.bull_vacuum_weight]
    )
    state = grid.perm_state5_code
    base = jnp.sum(state_weights[(state - BEAR_VACUUM).astype(jnp.int32)] * cell_weights[None, :], axis=1)
    if p.enable_weighted_blend:
        mixed_share = jnp.sum(jnp.where(state == MIXED, cell_weights[None, :], 0.0), axis=1)
        base = base * jnp.clip(1.0 - p.mixed_weight * mixed_share, 0.0, 1.0)
    return base


def _cell_weights(grid: Grid, p: PermDerivative) -> Array:
    """Return the weight of each cell, [K], with the sum 1."""
    distance = jnp.abs(grid.k)
    excluded = jnp.asarray(p.center_exclusion_radius, jnp.float64)
    # Where cells are excluded, at least one must be left beyond them.
    grid.reach(jnp.where(excluded > 0, excluded + 1, 0))
    weights = jnp.maximum(distance, 1.0) ** -p.spatial_decay_power
    return normalised(jnp.where((excluded > 0) & (distance <= excluded), 0.0, weights))
