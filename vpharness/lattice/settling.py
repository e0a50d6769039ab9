"""When a lattice has settled: until then its cells still tell when it began.

A book is known at once from a snapshot of it. What flowed before is not: velocities, accelerations, jerks and masses
decay, and until what came before has decayed below the precision of a float64, a lattice without it has other cells.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vpharness.lattice.columns import EVENT_COLUMN, LABEL_COLUMNS, MOVE_COLUMNS
from vpharness.lattice.lattice_parameters import LatticeParameters

_FOLDS: Final = 53 * math.log(2)
"""Time constants until 2^-53 is left."""
_DIFFERENCES: Final = 3
"""Bins that the spectrum's third difference reaches back."""
_DEPTHS: Final = frozenset({"rest_depth", "bid_depth", "ask_depth"})
_SPECTRUM: Final = frozenset({"spectrum_score", "spectrum_state_code"})
_LABELS: Final = frozenset({*LABEL_COLUMNS, *MOVE_COLUMNS}) - _SPECTRUM


@dataclass(frozen=True)
class Settling:
    """How long after the beginning of a flow the cells are those of a lattice that began earlier.

    Attributes:
        seconds: time after the beginning of the flow.
        bins: bins that must have been emitted after that.
    """

    seconds: float
    bins: int


def settling(lattice: LatticeParameters, columns: Iterable[str]) -> Settling | None:
    """Return how long some columns of a lattice take to settle; None where one of them never does.

    `last_event_id` never does: it is a number that counts from the feed's beginning.
    """
    each = [_of_column(lattice, name) for name in columns]
    known = [settled for settled in each if settled is not None]
    if len(known) < len(each):
        return None
    return Settling(max((one.seconds for one in known), default=0.0), max((one.bins for one in known), default=0))


def _of_column(lattice: LatticeParameters, name: str) -> Settling | None:
    if name == EVENT_COLUMN:
        return None
    if name in _SPECTRUM:
        # Its composite is a ratio of what decays: that goes on until it has decayed below the ratio's floor, twice as
        # far down.
        bins = max(lattice.spectrum_windows) - 1 + _DIFFERENCES + lattice.spectrum_zscore_window - 1
        return Settling(2 * _FOLDS * _slowest(lattice, "a"), bins)
    if name in _DEPTHS or name in _LABELS:
        return Settling(0.0, int(name in _LABELS))  # a label is of a move since the bin before
    if name.endswith("_mass"):
        return Settling(_FOLDS * lattice.tau_mass, 0)
    order, _, rate = name.partition("_")
    # Forces are made of velocities and accelerations.
    return Settling(_FOLDS * _slowest(lattice, "a" if rate == "variant" else order), 0)


def _slowest(lattice: LatticeParameters, order: str) -> float:
    """Return the longest time constant that velocities (v), accelerations (a) or jerks (j) follow, s."""
    taus = (lattice.tau_velocity, lattice.tau_acceleration, lattice.tau_jerk)
    return max(taus[: 1 + "vaj".index(order)])
