"""The operators over time that a signal is written with, and the length of a bin.

A signal's body knows the interface `Clock` alone, so that the same body is surveyed (what does it need?), run over a
chunk with a state, or run by an executor that remembers intermediate series. All of them supply one method, `apply`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from vpharness.signals.core.operators import (
    EMA,
    LAG,
    MEAN,
    MEDIAN_SPREAD,
    MEDIAN_SPREAD_DEVIATION,
    RATE,
    SEEN,
    SKEW,
    SLOPE,
    STD,
    Operator,
    Series,
    State,
    wide,
)

INTEGER_SLACK = 1e-9
"""What a quotient of durations may miss a whole number by and still count as that number."""


class Clock(ABC):
    """The operators over time. Series are [T], one value a bin; NaN is a missing value."""

    def __init__(self, cell_width_ms: ArrayLike) -> None:
        self._cell_width_ms = _float(cell_width_ms)

    @abstractmethod
    def apply(self, operator: Operator, series: Array, *numbers: Array) -> Series:
        """Run an operator on this chunk, with the state that belongs to this call of it."""

    @property
    def bin_seconds(self) -> Array:
        """The length of a bin in seconds."""
        return self._cell_width_ms / 1000.0

    def bins(self, milliseconds: ArrayLike, least: int = 1) -> Array:
        """Return how many whole bins cover a duration, and at least `least`."""
        return jnp.maximum(
            least, jnp.ceil(_float(milliseconds) / self._cell_width_ms - INTEGER_SLACK).astype(jnp.int64)
        )

    def seen(self, series: Array) -> Array:
        """Return how many bins have been seen, this one included, for each bin of `series`."""
        found: Array = self.apply(SEEN, series)
        return found

    def rate(self, series: Array) -> Array:
        """Return the change per second: (x_t - x_{t-1}) / bin seconds, 0 at the first bin."""
        found: Array = self.apply(RATE, series, self.bin_seconds)
        return found

    def lag(self, series: Array, bins: ArrayLike) -> Array:
        """Return x_{t - bins}, 0 before the first bin; of several series at once where they are [T, M]."""
        found: Array = self.apply(_for(LAG, series), series, _integer(bins))
        return found

    def ema(self, series: Array, alpha: ArrayLike) -> Array:
        """Return the exponential average y_t = alpha x_t + (1 - alpha) y_{t-1}, y_0 = x_0, passing over missing x."""
        found: Array = self.apply(EMA, series, _float(alpha))
        return found

    def slope(self, series: Array, window: ArrayLike) -> Array:
        """Return the least-squares slope per bin over the last `window` >= 2 values, missing while one of them is.

        Of several series at once where they are [T, M].
        """
        found: Array = self.apply(_for(SLOPE, series), series, _integer(window))
        return found

    def mean(self, series: Array, window: ArrayLike) -> Array:
        """Return the mean of the last `window` values (of those there are at the start), missing while one is."""
        found: Array = self.apply(MEAN, series, _integer(window))
        return found

    def std(self, series: Array, window: ArrayLike) -> Array:
        """Return the population standard deviation of the last `window` values, as `mean` counts them."""
        found: Array = self.apply(STD, series, _integer(window))
        return found

    def skew(self, series: Array, window: ArrayLike) -> Array:
        """Return the population skewness of the last `window` values, as `mean` counts them; 0 where all are equal."""
        found: Array = self.apply(SKEW, series, _integer(window))
        return found

    def robust_z(
        self,
        series: Array,
        window: ArrayLike,
        min_periods: ArrayLike,
        *,
        floor: float = 1e-9,
        fallback: Literal["std"] | None = None,
    ) -> Array:
        """Return (x_t - median) / (1.4826 MAD) over the finite values among the last `window`, this one included.

        It is 0 where x_t is missing, where fewer than `min_periods` values are finite, and where 1.4826 MAD <= floor;
        there, with the fallback "std", it is x_t / (population standard deviation) if that is above the floor.
        """
        operator = MEDIAN_SPREAD_DEVIATION if fallback == "std" else MEDIAN_SPREAD
        median, spread, count, *deviation = self.apply(operator, series, _integer(window))
        known = jnp.isfinite(series) & (count >= _integer(min_periods))
        z = jnp.where(known & (spread > floor), (series - median) / spread, 0.0)
        for sigma in deviation:
            z = jnp.where(known & (spread <= floor) & (sigma > floor), series / sigma, z)
        return z


class ChunkClock(Clock):
    """A clock that runs operators over one chunk of time: each call, in the order of calls, has its own state.

    Attributes:
        after: the states after the chunk, complete once the signal's body has returned.
    """

    def __init__(self, cell_width_ms: ArrayLike, before: Mapping[str, State]) -> None:
        super().__init__(cell_width_ms)
        self._before = before
        self.after: dict[str, State] = {}

    def apply(self, operator: Operator, series: Array, *numbers: Array) -> Series:
        """Run the operator from the state that this call left behind in the last chunk."""
        slot = slot_name(len(self.after), operator)
        before = self._before[slot]
        after, found = operator.apply(before, series, *numbers)
        # Exactly the type that came in: a weak type would make the next call compile anew, silently.
        self.after[slot] = {name: after[name].astype(array.dtype) for name, array in before.items()}
        return found


class SurveyClock(Clock):
    """A clock that computes nothing, and records which operators are called and how far back they look.

    Attributes:
        operators: the operators in the order of their calls.
        reaches: the integers they are called with: windows and lags in bins.
    """

    def __init__(self, cell_width_ms: ArrayLike) -> None:
        super().__init__(cell_width_ms)
        self.operators: list[Operator] = []
        self.reaches: list[Array] = []

    def apply(self, operator: Operator, series: Array, *numbers: Array) -> Series:
        """Record the call, and return values of the answer's shape that have no meaning."""
        self.operators.append(operator)
        self.reaches += [number for number in numbers if jnp.issubdtype(number.dtype, jnp.integer)]
        _, found = jax.eval_shape(operator.apply, operator.start(1), series, *numbers)
        return jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), found)


def slot_name(call: int, operator: Operator) -> str:
    """Return the name under which the state of a body's n-th call of an operator is kept."""
    return f"{call:02d}_{operator.name}"


def _for(operator: Operator, series: Array) -> Operator:
    return operator if series.ndim == 1 else wide(operator, series.shape[1])


def _float(number: ArrayLike) -> Array:
    return jnp.asarray(number, dtype=jnp.float64)


def _integer(number: ArrayLike) -> Array:
    return jnp.asarray(number, dtype=jnp.int64)
