"""Features that several learned signals share: asymmetries of flow by band, their moments, and moves of the mid."""

from collections.abc import Sequence
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import Array

from vpharness.signals.ads import BANDS
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.time_operators import Clock

FLOW_COLUMNS: Final = ("v_add", "a_add", "j_add", "v_pull", "a_pull", "j_pull")
"""Velocity, acceleration and jerk of what is added and of what is pulled."""


def asymmetries(grid: Grid) -> Array:
    """Return how much more each flow supports the bid than the ask, by band: [T, 18], quantity/s and its derivatives.

    For each column of `FLOW_COLUMNS` and each band the mean over a side's cells: bid less ask for what is added, ask
    less bid for what is pulled.
    """
    bands = jnp.stack([grid.band(first, last) / (last - first + 1) for first, last in BANDS])
    found = []
    for name in FLOW_COLUMNS:
        sign = 1.0 if name.endswith("add") else -1.0
        found.append(sign * grid.bid_less_ask(getattr(grid, name), bands))
    return jnp.concatenate(found).T


def velocities_by_band(features: Array) -> Array:
    """Return the asymmetry of velocity in each band, added and pulled together: [T, 3], from `asymmetries`."""
    bands = len(BANDS)
    pulled = FLOW_COLUMNS.index("v_pull") * bands
    return features[:, :bands] + features[:, pulled : pulled + bands]


def mid_moves(time: Clock, grid: Grid) -> Array:
    """Return the move of the mid since the bin before, ticks: [T], 0 at the first bin."""
    return time.rate(grid.mid_ticks) * time.bin_seconds


def moments(time: Clock, series: Sequence[Array], windows: Sequence[int], *, skew: bool = False) -> list[Array]:
    """Return mean, standard deviation and, if asked for, skewness of each series over each window."""
    found = []
    for each in series:
        for window in windows:
            found += [time.mean(each, window), time.std(each, window)]
            if skew:
                found.append(time.skew(each, window))
    return found


def cells_at(grid: Grid, column: Array, ticks: Sequence[int]) -> Array:
    """Return a column at some ticks from spot: [T, number of ticks]."""
    farthest = max(abs(tick) for tick in ticks)
    grid.reach(farthest)
    # A grid that is too narrow is refused by its reach; until then the nearest cells stand in.
    centre = len(grid.distance)
    return column[:, np.clip(centre + np.asarray(ticks), 0, 2 * centre)]


def stacked(*parts: Array | list[Array] | tuple[Array, ...]) -> Array:
    """Return series [T] and features [T, M] side by side, [T, F]."""
    every: list[Array] = []
    for part in parts:
        every += part if isinstance(part, list | tuple) else [part]
    return jnp.concatenate([each[:, None] if each.ndim == 1 else each for each in every], axis=1)
