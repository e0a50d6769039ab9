"""Every parameter of the lattice, with its default."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vpharness.parameters import parameter

LATTICE_VERSION: Final = 2
"""Raised by hand when the same events and parameters give other bins."""


@dataclass(frozen=True)
class LatticeParameters:
    """How events become bins and cells. A dataset's identity holds every one of these."""

    cell_width_ms: int = parameter(100, meaning="width of a bin", unit="ms", minimum=1, maximum=86_400_000)
    radius: int = parameter(50, meaning="cells on each side of spot", unit="ticks", minimum=1, maximum=1000)
    tau_velocity: float = parameter(2.0, meaning="time constant of velocities", unit="s", above=0)
    tau_acceleration: float = parameter(5.0, meaning="time constant of accelerations", unit="s", above=0)
    tau_jerk: float = parameter(10.0, meaning="time constant of jerks", unit="s", above=0)
    tau_mass: float = parameter(30.0, meaning="time constant of masses", unit="s", above=0)
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
        75, meaning="least bins before the spectrum's robust z counts", unit="bins", minimum=1
    )
    spectrum_zscore_floor: float = parameter(1e-6, meaning="least scale of the spectrum's robust z", minimum=0)
    spectrum_tanh_scale: float = parameter(3.0, meaning="divisor of z inside tanh", above=0)
    spectrum_d1_weight: float = parameter(0.55, meaning="weight of the first difference")
    spectrum_d2_weight: float = parameter(0.30, meaning="weight of the second difference")
    spectrum_d3_weight: float = parameter(0.15, meaning="weight of the third difference")
    spectrum_threshold: float = parameter(0.15, meaning="score at which the state leaves 0", minimum=0)
    evict_crossed_ms: int | None = parameter(
        None,
        meaning="age at which a crossed book is uncrossed; 0 is never, null is the source's own",
        unit="ms",
        minimum=0,
    )

    def relations(self) -> Iterator[str]:
        """Say what does not fit together."""
        taus = (self.tau_velocity, self.tau_acceleration, self.tau_jerk)
        if len(set(taus)) < 3:
            yield f"tau_velocity, tau_acceleration and tau_jerk are {taus}; they must differ from one another"
        if not self.spectrum_windows:
            yield "spectrum_windows is empty; at least one window is needed"
        if self.spectrum_zscore_min_periods > self.spectrum_zscore_window:
            yield (
                f"spectrum_zscore_min_periods is {self.spectrum_zscore_min_periods}; "
                f"it must be at most spectrum_zscore_window, {self.spectrum_zscore_window}"
            )
