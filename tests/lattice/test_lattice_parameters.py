"""Parameters of the lattice that do not fit are refused with the reason."""

from typing import Any

import pytest

from vpharness.lattice.lattice_parameters import LEAST_TAU_DISTANCE, LatticeParameters
from vpharness.lattice.layout import new_state
from vpharness.parameters import problems


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (
            {"tau_velocity": 5.0, "tau_acceleration": 5.0 + 1e-12},
            (
                "tau_velocity, tau_acceleration and tau_jerk are 5.0, 5.000000000001 and 10.0; "
                "they must lie at least 1 % apart, or digits are lost"
            ),
        ),
        (
            {"tau_jerk": 2.0},
            (
                "tau_velocity, tau_acceleration and tau_jerk are 2.0, 5.0 and 2.0; "
                "they must lie at least 1 % apart, or digits are lost"
            ),
        ),
        ({"tau_mass": 1e-300}, "tau_mass is 1e-300; it must be at least 0.001"),
        ({"tau_velocity": 1e300}, "tau_velocity is 1e+300; it must be at most 1000000"),
        (
            {"radius": 1000, "spectrum_zscore_window": 10_000},
            (
                "radius is 1000 and spectrum_zscore_window is 10000; cells times bins must be at most 2000000, "
                "for memory: narrow one of them"
            ),
        ),
        ({"evict_crossed_ms": 10**13}, "evict_crossed_ms is 10000000000000; it must be at most 86400000"),
        (
            {"spectrum_zscore_min_periods": 301},
            "spectrum_zscore_min_periods is 301; it must be at most spectrum_zscore_window, 300",
        ),
    ],
)
def test_what_does_not_fit_is_said(parameters: dict[str, Any], sentence: str) -> None:
    """One sentence with the values and what they must be."""
    assert problems(LatticeParameters(**parameters)) == [sentence]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"tau_velocity": 2.0, "tau_acceleration": 2.0 / (1 - LEAST_TAU_DISTANCE) + 1e-9},
        {"tau_velocity": 10.0, "tau_jerk": 2.0},
        {"radius": 1000},
        {"radius": 50, "spectrum_zscore_window": 10_000},
        {"evict_crossed_ms": 0},
    ],
)
def test_what_fits_is_let_through(parameters: dict[str, Any]) -> None:
    """The defaults, time constants in any order, and the ends of the ranges."""
    assert problems(LatticeParameters(**parameters)) == []


@pytest.mark.parametrize(
    ("own_ms", "default_ms", "in_force_ms"), [(None, 1000, 1000), (None, 0, 0), (0, 1000, 0), (5, 0, 5)]
)
def test_a_source_s_rule_for_crossed_books_holds_where_no_other_is_set(
    own_ms: int | None, default_ms: int, in_force_ms: int
) -> None:
    """In the parameters, and so in every fresh lattice; 0 is a rule of its own: never."""
    parameters = LatticeParameters(evict_crossed_ms=own_ms)
    assert parameters.with_eviction(default_ms) == LatticeParameters(evict_crossed_ms=in_force_ms)
    state = new_state(parameters, tick_size=0.25, size_unit=1.0, start_ns=None, default_evict_crossed_ms=default_ms)
    assert state.rules["evict_crossed_ns"].tolist() == [in_force_ms * 1_000_000]
