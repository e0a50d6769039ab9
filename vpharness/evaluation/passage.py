"""First-passage tables: for every bin, direction and barrier, how soon the mid gets there.

The tables belong to the dataset alone. Every run, threshold, pair of barriers and draw of a null looks its outcomes
up in them.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np

from vpharness.evaluation.dataset import DatasetView
from vpharness.evaluation.shapes import padded_bins

TICK_TOLERANCE: Final = 1e-9
"""Distances in ticks are compared with this tolerance: a float mid never misses a barrier that it stands on."""

_NANO: Final = 1e9


@dataclass(frozen=True)
class PassageTables:
    """What outcomes are looked up in, for T bins padded to S.

    Attributes:
        barriers: the distances of the tables in ticks, ascending.
        horizon_bins: walks of up to this many bins can be looked up.
        n_bins: T.
        rises: [n_barriers, S] int32, bins until the mid first stands at least a barrier above the mid of the bin; more
            than `horizon_bins` - 1 where it does not within the horizon or the data.
        falls: [n_barriers, S] int32, the same below.
        mid: [S] float64, mid in price units, NaN where there is none.
        last_mid: [S] int32, the last bin at or before each bin that has a mid; -1 where there is none.
        next_book: [S] int32, the first bin at or after each bin whose book is valid; S where there is none.
        best_bid: [S] int64, 1e-9 price units, or None.
        best_ask: [S] int64, 1e-9 price units, or None.
        tick_size: price units a tick.
    """

    barriers: tuple[float, ...]
    horizon_bins: int
    n_bins: int
    rises: jax.Array
    falls: jax.Array
    mid: jax.Array
    last_mid: jax.Array
    next_book: jax.Array
    best_bid: jax.Array | None
    best_ask: jax.Array | None
    tick_size: float

    @property
    def tick_size_nano(self) -> int:
        """A tick in 1e-9 price units."""
        return round(self.tick_size * _NANO)


def first_passage_tables(dataset: DatasetView, barriers: Iterable[float], max_hold_bins: int) -> PassageTables:
    """Compute the tables of a dataset for a set of distances in ticks and walks of up to `max_hold_bins`.

    Work: O(S log max_hold) for each barrier, by binary descent in a table of maxima over 1, 2, 4, … bins.
    """
    ascending = tuple(sorted({float(barrier) for barrier in barriers}))
    size = padded_bins(dataset.n_bins)
    mid = _padded(np.where(dataset.mid > 0, dataset.mid, np.nan), size, np.nan)
    levels = max(max_hold_bins - 1, 1).bit_length()
    highest, lowest = _extremes(mid, levels)
    rises, falls = [], []
    for barrier in ascending:
        rise, fall = _first_passage(mid, highest, lowest, barrier, dataset.tick_size)
        rises.append(rise)
        falls.append(fall)
    valid = _padded(dataset.book_valid, size, fill=False)
    last_mid, next_book = _neighbours(mid, valid)
    return PassageTables(
        barriers=ascending,
        horizon_bins=2**levels,
        n_bins=dataset.n_bins,
        rises=jnp.stack(rises),
        falls=jnp.stack(falls),
        mid=mid,
        last_mid=last_mid,
        next_book=next_book,
        best_bid=None if dataset.best_bid is None else _padded(dataset.best_bid, size, 0),
        best_ask=None if dataset.best_ask is None else _padded(dataset.best_ask, size, 0),
        tick_size=dataset.tick_size,
    )


def _padded(values: np.ndarray, size: int, fill: float) -> jax.Array:
    whole = np.full(size, fill, dtype=values.dtype)
    whole[: values.shape[0]] = values
    return jnp.asarray(whole)


@jax.jit
def _neighbours(mid: jax.Array, valid: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return for each bin [S] int32 the last one up to it with a mid (or -1), and the next with a book (or S)."""
    size = mid.shape[0]
    index = jnp.arange(size, dtype=jnp.int32)
    last_mid = jax.lax.cummax(jnp.where(jnp.isnan(mid), jnp.int32(-1), index))
    next_book = jax.lax.cummin(jnp.where(valid, index, jnp.int32(size)), reverse=True)
    return last_mid, next_book


@functools.partial(jax.jit, static_argnames="levels")
def _extremes(mid: jax.Array, levels: int) -> tuple[jax.Array, jax.Array]:
    """Return [levels, S] the highest and lowest mid of the 2**level bins from each bin on (-inf and inf for none)."""
    size = mid.shape[0]
    highest = [jnp.where(jnp.isnan(mid), -jnp.inf, mid)]
    lowest = [jnp.where(jnp.isnan(mid), jnp.inf, mid)]
    for level in range(levels - 1):
        step = min(2**level, size)
        for tables, edge, choose in ((highest, -jnp.inf, jnp.maximum), (lowest, jnp.inf, jnp.minimum)):
            later = jnp.concatenate([tables[-1][step:], jnp.full(step, edge, dtype=mid.dtype)])
            tables.append(choose(tables[-1], later))
    return jnp.stack(highest), jnp.stack(lowest)


@jax.jit
def _first_passage(
    mid: jax.Array, highest: jax.Array, lowest: jax.Array, barrier: float, tick_size: float
) -> tuple[jax.Array, jax.Array]:
    """Return [S] int32 the bins until the mid is first `barrier` ticks above, and below, where it is now.

    The descent passes over a stretch of 2**level bins where even its extreme does not reach the barrier. It ends on the
    first bin that does, or 2**levels bins away.
    """
    now = jnp.arange(mid.shape[0], dtype=jnp.int32)
    rise = fall = now + 1
    for level in reversed(range(highest.shape[0])):
        step = jnp.int32(2**level)
        high = highest.at[level, rise].get(mode="fill", fill_value=-jnp.inf)
        low = lowest.at[level, fall].get(mode="fill", fill_value=jnp.inf)
        rise = jnp.where((high - mid) / tick_size >= barrier - TICK_TOLERANCE, rise, rise + step)
        fall = jnp.where((mid - low) / tick_size >= barrier - TICK_TOLERANCE, fall, fall + step)
    return rise - now, fall - now
