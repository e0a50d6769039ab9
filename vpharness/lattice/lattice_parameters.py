"""The parameters of the lattice, with their defaults, units and ranges."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from vpharness.parameters import parameter

LATTICE_VERSION: Final = 2
"""Raised by hand when the same events and parameters give other bins."""

LEAST_TAU_DISTANCE: Final = 0.01
"""How far the time constants of the filter bank lie from one another, as a share of the larger one.

Its exact solution divides differences of exponentials by differences of rates, twice. Where they lie a share d apart,
this loses 2 log10(1/d) of 16 digits: at one part in a hundred, 12 are left.
"""

_LEAST_TAU_S: Final = 1e-3
_LONGEST_TAU_S: Final = 1e6  # eleven days: what decays more slowly does not decay within a dataset
_MOST_KEPT_CHANGES: Final = 2_000_000  # cells times bins: the spectrum keeps 200 bytes for each, 400 MB in all


@dataclass(frozen=True)
class LatticeParameters:
    """How events become bins and cells. A dataset's identity holds every one of these."""

    cell_width_ms: int = parameter(100, meaning="width of a bin", unit="ms", minimum=1, maximum=86_400_000)
    radius: int = parameter(50, meaning="cells on each side of spot", unit="ticks", minimum=1, maximum=1000)
    tau_velocity: float = parameter(
        2.0, meaning="time constant of velocities", unit="s", minimum=_LEAST_TAU_S, maximum=_LONGEST_TAU_S
    )
    tau_acceleration: float = parameter(
        5.0, meaning="time constant of accelerations", unit="s", minimum=_LEAST_TAU_S, maximum=_LONGEST_TAU_S
    )
    tau_jerk: float = parameter(
        10.0, meaning="time constant of jerks", unit="s", minimum=_LEAST_TAU_S, maximum=_LONGEST_TAU_S
    )
    tau_mass: float = parameter(
        30.0, meaning="time constant of masses", unit="s", minimum=_LEAST_TAU_S, maximum=_LONGEST_TAU_S
    )
    c1_v_add: float = parameter(1.0, meaning="weight of v_add in pressure")
    c2_v_rest_pos: float = parameter(0.5, meaning="weight of rising v_rest_depth in pressure")
    c3_a_add: float = parameter(0.3, meaning="weight of rising a_add in pressure")
    c4_v_pull: float = parameter(1.0, meaning="weight of v_pull in vacuum")
    c5_v_fill: float = parameter(1.5, meaning="weight of v_fill in vacuum")
    c6_v_rest_neg: float = parameter(0.5, meaning="weight of falling v_rest_depth in vacuum")
    c7_a_pull: float = parameter(0.3, meaning="weight of rising a_pull in vacuum")
    spectrum_windows: list[int] = parameter(
        [5, 10, 20, 40], meaning="trailing means of the composite", unit="bins", minimum=1, maximum=10_000
    )
    spectrum_zscore_window: int = parameter(
        300, meaning="window of the spectrum's robust z", unit="bins", minimum=2, maximum=10_000
    )
    spectrum_zscore_min_periods: int = parameter(
        75, meaning="minimum number of bins for the spectrum's robust z", unit="bins", minimum=1, maximum=10_000
    )
    spectrum_zscore_floor: float = parameter(1e-6, meaning="minimum scale of the spectrum's robust z", minimum=0)
    spectrum_tanh_scale: float = parameter(3.0, meaning="divisor of z inside tanh", above=0)
    spectrum_d1_weight: float = parameter(0.55, meaning="weight of the first difference")
    spectrum_d2_weight: float = parameter(0.30, meaning="weight of the second difference")
    spectrum_d3_weight: float = parameter(0.15, meaning="weight of the third difference")
    spectrum_threshold: float = parameter(0.15, meaning="|score| from which the state is 1 or -1", minimum=0)
    evict_crossed_ms: int | None = parameter(
        None,
        meaning="how long a book may stay crossed before it is uncrossed; 0: forever, null: the source's default",
        unit="ms",
        minimum=0,
        maximum=86_400_000,
    )

    def with_eviction(self, default_evict_crossed_ms: int) -> "LatticeParameters":
        """Return the parameters in force on a source: where no age of crossed books is set, the source's own holds."""
        if self.evict_crossed_ms is not None:
            return self
        return dataclasses.replace(self, evict_crossed_ms=default_evict_crossed_ms)

    def relations(self) -> Iterator[str]:
        """Yield a sentence for each relation between parameters that does not hold."""
        taus = sorted((self.tau_velocity, self.tau_acceleration, self.tau_jerk))
        if any(longer - shorter < LEAST_TAU_DISTANCE * longer for shorter, longer in pairwise(taus)):
            yield (
                f"tau_velocity, tau_acceleration and tau_jerk are {self.tau_velocity}, {self.tau_acceleration} and "
                f"{self.tau_jerk}; they must lie at least {100 * LEAST_TAU_DISTANCE:g} % apart, or digits are lost"
            )
        if not self.spectrum_windows:
            yield "spectrum_windows is empty; at least one window is needed"
        if self.spectrum_zscore_min_periods > self.spectrum_zscore_window:
            yield (
                f"spectrum_zscore_min_periods is {self.spectrum_zscore_min_periods}; "
                f"it must be at most spectrum_zscore_window, {self.spectrum_zscore_window}"
            )
        if (2 * self.radius + 1) * self.spectrum_zscore_window > _MOST_KEPT_CHANGES:
            yield (
                f"radius is {self.radius} and spectrum_zscore_window is {self.spectrum_zscore_window}; cells times "
                f"bins must be at most {_MOST_KEPT_CHANGES}, for memory: narrow one of them"
            )
