"""Claims of served models, brought up to date bin by bin: sums over closed blocks, and what they support.

A block of time is closed once no fire in it can still be decided: its end, and the reach of a walk, lie behind. Only
then does it count, as it would in a run over the same bins. What a block varies by, V*/100 of `confidence_sequences`,
is taken from the figures that a model was promoted with: of B blocks with n values in all, whose mean has the standard
error se, the mean of the squares of D_b = P_b - m n_b is se² n² (B - 1)/B².
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.blocks import NS_PER_SECOND
from vpharness.evaluation.confidence_sequences import (
    ERROR,
    LEAST_BLOCKS,
    BlockMoments,
    mixture_variance,
    sequence_interval,
)
from vpharness.evaluation.figures import HEADLINE
from vpharness.evaluation.intervals import Interval, half_width
from vpharness.evaluation.running_claims import (
    TOO_EARLY,
    UNPROMISED,
    Claim,
    ClosingBlocks,
    claim_of_difference,
    claim_of_promise,
)

COVERS: Final = "covers as stated"
COVERS_LESS: Final = "covers less than stated"
COVERS_MORE: Final = "covers more than stated"

_LOOK_AGAIN: Final = 50
"""A projection is looked at anew once it has a fiftieth more blocks: fewer looks than allowed are valid too."""

Judged = Sequence[tuple[int, float]]
"""Fires that were judged net: the start of the bin of each, ns since the Unix epoch, and its net result, ticks."""


@dataclass(frozen=True)
class Promise:
    """The figures of a promotion that live ones are compared with.

    Attributes:
        part: "test", or "train" where there was no test.
        low, high: ends of the interval of the mean net result, ticks; NaN where there is none.
        block_s: length of the blocks that it was made of, seconds.
        block_variance: what a block's sum less its share of the mean varies by, ticks²; None where it is not known.
    """

    part: str
    low: float
    high: float
    block_s: int
    block_variance: float | None

    def variance_of(self, block_s: int) -> float | None:
        """Return what blocks of another length vary by: in proportion to it, as of independent stretches of time."""
        return None if self.block_variance is None else self.block_variance * block_s / self.block_s


def promise_of(promised: Mapping[str, Any] | None) -> Promise | None:
    """Return what a record's evidence promises, by part, of the mean net result; None where it promises nothing."""
    for part in ("test", "train"):
        figures = (promised or {}).get(part) or {}
        mean, low, high = (_number(figures.get(name)) for name in HEADLINE.names)
        n, blocks, block_s = (figures.get(name) for name in ("n_net", "n_net_blocks", "block_s"))
        if math.isnan(mean) or not block_s:
            continue
        variance = None
        if n and blocks and blocks > 1 and math.isfinite(high - low):
            error = (high - low) / 2 / half_width(1.0, int(blocks))
            variance = error**2 * n**2 * (blocks - 1) / blocks**2
        return Promise(part, low, high, int(block_s), variance if variance and math.isfinite(variance) else None)
    return None


@dataclass(frozen=True)
class NetBlocks:
    """A model's net results by blocks of time.

    Attributes:
        block_s: length of a block, seconds.
        blocks: their sums.
    """

    block_s: int
    blocks: ClosingBlocks = field(default_factory=ClosingBlocks)

    def take(self, judged: Judged, settled_ns: int) -> "NetBlocks":
        """Take in the fires judged in a bin; all fires before `settled_ns` have been judged now."""
        blocks = _added(self.blocks, judged, self.block_s)
        return replace(self, blocks=blocks.close_before(_block(settled_ns, self.block_s)))

    def claim(self, promise: Promise | None) -> Claim:
        """Return what may be claimed; nothing where the promotion does not say what a block varies by."""
        moments = self.blocks.closed
        variance = None if promise is None else promise.variance_of(self.block_s)
        if promise is None or variance is None:
            return Claim(UNPROMISED, Interval(moments.mean, math.nan, math.nan), moments.n_blocks)
        return claim_of_promise(moments, variance, (promise.low, promise.high))


