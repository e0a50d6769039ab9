"""The operators that look across bins, each a state and a function over a chunk of time.

An operator's `apply(state, xs[T], *numbers) -> (state, ys[T])` gives the same answer for any cutting of time into
chunks. Missing values are NaN. A history that has not begun is not a missing value: each state tells the two apart
where it matters. Numbers (windows, weights) are scalars that may be traced, so that one compile serves every value.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

import vpharness.precision  # noqa: F401 - switches JAX to float64
from vpharness.signals.core import rolling_statistics, window_moments

State = Mapping[str, Array]
Series = Any
"""One array [T], or a tuple of them."""


@dataclass(frozen=True)
class Operator:
    """An operator over time.

    Attributes:
        name: what it is called in a saved state.
        start: from the capacity (the most bins that a window may reach back) to the state before the first bin.
        apply: from (state, xs[T], *numbers) to (state after the last bin, ys[T]).
    """

    name: str
    start: Callable[[int], Mapping[str, NDArray[Any]]]
    apply: Callable[..., tuple[State, Series]]


def _rate_start(_capacity: int) -> dict[str, NDArray[Any]]:
    return {"previous": np.array(0.0), "begun": np.array(False)}


def _rate(state: State, xs: Array, seconds: Array) -> tuple[State, Array]:
    """(x_t - x_{t-1}) / seconds; 0 at the first bin, missing where either value is."""
    before = jnp.concatenate([state["previous"][None], xs[:-1]])
    first = ~state["begun"] & (jnp.arange(len(xs)) == 0)
    return {"previous": xs[-1], "begun": jnp.array(True)}, jnp.where(first, 0.0, (xs - before) / seconds)


def _lag_start(capacity: int) -> dict[str, NDArray[Any]]:
    return {"recent": np.zeros(capacity)}


def _lag(state: State, xs: Array, n: Array) -> tuple[State, Array]:
    """x_{t-n}, 0 before; missing where that value is."""
    recent, capacity = _with_history(state["recent"], xs)
    return {"recent": recent[len(xs) :]}, _earlier(recent, capacity - n, xs)


def _ema_start(_capacity: int) -> dict[str, NDArray[Any]]:
    # NaN says that no value has been seen: an average is missing only until the first one.
    return {"average": np.array(np.nan)}


def _ema(state: State, xs: Array, alpha: Array) -> tuple[State, Array]:
    """y_0 = x_0, y_t = alpha x_t + (1 - alpha) y_{t-1}; a missing input is passed over and y repeats itself."""

    def advance(average: Array, x: Array) -> tuple[Array, Array]:
        moved = jnp.where(jnp.isnan(average), x, alpha * x + (1.0 - alpha) * average)
        average = jnp.where(jnp.isnan(x), average, moved)
        return average, average

    average, averages = lax.scan(advance, state["average"], xs)
    return {"average": average}, averages


def _slope_start(capacity: int) -> dict[str, NDArray[Any]]:
    return {"recent": np.full(capacity, np.nan)}


def _slope(state: State, xs: Array, window: Array) -> tuple[State, Array]:
    """Least-squares slope per bin over the last `window` >= 2 values; missing while one is, or is not there yet.

    With u = 0 for the current bin, u = window - 1 for the oldest one and their mean `centre`, it is
    sum((centre - u) x_u) / sum((centre - u)^2), whose divisor is window (window^2 - 1) / 12. Each bin sums its own
    window, as running totals would drift. Only differences from the current value enter, so that a constant series
    has the slope 0 exactly.
    """
    recent, capacity = _with_history(state["recent"], xs)
    width = window.astype(jnp.float64)
    centre = (width - 1.0) / 2.0

    def add(back: Array, total: Array) -> Array:
        earlier = _earlier(recent, capacity - back, xs)
        return total + (centre - back.astype(jnp.float64)) * (earlier - xs)

    total = lax.fori_loop(jnp.zeros_like(window), window, add, jnp.zeros_like(xs))
    return {"recent": recent[len(xs) :]}, total * 12.0 / (width * (width * width - 1.0))


def _seen_start(_capacity: int) -> dict[str, NDArray[Any]]:
    return {"bins": np.array(0, np.int64)}


def _seen(state: State, xs: Array) -> tuple[State, Array]:
    """How many bins have been seen, this one included, whatever they hold."""
    seen = state["bins"] + jnp.arange(1, len(xs) + 1, dtype=jnp.int64)
    return {"bins": seen[-1]}, seen


def _earlier(recent: Array, first: Array, xs: Array) -> Array:
    """Return as many remembered bins as the chunk has, from a place on."""
    return lax.dynamic_slice(recent, (first, *(0 for _ in xs.shape[1:])), xs.shape)


def _with_history(recent: Array, xs: Array) -> tuple[Array, int]:
    """Return the remembered values followed by the chunk's, and how many are remembered."""
    return jnp.concatenate([recent, xs]), len(recent)


RATE = Operator("rate", _rate_start, _rate)
LAG = Operator("lag", _lag_start, _lag)
EMA = Operator("ema", _ema_start, _ema)
SLOPE = Operator("slope", _slope_start, _slope)
SEEN = Operator("seen", _seen_start, _seen)
MEAN = Operator("mean", window_moments.start, window_moments.mean)
STD = Operator("std", window_moments.start, window_moments.deviation)
SKEW = Operator("skew", window_moments.start, window_moments.skewness)
MEDIAN_SPREAD = Operator("median_spread", rolling_statistics.start, rolling_statistics.median_spread)
MEDIAN_SPREAD_DEVIATION = Operator(
    "median_spread", rolling_statistics.start, rolling_statistics.median_spread_deviation
)


@functools.lru_cache(maxsize=64)
def wide(operator: Operator, series: int) -> Operator:
    """Return `LAG` or `SLOPE` for so many series side by side, [T, M]: one state and one loop serve all of them."""

    def start(capacity: int) -> dict[str, NDArray[Any]]:
        narrow = operator.start(capacity)["recent"]
        return {"recent": np.repeat(narrow[:, None], series, axis=1)}

    return Operator(operator.name, start, operator.apply)
