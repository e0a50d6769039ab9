"""The time operators: against their plain twins, on hard inputs, and under the chunk law."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import Array
from numpy.typing import NDArray

from tests.examples import examples
from tests.naive_operators import (
    naive_ema,
    naive_lag,
    naive_mean,
    naive_rate,
    naive_robust_z_series,
    naive_skew,
    naive_slope,
    naive_std,
)
from tests.signals.battery import random_sizes, score_in_chunks
from vpharness.parameters import parameter
from vpharness.signals import CHUNK_TOLERANCE, Clock, Grid, Signal, SignalParameters, score, scorer, signal

CAPACITY: Final = 64
BINS: Final = 48
CELL_WIDTH_MS: Final = 250


@dataclass(frozen=True)
class OperatorParameters(SignalParameters):
    """What the operators are called with."""

    window: int = parameter(5, meaning="window or lag")
    min_periods: int = parameter(2, meaning="fewest values")
    alpha: float = parameter(0.3, meaning="weight of the newest value")


@signal(columns=("x",))
def rate(time: Clock, grid: Grid, p: OperatorParameters) -> Array:
    """Return the rate of the only cell."""
    return time.rate(grid.x[:, 0])


@signal(columns=("x",))
def lag(time: Clock, grid: Grid, p: OperatorParameters) -> Array:
    """Return the lag of the only cell."""
    return time.lag(grid.x[:, 0], p.window)


@signal(columns=("x",))
def ema(time: Clock, grid: Grid, p: OperatorParameters) -> Array:
    """Return the exponential average of the only cell."""
    return time.ema(grid.x[:, 0], p.alpha)


@signal(columns=("x",))
def slope(time: Clock, grid: Grid, p: OperatorParameters) -> Array:
    """Return the slope of the only cell."""
    return time.slope(grid.x[:, 0], p.window)


@signal(columns=("x",))
def robust_z(time: Clock, grid: Grid, p: OperatorParameters) -> Array:
    """Return the robust z of the only cell."""
    return time.robust_z(grid.x[:, 0], p.window, p.min_periods)


@signal(columns=("x",))
def robust_z_or_std(time: Clock, grid: Grid, p: OperatorParameters) -> Array:
    """Return the robust z of the only cell, with the fallback."""
    return time.robust_z(grid.x[:, 0], p.window, p.min_periods, fallback="std")


@signal(columns=("x",))
def seen(time: Clock, grid: Grid, p: OperatorParameters) -> Array:
    """Return how many bins have been seen."""
    return time.seen(grid.x[:, 0]).astype(float)


@signal(columns=("x",))
def mean(time: Clock, grid: Grid, p: OperatorParameters) -> Array:
    """Return the mean of the only cell."""
    return time.mean(grid.x[:, 0], p.window)


@signal(columns=("x",))
def std(time: Clock, grid: Grid, p: OperatorParameters) -> Array:
    """Return the standard deviation of the only cell."""
    return time.std(grid.x[:, 0], p.window)


@signal(columns=("x",))
def skew(time: Clock, grid: Grid, p: OperatorParameters) -> Array:
    """Return the skewness of the only cell."""
    return time.skew(grid.x[:, 0], p.window)


Twin = Callable[[NDArray[np.float64], OperatorParameters], NDArray[np.float64]]
TWINS: Final[dict[str, tuple[Signal[Any], Twin]]] = {
    "rate": (rate, lambda x, _: naive_rate(x, CELL_WIDTH_MS / 1000)),
    "lag": (lag, lambda x, p: naive_lag(x, p.window)),
    "ema": (ema, lambda x, p: naive_ema(x, p.alpha)),
    "slope": (slope, lambda x, p: naive_slope(x, p.window)),
    "robust_z": (robust_z, lambda x, p: naive_robust_z_series(x, p.window, p.min_periods)),
    "robust_z_or_std": (
        robust_z_or_std,
        lambda x, p: naive_robust_z_series(x, p.window, p.min_periods, fallback="std"),
    ),
    "mean": (mean, lambda x, p: naive_mean(x, p.window)),
    "std": (std, lambda x, p: naive_std(x, p.window)),
    "skew": (skew, lambda x, p: naive_skew(x, p.window)),
    "seen": (seen, lambda x, _: np.arange(1.0, len(x) + 1)),
}
LEAST_WINDOW: Final = {"slope": 2}


def run(operator: str, x: NDArray[np.float64], p: OperatorParameters) -> NDArray[np.float64]:
    """Run an operator over the whole of x [T].

    Short series are followed by what an operator cannot have seen yet, so that one compiled form serves them all.
    """
    padded = np.concatenate([x, np.full(max(0, BINS - len(x)), np.nan)])
    cells = {"x": padded[:, None]}
    return score(TWINS[operator][0], p, cells, cell_width_ms=CELL_WIDTH_MS, capacity=CAPACITY)[: len(x)]


def assert_same(found: NDArray[np.float64], wanted: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """Assert that two series agree to the rounding of the values that they are made of."""
    scale = max(1.0, float(np.nanmax(np.abs(values), initial=0.0)))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 * scale)


@st.composite
def hard_series(draw: st.DrawFn) -> NDArray[np.float64]:
    """Draw a series of BINS values: noise, ties or a constant, with values missing at the start, the end or within."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(("noise", "ties", "constant", "rare", "trend")))
    x: NDArray[np.float64] = {
        "noise": rng.normal(size=BINS),
        "ties": rng.integers(-1, 2, BINS) / 7,
        "constant": np.full(BINS, rng.normal()),
        "rare": np.where(rng.random(BINS) < 0.1, rng.normal(size=BINS), 0.0),
        "trend": 100 + 0.1 * np.arange(BINS) + rng.normal(size=BINS),
    }[kind]
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(-5, BINS))
        x[max(0, start) : start + draw(st.integers(1, 12))] = np.nan
    return x


