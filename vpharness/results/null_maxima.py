"""What chance makes of candidates: their T under each draw, and the greatest of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation import BlockSums, Draws, flipped_sums, standardised, studentised

FloatArray = NDArray[np.float64]

_ROUNDING: Final = 1e-24
"""A sum of squared residuals that is at most this share of ΣP_b² is rounding alone: every net fire earned the same."""

_BUDGET_BYTES: Final = 2**28
_BYTES_GROWN: Final = 4 * 24
"""What a trial takes for each draw: its three drawn sums, and three times as much for what is worked out with them."""


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

    Profit is judged by D_b = P_b - m n_b over the blocks with net fires, m being the candidate's own net mean. Where
    all D_b are 0 but for rounding so is T.
    """
    excess = [each.tick("excess") for each in blocks]
    residuals = [_residuals(each) for each in blocks]
    numbers = [each.block for each in blocks]
    drawn = flipped_sums(seconds, [*numbers, *numbers], [*excess, *residuals], draws)
    of_excess, of_profit = np.split(drawn, 2)
    net = _squares([each.tick("net_pnl") for each in blocks])
    tau = standardised(of_profit, _without_rounding(_squares(residuals), net))
    n_blocks = np.array([np.count_nonzero(each.count("n_net")) for each in blocks])
    return standardised(of_excess, _squares(excess)), studentised(tau, n_blocks)


def trials_at_once(draws: Draws) -> int:
    """Return of how many datasets together `null_statistics_as_grown` may draw the sums within its memory."""
    return max(1, _BUDGET_BYTES // (_BYTES_GROWN * draws.n))


def null_statistics_as_grown(
    several: Sequence[Sequence[BlockSums]], seconds: int, draws: Draws
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield for each candidate [K, D] what `null_statistics` gives for its first 1, 2, … K datasets together.

    Drawn sums are linear in the sums of blocks, so those of each dataset are drawn once and added up. With the totals
    N = Σn_b and m = ΣP_b/N of the datasets so far, the drawn residuals are Σ ε_b P_b - m Σ ε_b n_b.

    Args:
        several: for each candidate the blocks of `seconds` of its datasets, none of which two of them share.
        seconds: the length of all blocks.
        draws: the coins.
    """
    every = [blocks for own in several for blocks in own]
    net, count = [each.tick("net_pnl") for each in every], [each.count("n_net").astype(np.float64) for each in every]
    values = [*(each.tick("excess") for each in every), *net, *count]
    drawn = flipped_sums(seconds, [each.block for each in every] * 3, values, draws)
    drawn_excess, drawn_net, drawn_count = np.split(drawn, 3)
    start = 0
    for own in several:
        rows = slice(start, start + len(own))
        start = rows.stop
        ends = np.cumsum([len(each.block) for each in own])
        excess = np.concatenate([each.tick("excess") for each in own])
        own_net, own_count = np.concatenate(net[rows]), np.concatenate(count[rows])
        totals, fires = _up_to(own_net, ends), _up_to(own_count, ends)
        mean = np.divide(totals, fires, out=np.zeros_like(totals), where=fires > 0)
        squares = np.array([_square(own_net[:end] - m * own_count[:end]) for m, end in zip(mean, ends, strict=True)])
        squares = _without_rounding(squares, _up_to(own_net**2, ends))
        residuals = np.cumsum(drawn_net[rows], axis=0) - mean[:, None] * np.cumsum(drawn_count[rows], axis=0)
        n_blocks = _up_to((own_count > 0).astype(np.float64), ends).astype(np.int64)
        yield (
            standardised(np.cumsum(drawn_excess[rows], axis=0), _up_to(excess**2, ends)),
            studentised(standardised(residuals, squares), n_blocks),
        )


def _without_rounding(squares: FloatArray, net: FloatArray) -> FloatArray:
    """Return sums of squared residuals, 0 where they are rounding beside the sums `net` of ΣP_b²."""
    return np.where(squares <= _ROUNDING * net, 0.0, squares)


def _up_to(values: FloatArray, ends: NDArray[np.int64]) -> FloatArray:
    """Return the sums of the values before each end."""
    sums: FloatArray = np.concatenate([[0.0], np.cumsum(values)])[ends]
    return sums


def _square(row: FloatArray) -> float:
    return float(row @ row)


def _residuals(blocks: BlockSums) -> FloatArray:
    net, count = blocks.tick("net_pnl"), blocks.count("n_net")
    total = count.sum()
    found: FloatArray = net - (net.sum() / total if total else 0.0) * count
    return found


def _squares(rows: Sequence[FloatArray]) -> FloatArray:
    return np.array([float(np.sum(row**2)) for row in rows])
