"""Rolling median, median absolute deviation and standard deviation, exact at every bin.

The window of each bin is kept sorted. Time is cut into parallel stretches, each of which sorts the window before it
once and then exchanges one value a bin, so that a long series costs as many steps as a stretch is long. The state
holds the recent values alone: a sorted window would go wrong when the window's length changes.
"""

from collections.abc import Mapping
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

MAD_TO_SIGMA: Final = 1.4826
"""The standard deviation of a normal distribution in units of its median absolute deviation."""
_STRETCHES: Final = 24
"""The most parallel stretches: enough to fill the vector units; a power of two would thrash the caches."""
_SHORTEST_STRETCH: Final = 128
"""Below so many bins, sorting one more window costs more than it saves."""

State = Mapping[str, Array]
Summary = tuple[Array, Array, Array, Array]
"""Median, 1.4826 median absolute deviation, count and standard deviation."""


def start(capacity: int) -> dict[str, NDArray[Any]]:
    """Return the state before the first bin: values that have not begun count like missing ones, as not there."""
    return {"recent": np.full(capacity, np.nan)}


def median_spread(state: State, xs: Array, window: Array) -> tuple[State, tuple[Array, Array, Array]]:
    """Summarise the finite values among the last `window`, this one included.

    Returns: the state after the chunk, and (median, 1.4826 median absolute deviation, count), each [T].
    """
    state, (median, spread, count, _) = _summarise(state, xs, window, with_deviation=False)
    return state, (median, spread, count)


def median_spread_deviation(state: State, xs: Array, window: Array) -> tuple[State, Summary]:
    """As `median_spread`, with the population standard deviation as a fourth series.

    The deviation is accurate where at least half of the values are equal, which is where it is wanted.
    """
    return _summarise(state, xs, window, with_deviation=True)


def _summarise(state: State, xs: Array, window: Array, *, with_deviation: bool) -> tuple[State, Summary]:
    bins, capacity = len(xs), len(state["recent"])
    stretches = max(1, min(_STRETCHES, bins // _SHORTEST_STRETCH))
    length = -(-bins // stretches)
    padding = jnp.full(stretches * length - bins, jnp.nan)
    values = jnp.concatenate([state["recent"], xs])
    # What is not finite stands as +inf behind all values of a sorted window.
    series = jnp.concatenate([values, padding])
    series = jnp.where(jnp.isfinite(series), series, jnp.inf)

    def lanes(ys: Array) -> Array:
        return ys.reshape(stretches, length).T

    leaving = lanes(lax.dynamic_slice(series, (capacity - window,), (stretches * length,)))
    before = _sorted_before(series, window, capacity, stretches, length)

    def advance(carry: tuple[Array, Array], exchange: tuple[Array, Array]) -> tuple[tuple[Array, Array], Summary]:
        ordered, count = carry
        old, new = exchange
        ordered = _exchange(ordered, old, new)
        count = count + (new < jnp.inf).astype(count.dtype) - (old < jnp.inf).astype(count.dtype)
        median, mad = _median_and_mad(ordered, count)
        deviation = _deviation(ordered[1:-1], median, count) if with_deviation else median
        return (ordered, count), (median, MAD_TO_SIGMA * mad, count, deviation)

    finite = jnp.sum(jnp.isfinite(before), axis=0, dtype=jnp.int64)
    _, summaries = lax.scan(advance, (before, finite), (leaving, lanes(series[capacity:])))
    median, spread, count, deviation = (ys.T.reshape(-1)[:bins] for ys in summaries)
    return {"recent": values[bins:]}, (median, spread, count, deviation)


def _sorted_before(series: Array, window: Array, capacity: int, stretches: int, length: int) -> Array:
    """Return the sorted window just before each stretch: [capacity + 2, stretches], framed by -inf and +inf."""
    position = np.arange(stretches)[:, None] * length + np.arange(capacity)[None, :]
    inside = jnp.arange(capacity) >= capacity - window
    ordered = jnp.sort(jnp.where(inside[None, :], series[position], jnp.inf), axis=1).T
    edge = jnp.full((1, stretches), jnp.inf)
    return jnp.concatenate([-edge, ordered, edge])


def _exchange(ordered: Array, old: Array, new: Array) -> Array:
    """Take `old` [S] out of the framed sorted windows [capacity + 2, S] and put `new` [S] in.

    Without `old`, rank i holds s_i below old and s_{i+1} from there on; putting `new` in moves the larger ones up by
    one: s'_i = max(r_{i-1}, min(r_i, new)).
    """
    below, here, above = ordered[:-2], ordered[1:-1], ordered[2:]
    old, new = old[None, :], new[None, :]
    reduced = jnp.where(here < old, here, above)
    reduced_below = jnp.where(below < old, below, here)
    exchanged = jnp.maximum(reduced_below, jnp.minimum(reduced, new))
    return jnp.concatenate([ordered[:1], exchanged, ordered[-1:]])


def _median_and_mad(ordered: Array, count: Array) -> tuple[Array, Array]:
    """Return the median and the median absolute deviation of the first `count` ranks of each framed sorted window.

    The `size` values nearest to the median stand side by side. The first of them is found by one binary search: a
    block starts too early while its first value is farther from the median than the value that follows its last.
    """
    windows = np.arange(ordered.shape[1])

    def ranks(*i: Array) -> Array:
        return ordered.at[jnp.stack(i), windows].get(mode="promise_in_bounds")

    lower, upper = (count + 1) // 2, count // 2 + 1
    median = 0.5 * jnp.sum(ranks(lower, upper), axis=0)
    size = upper

    def searching(bounds: tuple[Array, Array]) -> Array:
        low, high = bounds
        return jnp.any(low < high)

    def halve(bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) // 2
        value, following = ranks(middle, middle + size)
        # Where low = high already, what lies behind the block is no nearer, and nothing moves.
        too_early = (low < high) & (median - value > following - median)
        return jnp.where(too_early, middle + 1, low), jnp.where(too_early, high, jnp.minimum(high, middle))

    first, _ = lax.while_loop(searching, halve, (jnp.ones_like(count), count - size + 1))
    last = first + size - 1
    left, next_left, next_right, right = jnp.abs(ranks(first, first + 1, last - 1, last) - median[None, :])
    farthest = jnp.maximum(left, right)
    # With an even count the middle deviation is the mean of the block's two farthest.
    next_farthest = jnp.where(left >= right, jnp.maximum(next_left, right), jnp.maximum(left, next_right))
    return median, jnp.where(lower == upper, farthest, 0.5 * (farthest + next_farthest))


def _deviation(ordered: Array, median: Array, count: Array) -> Array:
    """Return the population standard deviation of the finite values, from differences to the median.

    With d = x - median it is sqrt(mean(d^2) - mean(d)^2). Where half of the d are 0, mean(d)^2 is at most half of
    mean(d^2) and nothing cancels.
    """
    differences = jnp.where(ordered < jnp.inf, ordered - median[None, :], 0.0)
    number = count.astype(jnp.float64)
    mean = jnp.sum(differences, axis=0) / number
    mean_square = jnp.sum(differences * differences, axis=0) / number
    return jnp.sqrt(jnp.maximum(mean_square - mean * mean, 0.0))
