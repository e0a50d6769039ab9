"""Projection bands: how projected quantiles of the mid's move compare with the moves that followed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vpharness.evaluation.passage import TICK_TOLERANCE

_Floats = NDArray[np.float64]


def is_covered(move: ArrayLike, low: ArrayLike, high: ArrayLike) -> Any:
    """Return whether moves lie within a band, its edges included; all in ticks."""
    at_least = np.asarray(move) >= np.asarray(low) - TICK_TOLERANCE
    return at_least & (np.asarray(move) <= np.asarray(high) + TICK_TOLERANCE)


def pinball_loss(move: ArrayLike, projected: ArrayLike, quantile: ArrayLike) -> Any:
    """Return max(q d, (q - 1) d) with d = move - projected (Koenker and Bassett, 1978), in ticks.

    Its expectation is least where the quantile q of the move is projected.
    """
    difference, share = np.asarray(move) - np.asarray(projected), np.asarray(quantile)
    return np.maximum(share * difference, (share - 1) * difference)


@dataclass(frozen=True)
class BandScores:
    """The running scores of a projection, for H horizons and Q quantiles.

    Attributes:
        horizons_bins: [H] how far ahead each horizon is; bins without a valid book count as bins too.
        quantiles: [Q] the quantiles projected, ascending.
        intervals: the places of the lower and the upper quantile of each of I intervals whose coverage is watched, by
            what it is called, such as the percentage that it should cover.
        recent: (mid, bands) of the last bins, the latest last, as many as the longest horizon reaches back.
        n: [H] moves scored.
        covered: [H, I] of these within each interval.
        loss: [H] sum of their pinball losses, each the mean over the quantiles, ticks.
    """

    horizons_bins: tuple[int, ...]
    quantiles: tuple[float, ...]
    intervals: Mapping[str, tuple[int, int]]
    recent: tuple[tuple[float, _Floats | None], ...]
    n: NDArray[np.int64]
    covered: NDArray[np.int64]
    loss: _Floats

    @classmethod
    def start(
        cls, horizons_bins: Sequence[int], quantiles: Sequence[float], intervals: Mapping[str, tuple[int, int]]
    ) -> "BandScores":
        """Return the scores before the first bin."""
        horizons = len(horizons_bins)
        return cls(
            horizons_bins=tuple(horizons_bins),
            quantiles=tuple(quantiles),
            intervals=dict(intervals),
            recent=(),
            n=np.zeros(horizons, np.int64),
            covered=np.zeros((horizons, len(intervals)), np.int64),
            loss=np.zeros(horizons),
        )

    def advance(self, mid_ticks: float, bands: _Floats | None) -> "BandScores":
        """Take in the next bin: judge the bands that were issued the horizons ago by where the mid is now.

        A move is left out where either of its mids, or the band issued at its start, is missing.

        Args:
            mid_ticks: mid in ticks, NaN where the book is not valid.
            bands: [H, Q] move of the mid in ticks from this bin on; None or NaN where nothing is projected.
        """
        nothing = float("nan"), np.full((len(self.horizons_bins), len(self.quantiles)), np.nan)
        then = [self.recent[-each] if each <= len(self.recent) else nothing for each in self.horizons_bins]
        moves = mid_ticks - np.array([mid for mid, _ in then])[:, None]
        issued = np.array([(nothing[1] if bands is None else bands)[row] for row, (_, bands) in enumerate(then)])
        is_scored = ~(np.isnan(moves) | np.isnan(issued).any(axis=1, keepdims=True))
        losses = pinball_loss(moves, issued, self.quantiles).mean(axis=1)
        low, high = np.array(list(self.intervals.values()), np.int64).reshape(-1, 2).T
        return replace(
            self,
            recent=(*self.recent, (mid_ticks, bands))[-max(self.horizons_bins) :],
            n=self.n + is_scored[:, 0],
            covered=self.covered + (is_scored & is_covered(moves, issued[:, low], issued[:, high])),
            loss=self.loss + np.where(is_scored[:, 0], losses, 0.0),
        )

    def facts(self) -> dict[str, list[Any]]:
        """Return coverage and mean pinball loss for each horizon as JSON values, None where nothing was scored."""
        counts = self.n.tolist()
        coverage = {
            f"coverage_{name}": [
                hits / n if n else None for hits, n in zip(self.covered[:, place].tolist(), counts, strict=True)
            ]
            for place, name in enumerate(self.intervals)
        }
        pinball = [loss / n if n else None for loss, n in zip(self.loss.tolist(), counts, strict=True)]
        return {**coverage, "pinball": pinball, "n": counts}
