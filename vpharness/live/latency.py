"""Measured latencies as percentiles, and how busy the machine was on which they were measured.

A percentile with too few bins beyond it is None.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vpharness.wording import counted

PERCENTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
"""What is reported, as shares of the bins that took no longer."""

LEAST_BEYOND: Final = 10
"""Bins that must lie beyond a percentile: with fewer it is about the worst bin, which is reported by itself."""

_BUSY_SHARE: Final = 0.75
"""Of the processors: from here on the one that a thread ran on last is often taken."""
_BUSY_ALONE: Final = 1.5
"""The load of a process that has the machine to itself is 1."""


@dataclass(frozen=True)
class Latency:
    """How long something took, over the bins that were timed.

    Attributes:
        bins: how many.
        percentiles: ms by the names of PERCENTILES, each the time of a bin; None where there are too few bins.
        max_ms: the longest.
    """

    bins: int
    percentiles: dict[str, float | None]
    max_ms: float

    @classmethod
    def of(cls, durations_ns: Sequence[int]) -> "Latency | None":
        """Return the latency of some bins, None where there are none."""
        if not durations_ns:
            return None
        found = np.quantile(np.array(durations_ns), list(PERCENTILES.values()), method="inverted_cdf") / 1e6
        bins = len(durations_ns)
        percentiles = {
            name: float(value) if bins >= bins_needed(share) else None
            for (name, share), value in zip(PERCENTILES.items(), found, strict=True)
        }
        return cls(bins, percentiles, max(durations_ns) / 1e6)


def bins_needed(share: float) -> int:
    """Return the number of bins from which on a percentile is reported."""
    return math.ceil(round(LEAST_BEYOND / (1 - share), 6))


@dataclass(frozen=True)
class MachineLoad:
    """How busy a machine is, this process included.

    Attributes:
        load: threads that ran or waited for a processor, on average over the last minute.
        processors: how many there are.
    """

    load: float
    processors: int

    @classmethod
    def now(cls) -> "MachineLoad | None":
        """Return the load of this machine; None where the system does not measure it."""
        try:
            return cls(os.getloadavg()[0], os.cpu_count() or 1)
        except (AttributeError, OSError):  # not every system measures it
            return None

    @property
    def is_busy(self) -> bool:
        """Whether a process may have had to wait for a processor: others than this one took most of them."""
        return self.load > max(_BUSY_SHARE * self.processors, _BUSY_ALONE)

    def __str__(self) -> str:
        return f"load {self.load:.1f} on {counted(self.processors, 'processor')}"