@dataclass(frozen=True)
class DifferenceBlocks:
    """What a challenger earned less what the champion did, by blocks in which either fired.

    Attributes:
        block_s: length of a block, seconds: that of the two models' whose blocks are longer.
        block_variance: what a block's difference varies by, ticks²; None where neither promotion says.
        blocks: their sums.
    """

    block_s: int
    block_variance: float | None
    blocks: ClosingBlocks = field(default_factory=ClosingBlocks)

    @classmethod
    def between(
        cls, champion: tuple[int, Promise | None], challenger: tuple[int, Promise | None]
    ) -> "DifferenceBlocks":
        """Return the differences before the first bin, given each model's length of a block, seconds, and promise.

        The results of the two add up to the difference's variance as if they were independent; where only one of them
        was promoted, the other is taken to vary as much. Whatever is taken, the claim holds: it only comes sooner or
        later.
        """
        block_s = max(champion[0], challenger[0])
        known = [
            variance
            for _, promise in (champion, challenger)
            if promise is not None and (variance := promise.variance_of(block_s)) is not None
        ]
        return cls(block_s, 2 * sum(known) / len(known) if known else None)

    def take(self, champion: Judged, challenger: Judged, since_ns: int, settled_ns: int) -> "DifferenceBlocks":
        """Take in the fires that either model has judged in a bin.

        Args:
            champion: its fires.
            challenger: its fires.
            since_ns: when both were ready; earlier fires do not count.
            settled_ns: before it, all fires of both have been judged.
        """
        both = [*((at, -ticks) for at, ticks in champion), *challenger]
        blocks = _added(self.blocks, [each for each in both if each[0] >= since_ns], self.block_s)
        return replace(self, blocks=blocks.close_before(_block(settled_ns, self.block_s), as_one=True))

    def claim(self, challengers: int) -> Claim:
        """Return what may be claimed of the challenger, one of so many that are watched side by side."""
        return self.claim_with(ERROR / challengers)

    def claim_with(self, error: float) -> Claim:
        """Return what may be claimed of the challenger by a sequence of that error."""
        moments = self.blocks.closed
        if self.block_variance is None:
            return Claim(UNPROMISED, Interval(moments.mean, math.nan, math.nan), moments.n_blocks)
        return claim_of_difference(moments, self.block_variance, error)


class CoverageWatch:
    """Claims of how often a projection's intervals hold the mid's move, by horizon.

    The indicator of being inside is summed over blocks as long as the horizon, in which the moves overlap; a block of h
    bins varies by h² c (1 - c) at most, c being the share that the interval states.
    """

    def __init__(self, horizons_bins: Sequence[int], stated: Sequence[float]) -> None:
        """Begin before the first bin; `stated` are the shares [I] that the intervals are to hold."""
        self._horizons, self._stated = np.array(horizons_bins, np.int64), tuple(stated)
        places = [(row, column) for row in range(len(horizons_bins)) for column in range(len(stated))]
        self._error = ERROR / max(len(places), 1)
        self._bins = 0
        self._counts = np.zeros(len(horizons_bins), np.int64)
        self._covered = np.zeros((len(horizons_bins), len(stated)), np.int64)
        self._moments = dict.fromkeys(places, BlockMoments())
        most = {
            (row, column): horizons_bins[row] ** 2 * stated[column] * (1 - stated[column]) for row, column in places
        }
        self._rho_squared = {place: mixture_variance(variance, self._error) for place, variance in most.items()}
        self._claims: dict[tuple[int, int], Claim] = {}

    def take(self, counts: NDArray[np.int64], covered: NDArray[np.int64]) -> None:
        """Take in the next bin: how many moves it has scored in all so far [H], and how many lay inside [H, I]."""
        self._bins += 1
        for row in np.flatnonzero(self._bins % self._horizons == 0).tolist():
            count = int(counts[row] - self._counts[row])
            if count:
                inside = (covered[row] - self._covered[row]).tolist()
                for column, each in enumerate(inside):
                    place = row, column
                    self._moments[place] = self._moments[place].add(float(each), count)
                self._counts[row], self._covered[row] = counts[row], covered[row]

    def claims(self) -> list[list[Claim]]:
        """Return the claim of each interval [I] at each horizon [H]."""
        columns = range(len(self._stated))
        return [[self._claim((row, column)) for row in range(len(self._horizons))] for column in columns]

    def _claim(self, place: tuple[int, int]) -> Claim:
        moments, before = self._moments[place], self._claims.get(place)
        if moments.n_blocks < LEAST_BLOCKS:
            return Claim(TOO_EARLY, Interval(moments.mean, math.nan, math.nan), moments.n_blocks)
        if before is None or moments.n_blocks > before.n_blocks + before.n_blocks // _LOOK_AGAIN:
            found = sequence_interval(moments, self._rho_squared[place], self._error)
            stated = self._stated[place[1]]
            says = COVERS_LESS if found.high < stated else COVERS_MORE if found.low > stated else COVERS
            self._claims[place] = Claim(says, found, moments.n_blocks)
        return self._claims[place]


def _added(blocks: ClosingBlocks, judged: Iterable[tuple[int, float]], block_s: int) -> ClosingBlocks:
    for at_ns, ticks in judged:
        blocks = blocks.add(_block(at_ns, block_s), ticks)
    return blocks


def _block(at_ns: int, block_s: int) -> int:
    return at_ns // (block_s * NS_PER_SECOND)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
