"""Choosing: over a window of segments, the candidate with the largest lower end of its net interval.

For a candidate in a window, with P_b the net ticks and n_b the net fires of its B blocks, m = ΣP/Σn and
se = √(B/(B-1) Σ(P_b - m n_b)²)/Σn, the lower end is m - t_{B-1} se (see `evaluation.intervals`). The scatter is
ΣP_b² - 2m ΣP_b n_b + m² Σn_b², sums over blocks that add up over segments. So the sums of every candidate and segment
are made once, [C, T], and each window adds up some of their columns. A block that lies in two segments, which follow
one another closely, is one block of a window that holds both: what it adds to the sums is kept beside them.

Blocks are as long as the longest among the candidate's segments of the window, as where datasets pool. The sums are
therefore made for each of these lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.blocks import merged
from vpharness.evaluation.intervals import CONFIDENCE, Interval, ratio_of_totals
from vpharness.evaluation.significance import has_enough
from vpharness.results.stored_evidence import SUMS, sums_together
from vpharness.results.walk_forward.segments import History

FloatArray = NDArray[np.float64]

_SUMS: Final = 6
"""Sums over blocks: B, Σn, ΣP, ΣP², ΣPn, Σn²."""
_CLOSE: Final = 1e-6
"""Lower ends that lie this close to the largest, relatively, are worked out anew from the blocks themselves."""


@dataclass(frozen=True)
class Chosen:
    """The candidate that a window chooses.

    Attributes:
        place: its place among the histories.
        net: its net mean in the window with its interval, ticks.
        n_net: its net fires there.
        n_rankable: how many candidates could have been chosen.
    """

    place: int
    net: Interval
    n_net: int
    n_rankable: int


class WindowSums:
    """The sums of all candidates in all segments, from which any window can be judged."""

    def __init__(self, histories: Sequence[History]) -> None:
        """Make the sums."""
        self._histories = histories
        n_segments = len(histories[0].in_segments) if histories else 0
        self._shape = (len(histories), n_segments)
        flat = [each for own in histories for each in own.evidence]
        places = np.array([place for place, each in enumerate(flat) if each is not None], np.int64)
        found = sums_together([each for each in flat if each is not None])
        seconds, walks = np.zeros(len(flat), np.int64), np.zeros((3, len(flat)), np.int64)
        seconds[places], walks[:, places] = found.seconds, found.walks
        self._seconds, self._walks = seconds.reshape(self._shape), walks.reshape(3, *self._shape)
        cell = places[found.place]
        n, tp, sl, earned = (found.sums[name] for name in SUMS)
        self.fires, self.earned, *ended = (
            np.bincount(cell, each, len(flat)).reshape(self._shape) for each in (n, earned, tp, sl)
        )
        """[C, T] each: the net fires of each candidate in each segment, and what they earned, ticks."""
        self._ended = np.stack(ended).astype(np.int64)
        held = np.flatnonzero(n)
        number = found.block
        if len(held) < len(n):
            cell, number, n, earned = cell[held], number[held], n[held], earned[held]
        self._blocks = cell, number, n.astype(np.float64), earned
        self._of_length = {int(length): self._summed(int(length)) for length in np.unique(seconds) if length > 0}

    def _summed(self, length: int) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
        """Return the sums [_SUMS, C, T] over blocks of a length, and what blocks add that lie in several segments.

        These are given as (candidate, first segment, last segment) [3, Q] and their share of each sum [_SUMS, Q].
        """
        cell, number, n, earned = self._blocks
        if np.any(self._seconds[self._seconds > 0] != length):
            own = self._seconds.ravel()[cell]
            fits = own <= length
            cell, number, n, earned, own = cell[fits], number[fits], n[fits], earned[fits], own[fits]
            number = number // (length // np.maximum(own, 1))
        is_first = np.concatenate([[True], (cell[1:] != cell[:-1]) | (number[1:] != number[:-1])])[: len(cell)]
        if not is_first.all():
            first = np.flatnonzero(is_first)
            cell, number = cell[first], number[first]
            n, earned = np.add.reduceat(n, first), np.add.reduceat(earned, first)
        size = self._shape[0] * self._shape[1]
        # One sum at a time, since each row of values takes as much memory as all blocks.
        values = (lambda: None, lambda: n, lambda: earned, lambda: earned**2, lambda: earned * n, lambda: n**2)
        sums = np.array([np.bincount(cell, each(), size) for each in values], np.float64)
        return sums.reshape(_SUMS, *self._shape), *_shared(cell, number, n, earned, self._shape)

    def choose(self, start: int, stop: int, eligible: NDArray[np.bool_]) -> Chosen | None:
        """Return the candidate with the largest lower end over the segments `start` to `stop - 1`.

        Args:
            start: the first segment of the window.
            stop: the one behind its last.
            eligible: [C] which candidates may be chosen; of these, those that are rankable there can be.

        Returns None where none is rankable. Of equals the first is chosen.
        """
        sums = self._window(start, stop)
        tp, sl = self._ended[:, :, start:stop].sum(axis=2)
        walks, walks_tp, walks_sl = self._walks[:, :, start:stop].sum(axis=2)
        n_blocks, n_net = sums[0].astype(np.int64), sums[1].astype(np.int64)
        rankable = eligible & has_enough(n_net, n_blocks, (tp, sl), walks, (walks_tp, walks_sl))
        places = np.flatnonzero(rankable)
        if not len(places):
            return None
        lows = lower_ends(sums[:, places])
        best = np.nanmax(lows)
        near = places[lows >= best - _CLOSE * max(1.0, abs(best))]
        exact = [self.net_of(int(place), start, stop) for place in near]
        winner = int(np.argmax([each.low for each in exact]))
        place = int(near[winner])
        return Chosen(place, exact[winner], int(n_net[place]), len(places))

    def _window(self, start: int, stop: int) -> FloatArray:
        """Return [_SUMS, C] the sums of all candidates over a window, each over blocks of its own length there."""
        lengths = self._seconds[:, start:stop].max(axis=1, initial=0)
        found = np.zeros((_SUMS, self._shape[0]))
        for length, (sums, shared, shares) in self._of_length.items():
            rows = lengths == length
            if not rows.any():
                continue
            own = sums[:, :, start:stop].sum(axis=2)
            inside = (shared[1] >= start) & (shared[2] < stop)
            for row in range(_SUMS):
                own[row] += np.bincount(shared[0, inside], shares[row, inside], self._shape[0])
            found[:, rows] = own[:, rows]
        return found

    def net_of(self, place: int, start: int, stop: int) -> Interval:
        """Return a candidate's net mean with its interval over a window, from its pooled blocks."""
        some = [each.evidence for each in self._histories[place].in_segments[start:stop] if each is not None]
        blocks = merged([each.blocks for each in some])
        return ratio_of_totals(blocks.tick("net_pnl"), blocks.count("n_net")).interval()


