"""erd: the imbalance of the spectrum, let through when the entropy of its states spikes."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import entr

from vpharness.parameters import parameter
from vpharness.signals.core.definition import (
    LONGEST_WINDOW_BINS,
    SignalParameters,
    fixed_thresholds,
    min_periods_fit,
    signal,
)
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.time_operators import Clock


@dataclass(frozen=True)
class Erd(SignalParameters):
    """Parameters of erd."""

    thresholds: list[float] = fixed_thresholds(0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50, 0.75, 1.0, 1.5, 2.0)  # noqa: RUF009 - the list is copied for each instance
    zscore_window: int = parameter(
        100, meaning="window of the entropy's robust z", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    zscore_min_periods: int = parameter(
        30, meaning="minimum number of values for a robust z", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    spike_floor: float = parameter(0.5, meaning="the robust z of the entropy above which the gate opens")
    variant: str = parameter(
        "a",
        meaning="what the gate multiplies: a, mean score below less above; b, entropy above less below",
        choices=("a", "b"),
    )

    def relations(self) -> Iterator[str]:
        """Yield what does not fit together."""
        yield from super().relations()
        yield from min_periods_fit("zscore_min_periods", self.zscore_min_periods, "zscore_window", self.zscore_window)


@signal(columns=("spectrum_state_code", "spectrum_score"))
def erd(time: Clock, grid: Grid, p: Erd) -> Array:
    """Imbalance of the spectrum around spot, let through by spikes of the entropy of its states.

    H = -sum over s of p_s log2 p_s, bits, with p_s the shares of the states s = -1, 0, +1 among all cells;
    gate = max(0, robust_z(H, zscore_window) - spike_floor), without unit.
    Variant a: score = (mean spectrum_score at k < 0 - mean at k > 0) gate; b: (H at k > 0 - H at k < 0) gate, bits.

    It bets that a sudden disorder of the book, when cells that agreed begin to build and drain at random, comes before
    a move, and that the move goes away from the side where pressure has been growing (a), or towards the less orderly
    one (b).
    """
    state = grid.spectrum_state_code
    spike = time.robust_z(_entropy(state), p.zscore_window, p.zscore_min_periods)
    gate = jnp.maximum(0.0, spike - p.spike_floor)
    radius = len(grid.distance)
    if p.variant == "a":
        return grid.bid_less_ask(grid.spectrum_score, jnp.full(radius, 1.0 / radius)) * gate
    return (_entropy(state[:, radius + 1 :]) - _entropy(state[:, :radius])) * gate


def _entropy(state: Array) -> Array:
    """Return the entropy in bits of the shares of the states -1, 0 and 1 among the cells of each bin: [T]."""
    nats = sum(entr(jnp.mean((state == code).astype(jnp.float64), axis=1)) for code in (-1.0, 0.0, 1.0))
    return nats / jnp.log(2.0)
