"""pca_ad: where net pressure lies along its main component, counted while the book looks unusual."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals.core.definition import LONGEST_WINDOW_BINS, min_periods_fit
from vpharness.signals.core.grid import Grid, normalised
from vpharness.signals.core.learned import learned, with_default
from vpharness.signals.core.time_operators import Clock
from vpharness.signals.flow_features import stacked
from vpharness.signals.models.pca import Pca


@dataclass(frozen=True)
class PcaAd(Pca):
    """Parameters of pca_ad."""

    first_fit_bins: int = with_default(Pca, "first_fit_bins", 700)
    refit_every_bins: int = with_default(Pca, "refit_every_bins", 100)
    train_window_bins: int | None = with_default(Pca, "train_window_bins", 600)
    zscore_window: int = parameter(
        300, meaning="window of the robust z", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )
    zscore_min_periods: int = parameter(
        75, meaning="minimum number of values for a robust z", unit="bins", minimum=1, maximum=LONGEST_WINDOW_BINS
    )

    def relations(self) -> Iterator[str]:
        """Yield what does not fit together."""
        yield from super().relations()
        yield from min_periods_fit("zscore_min_periods", self.zscore_min_periods, "zscore_window", self.zscore_window)


def unusual(time: Clock, outputs: Grid, p: PcaAd) -> Array:
    """Return the direction of the first component and of flow, times how unusual the bin is."""

    def z(series: Array) -> Array:
        return time.robust_z(series, p.zscore_window, p.zscore_min_periods)

    direction = 0.6 * jnp.tanh(z(outputs.pc1) / 3.0) + 0.4 * jnp.tanh(z(outputs.beside) / 3.0)
    return direction * (0.5 * jnp.maximum(z(outputs.error), 0.0) + 0.5 * jnp.maximum(z(outputs.mahalanobis), 0.0))


@learned(columns=("pressure_variant", "vacuum_variant", "v_add", "v_pull"), combine=unusual)
def pca_ad(time: Clock, grid: Grid, p: PcaAd) -> Array:  # noqa: ARG001 - every signal takes time and its parameters
    """Net pressure along its first component and net flow, counted by how unusual the whole profile is.

    Features: P - V at every cell, of which ten principal components are fitted to the last 600 bins, and flow, the mean
    of v_add - v_pull below spot less that above. With pc1 the first component's score, e the error of reconstruction, m
    the Mahalanobis distance of the scores, and z a robust z over 300 bins: score = (0.6 tanh(z(pc1)/3) +
    0.4 tanh(z(flow)/3)) (0.5 max(z(e), 0) + 0.5 max(z(m), 0)), without unit.

    It bets that a book which suddenly looks like none of the last minute is about to move, to the side to which its
    main direction and its flow point. While everything is as usual it says nothing.
    """
    sides = normalised(jnp.ones_like(grid.distance))
    return stacked(grid.pressure_variant - grid.vacuum_variant, grid.bid_less_ask(grid.v_add - grid.v_pull, sides))
