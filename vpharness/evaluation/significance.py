"""Significance: p-values of one candidate, p-values adjusted over a family, and the rules to be ranked and to win."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.evidence import Evidence

T_TOLERANCE: Final = 1e-12
"""Draws whose T lies this close under the observed one count as equal to it."""

LEAST_NET_FIRES: Final = 30
LEAST_NET_BLOCKS: Final = 8
LEAST_AT_BARRIER: Final = 5
"""Fires that must have ended at a barrier: with none the interval has not seen the outcome that decides the mean."""
BARRIER_SHARE: Final = 0.01
"""A barrier at which fewer of the part's walks end than this share is asked nothing of."""
SIGNIFICANCE_LEVEL: Final = 0.05
LEAST_CRITICAL_T: Final = 1.645
"""The critical value of a profit claim is never less than that of one normal candidate by itself."""
LEAST_TEST_FIRES: Final = 10
_MINUTES_PER_HOUR: Final = 60


def p_value(observed: float, drawn: NDArray[np.float64]) -> float:
    """Return (1 + #{draws with T >= observed T}) / (1 + draws).

    With draws [D] of the candidate itself it is the candidate's own p-value. With the greatest T of a family under each
    draw it is the adjusted one (max-T; Westfall and Young, 1993); the family must hold the candidate itself.
    """
    return (1 + int(np.sum(drawn >= observed - T_TOLERANCE))) / (1 + len(drawn))


def critical_value(greatest: NDArray[np.float64], level: float = SIGNIFICANCE_LEVEL) -> float:
    """Return the value that the greatest of a family exceeds in a share `level` of draws: the 950th of 999 for 0.05."""
    return float(np.sort(greatest)[math.ceil((1 - level) * (1 + len(greatest))) - 1])


_SINGULAR: Final = {
    "net fires": "net fire",
    "blocks": "block",
    "take-profits": "take-profit",
    "stop-losses": "stop-loss",
}


@dataclass(frozen=True)
class Lack:
    """Something that a candidate lacks to be rankable.

    Attributes:
        what: what there is too little of: "net fires", "blocks", "take-profits" or "stop-losses".
        found, needed: how many there are, and how many it takes.
        detail: which of them are meant, such as " of 256 s".
        note: more about it, such as how much more time it would take.
    """

    what: str
    found: int
    needed: int
    detail: str = ""
    note: str = ""

    def __str__(self) -> str:
        """Return it in words."""
        what = _SINGULAR[self.what] if self.found == 1 else self.what
        return f"{self.found} {what}{self.detail}, {self.needed} needed{self.note}"


def lacking(evidence: Evidence) -> tuple[Lack, ...]:
    """Return what a candidate lacks to be rankable; nothing where it is.

    Args:
        evidence: of the part that chooses, pooled over the candidate's datasets.
    """
    blocks, tally = evidence.blocks, evidence.tally
    n_net, n_blocks = int(blocks.count("n_net").sum()), int(np.count_nonzero(blocks.count("n_net")))
    if not n_net:
        return (Lack("net fires", 0, LEAST_NET_FIRES),)
    lacks = []
    if n_net < LEAST_NET_FIRES:
        lacks.append(Lack("net fires", n_net, LEAST_NET_FIRES, note=_more_time(tally.hours, n_net, LEAST_NET_FIRES)))
    if n_blocks < LEAST_NET_BLOCKS:
        more = _more_time(tally.hours, n_blocks, LEAST_NET_BLOCKS)
        lacks.append(Lack("blocks", n_blocks, LEAST_NET_BLOCKS, f" of {blocks.seconds} s", more))
    for name, what, walks in (
        ("net_tp", "take-profits", tally.n_walks_tp),
        ("net_sl", "stop-losses", tally.n_walks_sl),
    ):
        found = int(blocks.count(name).sum())
        if found < LEAST_AT_BARRIER and walks >= BARRIER_SHARE * tally.n_walks and walks:
            lacks.append(Lack(what, found, LEAST_AT_BARRIER))
    return tuple(lacks)


def has_enough(
    n_net: NDArray[np.int64],
    n_blocks: NDArray[np.int64],
    at_barriers: tuple[NDArray[np.int64], NDArray[np.int64]],
    n_walks: NDArray[np.int64],
    walks_at_barriers: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.bool_]:
    """Return [K] whether `lacking` finds nothing, for K pieces of evidence given their totals.

    Args:
        n_net: net fires.
        n_blocks: blocks that hold any.
        at_barriers: net fires that ended at the take-profit, and at the stop-loss.
        n_walks: the parts' walks.
        walks_at_barriers: those of them that ended at the take-profit, and at the stop-loss.
    """
    enough = (n_net >= LEAST_NET_FIRES) & (n_blocks >= LEAST_NET_BLOCKS)
    for found, walks in zip(at_barriers, walks_at_barriers, strict=True):
        is_asked_for = (walks >= BARRIER_SHARE * n_walks) & (walks > 0)
        enough &= (found >= LEAST_AT_BARRIER) | ~is_asked_for
    return enough


def _more_time(hours: float, found: int, needed: int) -> str:
    """Return how much more time it would take at the rate so far, in words."""
    if not found or not hours:
        return ""
    minutes = math.ceil(_MINUTES_PER_HOUR * hours * (needed - found) / found)
    if minutes < 2 * _MINUTES_PER_HOUR:
        return f": about {minutes} {'minute' if minutes == 1 else 'minutes'} more"
    return f": about {math.ceil(minutes / _MINUTES_PER_HOUR)} hours more"


def is_winner(lacks: Sequence[Lack], adjusted: float, net_low_all: float) -> bool:
    """Whether a rankable candidate beats chance in its family and has a simultaneous lower bound above 0."""
    return not lacks and adjusted <= SIGNIFICANCE_LEVEL and net_low_all > 0


def opening_error(opening: int) -> float:
    """Return 0.05·6/(π²k²), the error allowed to the k-th opening of the same market time; all add up to 0.05."""
    return SIGNIFICANCE_LEVEL * 6 / (math.pi * opening) ** 2
