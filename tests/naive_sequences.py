"""A plain twin of the confidence sequences: every sum written out over the list of blocks."""

import math
from collections.abc import Sequence

Block = tuple[float, int]
"""The sum and the number of the values in a block."""


def lambert_lower(value: float) -> float:
    """Return w <= -1 with w e^w = value, by bisection."""
    low, high = -1e3, -1.0
    for _ in range(300):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * math.exp(middle) > value else (low, middle)
    return (low + high) / 2


def rho_squared(block_variance: float, error: float) -> float:
    """Return the variance of the mixture that is tightest after 100 blocks."""
    return (-lambert_lower(-(error**2) / math.e) - 1) / (100 * block_variance)


def is_in_sequence(blocks: Sequence[Block], mean: float, rho2: float, error: float) -> bool:
    """Return whether a mean lies in the sequence after these blocks."""
    deviations = [total - mean * count for total, count in blocks]
    centre = sum(deviations) / len(deviations)
    variance = sum((each - centre) ** 2 for each in deviations)
    bound = math.sqrt((variance * rho2 + 1) / rho2 * 2 * math.log(math.sqrt(variance * rho2 + 1) / error))
    return abs(sum(deviations)) <= bound
