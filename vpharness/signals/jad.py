"""jad: where the sides diverge in the jerk and acceleration of adding and pulling."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

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
class Jad(SignalParameters):
    """Parameters of jad."""

    thresholds: list[float] = fixed_thresholds(0.05, 0.10, 0.15, 0.20, 0.30)  # noqa: RUF009 - the list is copied for each instance
    radius: int = parameter(
        24, meaning="cells up to this distance are used", unit="ticks", minimum=1, maximum=WIDEST_TICKS
    )
    zscore_window: int = parameter(
        300, meaning="window of the robust z", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    zscore_min_periods: int = parameter(
        30, meaning="minimum number of values for a robust z", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    tanh_scale: float = parameter(3.0, meaning="divisor of the robust z inside tanh", above=0)

    def relations(self) -> Iterator[str]:
        """Yield what does not fit together."""
        yield from super().relations()
        yield from min_periods_fit("zscore_min_periods", self.zscore_min_periods, "zscore_window", self.zscore_window)


@signal(columns=("j_add", "j_pull", "a_add", "a_pull"))
def jad(time: Clock, grid: Grid, p: Jad) -> Array:
    """Divergence of the sides in jerk and acceleration of adding and pulling; jerk leads where they disagree.

    With side means of a column weighted by 1/|k| over |k| <= radius, for x = j (quantity/s^3) and x = a
    (quantity/s^2): div_x = 0.5 (x_add,bid - x_add,ask) + 0.5 (x_pull,ask - x_pull,bid); raw = 0.4 div_j + 0.6 div_a
    where both have the same sign, 0.8 div_j + 0.2 div_a where not; score = tanh(robust_z(raw, zscore_window) /
    tanh_scale), without unit, within +-1.

    It bets that a change of flow shows in its highest derivative first: where jerk and acceleration agree a move is
    under way, and where they do not, jerk tells of the turn.
    """
    weights = normalised(grid.band(1, p.radius) / grid.distance)

    def divergence(add: Array, pull: Array) -> Array:
        return 0.5 * grid.bid_less_ask(add, weights) - 0.5 * grid.bid_less_ask(pull, weights)

    jerk = divergence(grid.j_add, grid.j_pull)
    acceleration = divergence(grid.a_add, grid.a_pull)
    agree = jnp.sign(jerk) == jnp.sign(acceleration)
    raw = jnp.where(agree, 0.4 * jerk + 0.6 * acceleration, 0.8 * jerk + 0.2 * acceleration)
    return jnp.tanh(time.robust_z(raw, p.zscore_window, p.zscore_min_periods) / p.tanh_scale)