@pytest.mark.parametrize("operator", TWINS)
@examples(60)
@given(
    x=hard_series(), window=st.integers(1, CAPACITY), min_periods=st.integers(1, CAPACITY), alpha=st.floats(0.01, 1.0)
)
def test_an_operator_says_what_its_twin_says(
    operator: str, x: NDArray[np.float64], window: int, min_periods: int, alpha: float
) -> None:
    """Missing values, ties, constants, windows of one bin or longer than the series: loops give the same answer."""
    p = OperatorParameters(window=max(window, LEAST_WINDOW.get(operator, 1)), min_periods=min_periods, alpha=alpha)
    assert_same(run(operator, x, p), TWINS[operator][1](x, p), x)


@pytest.mark.parametrize("operator", TWINS)
def test_parallel_stretches_of_time_change_nothing(operator: str) -> None:
    """A series long enough to be cut into parallel stretches, with missing values at their edges, agrees with loops."""
    rng = np.random.default_rng(1)
    x = np.where(rng.random(700) < 0.5, rng.normal(size=700), rng.integers(-1, 2, 700) / 3)
    x[[0, 139, 140, 280, 281, 699]] = np.nan
    x[300:380] = 0.25
    p = OperatorParameters(window=60, min_periods=20)
    assert_same(run(operator, x, p), TWINS[operator][1](x, p), x)


@pytest.mark.parametrize("operator", TWINS)
def test_an_operator_keeps_the_chunk_law(operator: str) -> None:
    """Cut into chunks at random, single bins among them, an operator gives what it gives over the whole series."""
    rng = np.random.default_rng(2)
    x = np.where(rng.random(700) < 0.5, rng.normal(size=700), 0.0)
    x[[0, 1, 50, 300]] = np.nan
    p = OperatorParameters(window=37, min_periods=5)
    whole = run(operator, x, p)
    ready = scorer(TWINS[operator][0], p, cell_width_ms=CELL_WIDTH_MS, radius=0, capacity=CAPACITY)
    for _ in range(3):
        cut = score_in_chunks(ready, {"x": x[:, None]}, random_sizes(rng, len(x), (1, 150)))
        np.testing.assert_allclose(cut, whole, rtol=0, atol=CHUNK_TOLERANCE)


def test_rate_is_per_second_and_0_at_the_first_bin() -> None:
    """With bins of 250 ms a step of 1 is a rate of 4; a missing value takes its two rates with it."""
    found = run("rate", np.array([3.0, 4.0, np.nan, 2.0, 2.0]), OperatorParameters())
    np.testing.assert_array_equal(found, [0.0, 4.0, np.nan, np.nan, 0.0])


def test_lag_is_0_before_the_first_bin_and_missing_where_its_value_is() -> None:
    """A history that has not begun is 0, a missing value in it is missing."""
    found = run("lag", np.array([1.0, np.nan, 3.0, 4.0, 5.0]), OperatorParameters(window=2))
    np.testing.assert_array_equal(found, [0.0, 0.0, 1.0, np.nan, 3.0])


def test_ema_passes_over_what_is_missing() -> None:
    """It starts with the first value there is and repeats itself where there is none."""
    found = run("ema", np.array([np.nan, 2.0, np.nan, 4.0]), OperatorParameters(alpha=0.5))
    np.testing.assert_array_equal(found, [np.nan, 2.0, 2.0, 3.0])


