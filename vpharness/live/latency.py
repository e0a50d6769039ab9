"""Measured latencies as percentiles; a percentile with too few bins beyond it is None."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

PERCENTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
"""What is reported, as shares of the bins that took no longer."""

LEAST_BEYOND: Final = 10
"""Bins that must lie beyond a percentile: with fewer it is about the worst bin, which is reported by itself."""


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
