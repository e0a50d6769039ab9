"""The filter bank: exact in time however it is cut, and the matrix exponential of its definition."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.examples import examples
from tests.lattice.engine_help import open_lattice
from tests.lattice.feed import TICK
from tests.naive import naive_expm_step
from vpharness.lattice.filter_bank import (
    CHANNEL_COUNT,
    CHANNEL_FILL,
    MASS_OFFSET,
    ORDER_COUNT,
    STATE_SIZE,
    add_impulse,
    advance_into,
)

NS = 1_000_000_000
TAUS = st.sampled_from([(2.0, 5.0, 10.0), (10.0, 5.0, 2.0), (0.1, 30.0, 1.0), (3.0, 3.5, 4.0), (2.0, 2.0204, 2.041)])
"""The last are as near to one another as is allowed."""
STATES = st.lists(st.floats(-1e3, 1e3), min_size=STATE_SIZE, max_size=STATE_SIZE).map(np.array)
TIMES_NS = st.one_of(st.integers(0, 60 * NS), st.integers(0, 1000), st.integers(0, 24 * 3600 * NS))


def rules_of(taus: tuple[float, float, float]) -> NDArray[Any]:
    """Return the rules of a lattice with these time constants."""
    velocity, acceleration, jerk = taus
    return open_lattice(tick_int=TICK, tau_velocity=velocity, tau_acceleration=acceleration, tau_jerk=jerk).rules


def advanced(state: NDArray[np.float64], elapsed_ns: int, rules: NDArray[Any]) -> NDArray[np.float64]:
    """Return what a state becomes, in an array of its own."""
    result = np.zeros(STATE_SIZE)
    advance_into(state, elapsed_ns, rules, result)
    return result


@examples(150)
@given(STATES, TIMES_NS, TIMES_NS, TAUS)
def test_advancing_twice_is_advancing_by_the_sum(
    state: NDArray[np.float64], first_ns: int, second_ns: int, taus: tuple[float, float, float]
) -> None:
    """A state moved by a and then by b is the state moved by a + b, to rounding."""
    rules = rules_of(taus)
    twice = advanced(advanced(state, first_ns, rules), second_ns, rules)
    scale = max(1.0, float(np.abs(state).max()))
    np.testing.assert_allclose(twice, advanced(state, first_ns + second_ns, rules), rtol=1e-9, atol=1e-12 * scale)


@examples(80)
@given(STATES, st.integers(0, 60 * NS), TAUS)
def test_a_step_is_the_matrix_exponential(
    state: NDArray[np.float64], elapsed_ns: int, taus: tuple[float, float, float]
) -> None:
    """Every channel moves as the twin's Taylor series says, and every mass decays by its own exponential."""
    moved = advanced(state, elapsed_ns, rules_of(taus))
    for channel in range(CHANNEL_COUNT):
        at = slice(channel * ORDER_COUNT, (channel + 1) * ORDER_COUNT)
        expected = naive_expm_step(state[at].tolist(), elapsed_ns / NS, taus)
        np.testing.assert_allclose(moved[at], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moved[MASS_OFFSET:], state[MASS_OFFSET:] * math.exp(-elapsed_ns / NS / 30), rtol=1e-12)


def test_a_state_may_be_advanced_in_place() -> None:
    """Source and result may be one array: the bits are those of a result of its own."""
    state, rules = np.random.default_rng(1).normal(size=STATE_SIZE), rules_of((2.0, 5.0, 10.0))
    expected = advanced(state, NS, rules)
    advance_into(state, NS, rules, state)
    assert state.tobytes() == expected.tobytes()


def test_standing_still_changes_no_bit() -> None:
    """Over no time at all the exponential is the unit matrix."""
    state = np.random.default_rng(2).normal(size=STATE_SIZE)
    assert advanced(state, 0, rules_of((2.0, 5.0, 10.0))).tobytes() == state.tobytes()


def test_an_impulse_enters_velocity_acceleration_and_jerk_of_its_channel_alone() -> None:
    """An impulse of 6 adds 6/2, 6/(2*5) and 6/(2*5*10) with the default time constants."""
    state = np.zeros(STATE_SIZE)
    add_impulse(state, CHANNEL_FILL, 6.0, rules_of((2.0, 5.0, 10.0)))
    at = int(CHANNEL_FILL) * ORDER_COUNT
    assert state[at : at + ORDER_COUNT] == pytest.approx([3.0, 0.6, 0.06], rel=1e-15)
    assert np.count_nonzero(state) == ORDER_COUNT
