"""What the plain twin of the lattice can be asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True)
class Settings:
    """The keyword arguments of `naive_lattice`; tick_int in 1e-9 units, times in ns, taus in seconds.

    What LatticeParameters has too bears the same name here.
    """

    tick_int: int
    size_unit: float
    cell_width_ms: int
    radius: int = 50
    start_ns: int | None = None
    end_ns: int | None = None
    evict_crossed_ms: int = 0
    tau_velocity: float = 2.0
    tau_acceleration: float = 5.0
    tau_jerk: float = 10.0
    tau_mass: float = 30.0
    c1_v_add: float = 1.0
    c2_v_rest_pos: float = 0.5
    c3_a_add: float = 0.3
    c4_v_pull: float = 1.0
    c5_v_fill: float = 1.5
    c6_v_rest_neg: float = 0.5
    c7_a_pull: float = 0.3
    spectrum_windows: Sequence[int] = (5, 10, 20, 40)
    spectrum_zscore_window: int = 300
    spectrum_zscore_min_periods: int = 75
    spectrum_zscore_floor: float = 1e-6
    spectrum_tanh_scale: float = 3.0
    spectrum_d1_weight: float = 0.55
    spectrum_d2_weight: float = 0.30
    spectrum_d3_weight: float = 0.15
    spectrum_threshold: float = 0.15

    @property
    def taus(self) -> tuple[float, float, float]:
        """Return the time constants of velocity, acceleration and jerk, in seconds."""
        return (self.tau_velocity, self.tau_acceleration, self.tau_jerk)

    @property
    def spectrum_weights(self) -> tuple[float, float, float]:
        """Return the weights of the first, second and third difference."""
        return (self.spectrum_d1_weight, self.spectrum_d2_weight, self.spectrum_d3_weight)

    @property
    def width_ns(self) -> int:
        """Return the width of a bin in nanoseconds."""
        return self.cell_width_ms * NS_PER_MS

    @property
    def width_s(self) -> float:
        """Return the width of a bin in seconds."""
        return self.cell_width_ms / 1000