def test_slope_of_a_line_is_its_gradient_and_of_a_constant_exactly_0() -> None:
    """No rounding surfaces where there is nothing to see, however large the values."""
    np.testing.assert_allclose(run("slope", 7.0 - 0.5 * np.arange(6.0), OperatorParameters(window=4))[3:], -0.5)
    np.testing.assert_array_equal(run("slope", np.full(9, 1e9 / 3), OperatorParameters(window=4))[3:], 0.0)


def test_slope_does_not_drift() -> None:
    """What was huge long ago leaves no trace."""
    rng = np.random.default_rng(3)
    small = rng.normal(size=BINS)
    big = np.concatenate([small[:20] * 1e12, small[20:]])
    p = OperatorParameters(window=6)
    np.testing.assert_array_equal(run("slope", big, p)[25:], run("slope", small, p)[25:])


def test_moments_by_hand() -> None:
    """Of the windows 1; 1, 2; 1, 2, 6; 2, 6, 1: a window that has not begun is short, a missing value is missed."""
    x = np.array([1.0, 2.0, 6.0, 1.0, np.nan, 3.0])
    p = OperatorParameters(window=3)
    np.testing.assert_allclose(run("mean", x, p), [1.0, 1.5, 3.0, 3.0, np.nan, np.nan], rtol=1e-15)
    spread = np.sqrt(14 / 3)
    np.testing.assert_allclose(run("std", x, p), [0.0, 0.5, spread, spread, np.nan, np.nan], rtol=1e-15)
    skewed = (-8 - 1 + 27) / 3 / spread**3
    np.testing.assert_allclose(run("skew", x, p), [0.0, 0.0, skewed, skewed, np.nan, np.nan], rtol=1e-14)


@pytest.mark.parametrize("capacity", [2 * CAPACITY, 4_096])
@pytest.mark.parametrize("operator", ["mean", "std", "skew"])
def test_moments_have_the_same_bits_whatever_the_cutting_and_capacity(operator: str, capacity: int) -> None:
    """Values are added in the order of their age alone, and what was huge long ago leaves no trace.

    A single bin looks at all that is remembered at once where that is little, and block by block where it is much.
    """
    x = np.random.default_rng(4).normal(size=(700, 1)) + 1e4
    x[:100] *= 1e12
    p = OperatorParameters(window=50)
    ready = scorer(TWINS[operator][0], p, cell_width_ms=CELL_WIDTH_MS, radius=0, capacity=capacity)
    cut, whole = score_in_chunks(ready, {"x": x}, [1] * 100 + [150] * 4), run(operator, x[:, 0], p)
    np.testing.assert_array_equal(cut, whole)
    np.testing.assert_allclose(whole[150:], TWINS[operator][1](x[100:, 0], p)[50:], rtol=1e-7)


@pytest.mark.parametrize("operator", ["std", "skew"])
def test_a_constant_has_no_spread_however_large_it_is(operator: str) -> None:
    """No rounding surfaces where there is nothing to see."""
    np.testing.assert_array_equal(run(operator, np.full(9, 1e9 / 3), OperatorParameters(window=4)), 0.0)


def test_robust_z_by_hand() -> None:
    """Of 1, 2, 4, 9 the median is 3 and the deviations 2, 1, 1, 6 have the median 1.5: z of 9 is 6 / 2.2239."""
    found = run("robust_z", np.array([1.0, 2.0, 4.0, 9.0]), OperatorParameters(window=4, min_periods=3))
    np.testing.assert_allclose(found, [0.0, 0.0, 2.0 / 1.4826, 6.0 / (1.4826 * 1.5)], rtol=1e-15)


def test_robust_z_falls_back_on_the_standard_deviation() -> None:
    """Where more than half of the values are equal the MAD is 0, and x / std is taken, not less the median."""
    x = np.array([1.0, 1.0, 1.0, 5.0])
    p = OperatorParameters(window=4, min_periods=1)
    np.testing.assert_array_equal(run("robust_z", x, p), 0.0)
    np.testing.assert_allclose(run("robust_z_or_std", x, p), [0.0, 0.0, 0.0, 5.0 / np.std(x)], rtol=1e-15)


def test_order_statistics_have_the_same_bits_whatever_the_cutting() -> None:
    """Medians are selected, not summed: nothing is left to rounding."""
    x = np.random.default_rng(4).normal(size=(700, 1))
    p = OperatorParameters(window=50, min_periods=1)
    ready = scorer(robust_z, p, cell_width_ms=CELL_WIDTH_MS, radius=0, capacity=CAPACITY)
    cut = score_in_chunks(ready, {"x": x}, [1] * 100 + [150] * 4)
    np.testing.assert_array_equal(cut, run("robust_z", x[:, 0], p))
