"""Mean, standard deviation and skewness over the last w values, each bin summing its own window.

Running totals would keep the rounding of what has left a window, so that a chunk would differ from single bins. Here
only differences from the current value, and then from the window's mean, are added up: a constant series has the mean
it stands at and the deviation 0, exactly. Values are added by age, 32 ages at a time as a tree and these one after the
other: the order of additions depends neither on how time is cut nor on how much is remembered, and so neither do bits.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

_AGES: Final = 32
"""Values of a window that are added up as a tree: a power of two."""
_TILE: Final = 4_096
"""Bins whose windows are looked at together, so that a long series needs little memory."""
_LONGEST_AT_ONCE: Final = 3_072
"""Remembered values up to which a single bin looks at all of them at once."""

State = Mapping[str, Array]
_Summary = Callable[[Array, Callable[[Callable[[Array], Array]], Array], Array], Array]
"""From the current values [B], the sum of a term over each bin's window, and the windows' lengths [B], to [B]."""


def start(capacity: int) -> dict[str, NDArray[Any]]:
    """Return the state before the first bin: the count tells values that have not begun from missing ones."""
    return {"recent": np.full(capacity, np.nan), "bins": np.array(0, np.int64)}


def mean(state: State, xs: Array, window: Array) -> tuple[State, Array]:
    """Mean of the last `window` values, of those there are at the start; missing while one of them is."""
    return _summarise(state, xs, window, _mean)


def deviation(state: State, xs: Array, window: Array) -> tuple[State, Array]:
    """Population standard deviation of the last `window` values, as `mean` counts them."""
    return _summarise(state, xs, window, _deviation)


def skewness(state: State, xs: Array, window: Array) -> tuple[State, Array]:
    """Population skewness, mean (x - mean)^3 / std^3, of the last `window` values; 0 where all of them are equal."""
    return _summarise(state, xs, window, _skewness)


def _mean(xs: Array, total: Callable[[Callable[[Array], Array]], Array], count: Array) -> Array:
    return xs + total(lambda values: values - xs[None, :]) / count


def _deviation(xs: Array, total: Callable[[Callable[[Array], Array]], Array], count: Array) -> Array:
    centre = _mean(xs, total, count)
    return jnp.sqrt(total(lambda values: jnp.square(values - centre[None, :])) / count)


def _skewness(xs: Array, total: Callable[[Callable[[Array], Array]], Array], count: Array) -> Array:
    centre, sigma = _mean(xs, total, count), _deviation(xs, total, count)
    scale = jnp.where(sigma == 0, 1.0, sigma)
    return total(lambda values: ((values - centre[None, :]) / scale[None, :]) ** 3) / count


def _summarise(state: State, xs: Array, window: Array, summary: _Summary) -> tuple[State, Array]:
    bins, capacity = len(xs), len(state["recent"])
    values = jnp.concatenate([state["recent"], xs])
    seen = state["bins"] + jnp.arange(1, bins + 1, dtype=jnp.int64)
    if bins == 1 and capacity <= _LONGEST_AT_ONCE:

        def whole(term: Callable[[Array], Array]) -> Array:
            return _window_sum(values, jnp.minimum(window, seen[0]), term)

        found = summary(xs, whole, jnp.minimum(window, seen).astype(jnp.float64))
        return {"recent": values[1:], "bins": seen[-1]}, found
    length = min(bins, _TILE)
    tiles = -(-bins // length)
    padded = jnp.concatenate([values, jnp.zeros(tiles * length - bins)])

    def tile(first: Array) -> Array:
        shown = lax.dynamic_slice(padded, (first,), (capacity + length,))
        used = jnp.minimum(window, state["bins"] + first + jnp.arange(1, length + 1, dtype=jnp.int64))

        def total(term: Callable[[Array], Array]) -> Array:
            return _window_sums(shown, window, used, term)

        return summary(shown[capacity:], total, used.astype(jnp.float64))

    found = lax.map(tile, jnp.arange(tiles, dtype=jnp.int64) * length).reshape(-1)[:bins]
    return {"recent": values[bins:], "bins": seen[-1]}, found


def _window_sum(values: Array, used: Array, term: Callable[[Array], Array]) -> Array:
    """Return the sum [1] of a term over the last `used` of all values: what `_window_sums` gives, bit for bit.

    For a single bin its loop over blocks takes longer than all of the remembered values at once.
    """
    blocks = -(-len(values) // _AGES)
    by_age = jnp.concatenate([values[::-1], jnp.zeros(blocks * _AGES - len(values))])
    inside = jnp.arange(len(by_age), dtype=jnp.int64) < used
    parts = jnp.where(inside, term(by_age[:, None])[:, 0], 0.0).reshape(blocks, _AGES)
    while parts.shape[1] > 1:
        parts = parts[:, 0::2] + parts[:, 1::2]
    total = jnp.zeros(1)
    for block in range(blocks):
        total = total + parts[block]
    return total


def _window_sums(values: Array, window: Array, used: Array, term: Callable[[Array], Array]) -> Array:
    """Return the sums [B] of a term over the last `used` [B] <= `window` values up to each of the last B values."""
    length = len(used)
    newest = jnp.arange(len(values) - length, len(values), dtype=jnp.int64)

    def add(block: Array, total: Array) -> Array:
        ages = block * _AGES + jnp.arange(_AGES, dtype=jnp.int64)
        place = jnp.maximum(newest[None, :] - ages[:, None], 0)
        part = jnp.where(ages[:, None] < used[None, :], term(values[place]), 0.0)
        while len(part) > 1:
            part = part[0::2] + part[1::2]
        return total + part[0]

    blocks = (window + (_AGES - 1)) // _AGES
    total: Array = lax.fori_loop(jnp.zeros_like(blocks), blocks, add, jnp.zeros(length))
    return total