def lower_ends(sums: FloatArray) -> FloatArray:
    """Return [C] the lower ends of net intervals from sums [_SUMS, C] over blocks; NaN with fewer than two blocks."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # noqa: PLC0415  # untyped, and slow to load

    n_blocks, n, total, squares, products, squared_n = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        # Where all blocks agree the sums cancel, and rounding may leave less than nothing.
        scatter = np.maximum(squares - 2 * mean * products + mean**2 * squared_n, 0.0)
        error = np.sqrt(scatter * n_blocks / (n_blocks - 1)) / n
        numbers, of = np.unique(n_blocks, return_inverse=True)
        low: FloatArray = mean - stdtrit(numbers - 1, 0.5 + CONFIDENCE / 2)[of] * error
    return low


def _shared(
    cell: NDArray[np.int64], number: NDArray[np.int64], n: FloatArray, earned: FloatArray, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], FloatArray]:
    """Return what the blocks add that lie in several segments of a candidate, pair by pair of their segments.

    With (n_1, P_1) and (n_2, P_2) the shares of a pair, the square of the block's sum holds 2 P_1 P_2 beside the
    squares of its shares, and so on; neighbours among the shares are one block less.
    """
    n_segments = shape[1]
    mine = np.flatnonzero(_may_share(cell, number, shape)[cell // n_segments]) if len(cell) else cell
    mine = mine[np.argsort(cell[mine], kind="stable")]
    cell, number, n, earned = cell[mine], number[mine], n[mine], earned[mine]
    owner, segment = np.divmod(cell, n_segments)
    pairs, shares = [np.zeros((3, 0), np.int64)], [np.zeros((_SUMS, 0))]
    for apart in range(1, n_segments):
        one = np.flatnonzero((owner[apart:] == owner[:-apart]) & (number[apart:] == number[:-apart]))
        if not len(one):
            break
        other, zeros = one + apart, np.zeros(len(one))
        pairs.append(np.stack([owner[one], segment[one], segment[other]]))
        shares.append(
            np.stack(
                [
                    zeros - (apart == 1),
                    zeros,
                    zeros,
                    2 * earned[one] * earned[other],
                    earned[one] * n[other] + earned[other] * n[one],
                    2 * n[one] * n[other],
                ]
            )
        )
    return np.concatenate(pairs, axis=1), np.concatenate(shares, axis=1)


def _may_share(cell: NDArray[np.int64], number: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return [C] which candidates have a segment whose first block is not behind the last ones of all before it."""
    begins = np.flatnonzero(np.diff(cell, prepend=-1))
    lowest, highest = np.full(shape, np.iinfo(np.int64).max), np.full(shape, np.iinfo(np.int64).min)
    lowest.ravel()[cell[begins]] = number[begins]
    highest.ravel()[cell[begins]] = number[np.append(begins[1:], len(cell)) - 1]
    before = np.maximum.accumulate(highest, axis=1)[:, :-1]
    found: NDArray[np.bool_] = np.any(lowest[:, 1:] <= before, axis=1)
    return found
