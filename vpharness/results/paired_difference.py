"""The difference between two candidates' net results, over blocks of time that both of them share.

With P_b and n_b the net sum and the number of fires of a candidate in block b, N = Σn_b and m = ΣP_b/N, the difference
d = m₁ - m₂ has the influence of block b

    D_b = (P₁_b - m₁ n₁_b)/N₁ - (P₂_b - m₂ n₂_b)/N₂,

and se(d) = √(B/(B-1) ΣD_b²) over the B blocks in which either fired: the linearised variance of a difference of two
ratios of totals (Cochran, Sampling Techniques, 1977, chapter 6). Blocks in which both fire are paired in it, so that
what the market did to both cancels. Blocks are of the longer of the two lengths.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.evidence import Evidence
from vpharness.evaluation.intervals import Interval, half_width

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PairedDifference:
    """The difference of two net means, ticks.

    Attributes:
        net: the mean of the first less that of the second, with its 95 % interval.
        n_blocks: blocks in which either has net fires.
        n_shared: those in which both have.
        block_s: the length of a block, seconds.
    """

    net: Interval
    n_blocks: int
    n_shared: int
    block_s: int


def paired_difference(first: Evidence, second: Evidence) -> PairedDifference:
    """Return the difference of two candidates' net means; NaN where one has no net fires, or blocks are fewer than 2.

    Whoever chose the two out of many has chosen their difference as well: the interval knows nothing of that.
    """
    seconds = max(first.blocks.seconds, second.blocks.seconds)
    one, other = first.blocks.at(seconds), second.blocks.at(seconds)
    blocks = np.union1d(one.block, other.block)
    influence, counts = np.zeros(len(blocks)), []
    means = []
    for sign, own in ((1.0, one), (-1.0, other)):
        total: FloatArray = np.zeros(len(blocks))
        count: FloatArray = np.zeros(len(blocks))
        places = np.searchsorted(blocks, own.block)
        total[places], count[places] = own.tick("net_pnl"), own.count("n_net")
        n = count.sum()
        mean = float(total.sum() / n) if n else math.nan
        influence += sign * (total - mean * count) / max(n, 1.0)
        counts.append(count)
        means.append(mean)
    held = (counts[0] > 0) | (counts[1] > 0)
    n_blocks = int(held.sum())
    difference, half = means[0] - means[1], math.nan
    if n_blocks >= 2 and math.isfinite(difference):
        error = math.sqrt(float(np.sum(influence[held] ** 2)) * n_blocks / (n_blocks - 1))
        half = half_width(error, n_blocks)
    shared = int(((counts[0] > 0) & (counts[1] > 0)).sum())
    return PairedDifference(Interval(difference, difference - half, difference + half), n_blocks, shared, seconds)
