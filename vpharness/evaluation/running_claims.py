"""What may be claimed of a served model at any time: whether it earns what was promised, nothing, or less than another.

Each is made from a confidence sequence, so that it holds however often one looks: the chance that it is ever made of
a model of which it is not true is at most the stated error.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

from vpharness.evaluation.confidence_sequences import (
    ERROR,
    LEAST_BLOCKS,
    BlockMoments,
    mixture_variance,
    sequence_interval,
)
from vpharness.evaluation.intervals import Interval

TOO_EARLY: Final = "too early"
AS_PROMISED: Final = "as promised"
WORSE: Final = "worse than promised"
BETTER: Final = "better than promised"
WORTH_NOTHING: Final = "worth nothing"
UNPROMISED: Final = "nothing was promised"
CHALLENGER_BETTER: Final = "better than the champion"
CHALLENGER_WORSE: Final = "worse than the champion"
UNDECIDED: Final = "not told apart from the champion"


@dataclass(frozen=True)
class ClosingBlocks:
    """Sums over blocks of time, in which values arrive late: a block counts once no more can come for it.

    Attributes:
        closed: the moments of blocks that are closed.
        growing: (block, sum, number) of those that are not, ascending.
    """

    closed: BlockMoments = field(default_factory=BlockMoments)
    growing: tuple[tuple[int, float, int], ...] = ()

    def add(self, block: int, value: float) -> "ClosingBlocks":
        """Take in a value of a block that is not closed."""
        sums = {number: (total, count) for number, total, count in self.growing}
        total, count = sums.get(block, (0.0, 0))
        sums[block] = (total + value, count + 1)
        return replace(self, growing=tuple((number, *sums[number]) for number in sorted(sums)))

    def close_before(self, block: int, *, as_one: bool = False) -> "ClosingBlocks":
        """Close all blocks before one; `as_one` counts each of them as one value, its sum."""
        if not self.growing or self.growing[0][0] >= block:
            return self
        closed = self.closed
        for number, total, count in self.growing:
            if number < block:
                closed = closed.add(total, 1 if as_one else count)
        return ClosingBlocks(closed, tuple(each for each in self.growing if each[0] >= block))


@dataclass(frozen=True)
class Claim:
    """A claim that holds at this look and all others together.

    Attributes:
        says: the claim in words.
        interval: the mean, ticks, with the ends of its confidence sequence; NaN ends while it is too early.
        n_blocks: closed blocks that it rests on.
    """

    says: str
    interval: Interval
    n_blocks: int


def claim_of_promise(
    blocks: BlockMoments, block_variance: float, promised: tuple[float, float] | None, error: float = ERROR
) -> Claim:
    """Return what may be claimed of a model's mean net result, ticks a fire.

    Args:
        blocks: its closed blocks.
        block_variance: what a block's sum less its promised share varies by: see `confidence_sequences`.
        promised: the ends of the interval that it was promoted with; None where there is none.
        error: of the sequence.
    """
    found = _interval(blocks, block_variance, error)
    return Claim(_of_promise(found, promised), found, blocks.n_blocks)


def claim_of_challenger(differences: BlockMoments, block_variance: float, challengers: int) -> Claim:
    """Return what may be claimed of one of several challengers that are watched side by side and share the error."""
    return claim_of_difference(differences, block_variance, ERROR / challengers)


def what_if_error(tries: int, shares: int) -> float:
    """Return the error that is left for a what-if: a model that somebody asked for after having looked.

    Whoever looks may try one what-if after another, without a limit. All of them together have one of the `shares` in
    which ERROR is divided, and the k-th of them has 1/(k (k + 1)) of it: these add up to 1, however many come. As the
    width of a sequence grows with the root of the logarithm of 1/error, the hundredth is not twice as wide as the
    first.
    """
    return ERROR / shares / (tries * (tries + 1))


def claim_of_difference(differences: BlockMoments, block_variance: float, error: float) -> Claim:
    """Return what may be claimed of a challenger against the champion, from their differences in ticks a block.

    Args:
        differences: closed blocks in which either fired, each with one value: what the challenger earned in it, less
            what the champion earned.
        block_variance: what this difference varies by from block to block.
        error: of the sequence.
    """
    found = _interval(differences, block_variance, error)
    says = UNDECIDED
    if math.isnan(found.low):
        says = TOO_EARLY
    elif found.low > 0:
        says = CHALLENGER_BETTER
    elif found.high < 0:
        says = CHALLENGER_WORSE
    return Claim(says, found, differences.n_blocks)


def _interval(blocks: BlockMoments, block_variance: float, error: float) -> Interval:
    if blocks.n_blocks < LEAST_BLOCKS:
        return Interval(blocks.mean, math.nan, math.nan)
    return sequence_interval(blocks, mixture_variance(block_variance, error), error)


def _of_promise(found: Interval, promised: tuple[float, float] | None) -> str:
    if math.isnan(found.low):
        return TOO_EARLY
    if found.high < 0:
        return WORTH_NOTHING
    if promised is None or any(map(math.isnan, promised)):
        return UNPROMISED
    if found.high < promised[0]:
        return WORSE
    return BETTER if found.low > promised[1] else AS_PROMISED
