"""The sorted window of the robust z: kept in order value by value, its median and deviation as sorting finds them."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.naive import naive_robust_z
from vpharness.lattice.rolling_robust_z import (
    SEARCHES,
    absolute_deviation_of,
    insert_ordered,
    insertion_place,
    insertion_place_near,
    median_of,
    replace_ordered,
    robust_z,
)

# Few distinct values make ties, which is where bisections go wrong.
VALUES = st.one_of(st.sampled_from([-1.0, -0.0, 0.0, 1.0, 2.0]), st.floats(-1e6, 1e6))


@examples(200)
@given(st.lists(VALUES, min_size=1, max_size=30), st.integers(-5, 50))
def test_median_and_deviation_are_those_of_sorting(values: list[float], near: int) -> None:
    """Both order statistics are exact, for odd and even counts, with ties, and wherever the search begins."""
    ordered = np.sort(np.array(values))
    median = median_of(ordered, len(values))
    assert median == np.median(values)
    assert absolute_deviation_of(ordered, len(values), median, np.full(SEARCHES, near)) == np.median(
        np.abs(np.array(values) - median)
    )


@examples(200)
@given(st.lists(VALUES, min_size=1, max_size=60), st.integers(1, 12))
def test_a_rolling_window_stays_sorted(values: list[float], window: int) -> None:
    """Filled by insertions and then kept by replacements, the window is the sorted last values after every step."""
    ordered, ring, found = np.zeros(window), np.zeros(window), np.zeros(SEARCHES, np.int64)
    for index, value in enumerate(values):
        if index < window:
            insert_ordered(ordered, index, value)
        else:
            replace_ordered(ordered, window, ring[index % window], value, found)
        ring[index % window] = value
        last = values[max(0, index + 1 - window) : index + 1]
        assert ordered[: len(last)].tolist() == sorted(last)


@examples(100)
@given(st.lists(VALUES, max_size=20), VALUES, st.integers(-5, 30))
def test_the_insertion_place_counts_what_is_below(values: list[float], value: float, near: int) -> None:
    """It is the number of smaller values, equal ones not counted, wherever the search begins."""
    ordered, below = np.sort(np.array(values)), sum(each < value for each in values)
    assert insertion_place(ordered, len(values), value) == below
    assert insertion_place_near(ordered, len(values), value, near) == below


@examples(200)
@given(st.lists(VALUES, min_size=1, max_size=30), st.sampled_from([1e-9, 1e-6, 1.0]))
def test_the_robust_z_is_that_of_the_plain_twin(values: list[float], floor: float) -> None:
    """The last value's z agrees to rounding, and is 0 where the scale is at the floor."""
    found = robust_z(values[-1], np.sort(np.array(values)), len(values), floor, np.zeros(SEARCHES, np.int64))
    assert found == pytest.approx(naive_robust_z(values, len(values), 1, floor), rel=1e-12, abs=0)


@pytest.mark.skipif(os.environ.get("NUMBA_BOUNDSCHECK") != "1", reason="kernels are compiled without bounds checking")
def test_bounds_are_checked_where_that_is_asked_for() -> None:
    """A kernel that is told of more values than there are raises, so a run with bounds checking proves something."""
    with pytest.raises(IndexError):
        median_of(np.zeros(3), 100)
