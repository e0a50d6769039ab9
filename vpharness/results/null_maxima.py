"""What chance makes of candidates: their T under each draw, and the greatest of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation import BlockSums, Draws, flipped_sums, standardised, studentised

FloatArray = NDArray[np.float64]


@dataclass
class NullMaxima:
    """The greatest T under each draw, of candidates as they stand, and of others as they once stood."""

    now: FloatArray
    before: FloatArray
    before_owner: NDArray[np.int64]
    before_other: FloatArray  # the greatest of those of any other owner

    @classmethod
    def start(cls, n_draws: int) -> "NullMaxima":
        """Return what holds before any candidate."""
        lowest = np.full(n_draws, -np.inf)
        return cls(lowest, lowest.copy(), np.full(n_draws, -1), lowest.copy())

    def add_before(self, owner: int, row: FloatArray) -> None:
        """Take in the greatest T of a candidate as it once stood."""
        again = self.before_owner == owner
        above = row > self.before
        # The one that is overtaken is the greatest of the others, unless it is the owner's own.
        self.before_other = np.where(above & ~again, self.before, self.before_other)
        below = ~above & ~again
        self.before_other = np.where(below, np.maximum(self.before_other, row), self.before_other)
        self.before = np.where(above, row, self.before)
        self.before_owner = np.where(above, owner, self.before_owner)

    def for_owner(self, owner: int) -> FloatArray:
        """Return [D] the greatest T for a candidate: of all as they stand, and of the others as they once stood."""
        others = np.where(self.before_owner == owner, self.before_other, self.before)
        found: FloatArray = np.maximum(self.now, others)
        return found


def null_statistics(blocks: Sequence[BlockSums], seconds: int, draws: Draws) -> tuple[FloatArray, FloatArray]:
    """Return [C, D] T of directional excess and of profit of candidates with blocks of one length, under each draw.

    Profit is judged by D_b = P_b - m n_b over the blocks with net fires, m being the candidate's own net mean.
    """
    excess = [each.tick("excess") for each in blocks]
    residuals = [_residuals(each) for each in blocks]
    numbers = [each.block for each in blocks]
    drawn = flipped_sums(seconds, [*numbers, *numbers], [*excess, *residuals], draws)
    of_excess, of_profit = np.split(drawn, 2)
    tau = standardised(of_profit, _squares(residuals))
    n_blocks = np.array([np.count_nonzero(each.count("n_net")) for each in blocks])
    return standardised(of_excess, _squares(excess)), studentised(tau, n_blocks)


def _residuals(blocks: BlockSums) -> FloatArray:
    net, count = blocks.tick("net_pnl"), blocks.count("n_net")
    total = count.sum()
    found: FloatArray = net - (net.sum() / total if total else 0.0) * count
    return found


def _squares(rows: Sequence[FloatArray]) -> FloatArray:
    return np.array([float(np.sum(row**2)) for row in rows])
