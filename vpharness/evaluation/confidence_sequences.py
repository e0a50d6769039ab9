"""Confidence sequences of means over fires: intervals that are all valid at once, however often one looks.

A confidence interval holds at one look that was fixed beforehand; who looks after every block will see it exclude the
truth sooner or later. The intervals of a confidence sequence contain the truth at all looks together with probability
1 - alpha. Units are blocks of time, as in `blocks`, once every fire in them is decided: with P_b the sum and n_b the
number of values in block b, D_b(m) = P_b - m n_b has mean 0 at the true mean m. After B blocks, with

    S(m) = Σ D_b(m)        V(m) = Σ (D_b(m) - mean D(m))²

m lies in the sequence while |S(m)| <= √((V(m) r + 1)/r · 2 ln(√(V(m) r + 1)/alpha)). This is the two-sided asymptotic
confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (Time-uniform central limit theory and asymptotic
confidence sequences, Annals of Statistics 52, 2024), which mixes normal distributions of the drift with variance r (rho
squared there). It is always wider than the interval of one look, and tightest around the V that r is chosen for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vpharness.evaluation.intervals import Interval

ERROR: Final = 0.05
"""The alpha of every claim, shared out among the claims that are made side by side."""
TIGHTEST_AFTER_BLOCKS: Final = 100
"""The sequence is tightest once the variance sum is that of so many blocks."""
LEAST_BLOCKS: Final = 10
"""Nothing is claimed on fewer blocks: before, the sum of blocks is not yet near a normal distribution."""
_DOUBLINGS: Final = 200
_HALVINGS: Final = 60


@dataclass(frozen=True)
class BlockMoments:
    """What a confidence sequence needs to know of the closed blocks so far: six sums, however many there are.

    Attributes:
        n_blocks: B.
        total, count: ΣP_b and Σn_b.
        squared_totals, products, squared_counts: ΣP_b², Σn_b P_b and Σn_b².
    """

    n_blocks: int = 0
    total: float = 0.0
    count: float = 0.0
    squared_totals: float = 0.0
    products: float = 0.0
    squared_counts: float = 0.0

    def add(self, total: float, count: float) -> "BlockMoments":
        """Return the moments with one more closed block, of `count` values whose sum is `total`."""
        return BlockMoments(
            self.n_blocks + 1,
            self.total + total,
            self.count + count,
            self.squared_totals + total * total,
            self.products + count * total,
            self.squared_counts + count * count,
        )

    @property
    def mean(self) -> float:
        """The mean ΣP/Σn; NaN where there is no value."""
        return self.total / self.count if self.count else math.nan

    def deviation(self, mean: float) -> tuple[float, float]:
        """Return S(m) and V(m)."""
        if not self.n_blocks:
            return 0.0, 0.0
        deviation = self.total - mean * self.count
        squares = self.squared_totals - 2 * mean * self.products + mean * mean * self.squared_counts
        return deviation, max(squares - deviation * deviation / self.n_blocks, 0.0)


def mixture_variance(block_variance: float, error: float = ERROR) -> float:
    """Return rho squared, (-W₋₁(-alpha²/e) - 1)/V*, for a variance sum V* of `TIGHTEST_AFTER_BLOCKS` blocks.

    W₋₁ is the lower branch of Lambert's function. A ValueError where the variance of a block is not above 0.

    Args:
        block_variance: what D_b varies by from block to block, as far as it is known before the first look: mean of
            its squares in the evidence of a promotion.
        error: alpha.
    """
    from scipy.special import lambertw  # type: ignore[import-untyped]  # noqa: PLC0415  # untyped, and slow to load

    if not (block_variance > 0 and math.isfinite(block_variance)):
        raise ValueError(f"the variance of a block is {block_variance}; it must be above 0")
    branch = float(np.real(lambertw(-(error**2) / math.e, -1)))
    return (-branch - 1) / (block_variance * TIGHTEST_AFTER_BLOCKS)


def largest_deviation(variance_sum: ArrayLike, rho_squared: float, error: float = ERROR) -> NDArray[np.float64]:
    """Return the largest |S| with which a mean still lies in the sequence, for variance sums V of any shape."""
    inflated = np.asarray(variance_sum, np.float64) * rho_squared + 1
    found: NDArray[np.float64] = np.sqrt(inflated / rho_squared * 2 * np.log(np.sqrt(inflated) / error))
    return found


def contains(moments: BlockMoments, mean: float, rho_squared: float, error: float = ERROR) -> bool:
    """Return whether a mean lies in the sequence at this look."""
    deviation, variance_sum = moments.deviation(mean)
    return bool(abs(deviation) <= largest_deviation(variance_sum, rho_squared, error))


def sequence_interval(moments: BlockMoments, rho_squared: float, error: float = ERROR) -> Interval:
    """Return the mean with the ends of the sequence at this look; NaN ends on fewer than `LEAST_BLOCKS` blocks.

    The ends are found from the mean outwards by bisection; an end is infinite where every mean on its side lies in the
    sequence.
    """
    if moments.n_blocks < LEAST_BLOCKS or not moments.count:
        return Interval(moments.mean, math.nan, math.nan)

    def is_inside(mean: float) -> bool:
        return contains(moments, mean, rho_squared, error)

    # As wide as the deviation that a mean may have if the variance were that at the mean itself.
    _, variance_sum = moments.deviation(moments.mean)
    step = float(largest_deviation(variance_sum, rho_squared, error)) / moments.count / 4
    ends = [_end(moments.mean, sign * step, is_inside) for sign in (-1, 1)]
    return Interval(moments.mean, ends[0], ends[1])


def _end(mean: float, step: float, is_inside: Callable[[float], bool]) -> float:
    """Return where, going from a mean in steps that double, the sequence ends first; infinite where it does not."""
    inside, away = mean, step
    for _ in range(_DOUBLINGS):
        outside = mean + away
        if not math.isfinite(outside):
            break
        if not is_inside(outside):
            return _between(inside, outside, is_inside)
        inside, away = outside, 2 * away
    return math.copysign(math.inf, step)


def _between(inside: float, outside: float, is_inside: Callable[[float], bool]) -> float:
    """Return the last mean inside, by bisection."""
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        if is_inside(middle):
            inside = middle
        else:
            outside = middle
    return inside
