"""The fit of the projection on the training part, and its coverage on the test part.

For each horizon the moves of the first four fifths are put into groups of equal size by their score. Through each
quantile of the groups goes a line in u = tanh(score / scale), by least squares: a quantile of a group is a mean over
many bins, so no single move can bend it, and what is left of the shape is what a line says. Then the last fifth, which
the lines have not seen, widens each quantile until it is undershot (below the median) or exceeded (above it) no more
often than it claims: the one-sided conformal correction of quantile regression (Romano, Patterson and Candes, 2019,
"Conformalized quantile regression"). Moves of neighbouring bins overlap, so that the guarantee of that paper holds only
roughly; what is reported of the test part is counted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import PromotionError
from vpharness.evaluation.bands import is_covered, pinball_loss
from vpharness.promotion.projection import Projection, Table

FIT_SHARE: Final = 0.8
"""The share of the training part, from its start, that lines are fitted on; the rest widens them."""

GROUPS: Final = 10
"""Groups of equal size by score: the outer ones are the tenths in which a signal fires."""

LEAST_BINS: Final = 50 * GROUPS
"""Fewer bins than these leave groups in which 5 % are too few moves to be told from chance."""

SCALE_QUANTILE: Final = 0.9
"""The scale is this quantile of |score|, where u is 0.76: stronger scores saturate, and lines end where data end."""

Series = NDArray[np.float64]


@dataclass(frozen=True)
class BinRange:
    """Bins start <= t < stop whose moves must end before the bin `limit`."""

    start: int
    stop: int
    limit: int


def fit_projection(
    score: Series, mid_ticks: Series, train: BinRange, horizons_bins: Sequence[int], quantiles: Sequence[float]
) -> Projection:
    """Fit a projection on the training part of one dataset.

    Args:
        score: [T] the scores; bins whose score is NaN are left out.
        mid_ticks: [T] the mid, ticks; NaN where the book is not valid: such bins are neither start nor end of a move.
        train: the training part, from the warm-up on. Nothing from its limit on is looked at.
        horizons_bins: [H] how many bins ahead.
        quantiles: [Q] which quantiles.

    Raises PromotionError where the training part has too few bins.
    """
    middle = train.start + math.floor(FIT_SHARE * (train.stop - train.start))
    fit, rest = BinRange(train.start, middle, middle), BinRange(middle, train.stop, train.limit)
    seen = np.abs(score[fit.start : fit.stop])
    seen = seen[np.isfinite(seen)]
    scale = float(np.quantile(seen, SCALE_QUANTILE)) if len(seen) else 0.0
    scale = scale if scale > 0 else 1.0
    down, up = [], []
    for horizon in horizons_bins:
        low, high = _lines(*_moves(score, mid_ticks, fit, horizon, scale), quantiles)
        shift = _widening(*_moves(score, mid_ticks, rest, horizon, scale), low, high, quantiles)
        down.append(_outwards(low + shift, quantiles))
        up.append(_outwards(high + shift, quantiles))
    return Projection(tuple(horizons_bins), tuple(quantiles), scale, _table(down), _table(up))


def coverage(projection: Projection, score: Series, mid_ticks: Series, span: BinRange) -> dict[str, Any]:
    """Count what a projection covers, as JSON values with a number a horizon.

    Returns "n" (moves), "coverage_P" for each central interval that should hold P % of the moves, and "pinball", the
    mean pinball loss over the quantiles, ticks; a share of no moves is None.
    """
    found: dict[str, list[Any]] = {"n": []}
    quantiles = np.array(projection.quantiles)
    for row, horizon in enumerate(projection.horizons_bins):
        starts, moves = _starts_and_moves(score, mid_ticks, span, horizon)
        bands = projection.bands_many(score[starts])[:, row]
        found["n"].append(len(moves))
        for name, (low, high) in projection.intervals().items():
            inside = is_covered(moves, bands[:, low], bands[:, high])
            found.setdefault(f"coverage_{name}", []).append(float(inside.mean()) if len(moves) else None)
        loss = pinball_loss(moves[:, None], bands, quantiles)
        found.setdefault("pinball", []).append(float(loss.mean()) if len(moves) else None)
    return found


def _starts_and_moves(
    score: Series, mid_ticks: Series, span: BinRange, horizon: int
) -> tuple[NDArray[np.int64], Series]:
    """Return the bins [n] with a score from which a move can be seen, and the moves [n], ticks."""
    starts = np.arange(span.start, max(span.start, min(span.stop, span.limit - horizon)))
    moves = mid_ticks[starts + horizon] - mid_ticks[starts]
    known = np.isfinite(score[starts]) & np.isfinite(moves)
    return starts[known], moves[known]


def _moves(score: Series, mid_ticks: Series, span: BinRange, horizon: int, scale: float) -> tuple[Series, Series]:
    """Return u [n] of the bins of a span, and the moves [n] from them on."""
    starts, moves = _starts_and_moves(score, mid_ticks, span, horizon)
    if len(starts) < LEAST_BINS:
        raise PromotionError(
            f"bins {span.start} to {span.stop - 1} of the training part hold {len(starts)} with a score and a mid "
            f"{horizon} bins later; a projection needs at least {LEAST_BINS}: use a longer dataset, or shorter "
            "promotion.horizons_bins"
        )
    return np.tanh(score[starts] / scale), moves


def _lines(u: Series, moves: Series, quantiles: Sequence[float]) -> tuple[Series, Series]:
    """Return each quantile [Q] at u = -1 and at u = 1, ascending, and nowhere descending with u."""
    groups = np.array_split(np.argsort(u, kind="stable"), GROUPS)
    centres = np.array([u[group].mean() for group in groups])
    levels = np.array([np.quantile(moves[group], quantiles) for group in groups])
    away, mean = centres - centres.mean(), levels.mean(axis=0)
    spread = float(away @ away)
    slopes = away @ (levels - mean) / spread if spread > 0 else np.zeros(len(quantiles))
    low = np.sort(mean + slopes * (-1 - centres.mean()))
    high = np.sort(mean + slopes * (1 - centres.mean()))
    # Where a quantile would descend, its two ends meet in their middle. Both rows still ascend: each is the smaller,
    # or the larger, of two that do.
    between = (low + high) / 2
    return np.minimum(low, between), np.maximum(high, between)


def _widening(u: Series, moves: Series, low: Series, high: Series, quantiles: Sequence[float]) -> Series:
    """Return by how much each quantile [Q] must move outwards to be undershot, or exceeded, as seldom as it claims."""
    levels = ((1 - u)[:, None] * low + (1 + u)[:, None] * high) / 2
    shift = np.zeros(len(quantiles))
    for column, quantile in enumerate(quantiles):
        if quantile == 0.5:
            continue
        sign = 1 if quantile > 0.5 else -1
        beyond = np.sort(sign * (moves - levels[:, column]))
        rank = math.ceil((len(beyond) + 1) * max(quantile, 1 - quantile))
        shift[column] = sign * max(0.0, beyond[min(rank, len(beyond)) - 1])
    return shift


def _outwards(row: Series, quantiles: Sequence[float]) -> Series:
    """Return a row [Q] of quantiles of which none has overtaken its outer neighbour by being widened more."""
    below = int(np.searchsorted(quantiles, 0.5))
    inner = np.minimum.accumulate(row[:below][::-1])[::-1]
    return np.concatenate([inner, np.maximum.accumulate(row[below:])])


def _table(rows: Sequence[Series]) -> Table:
    return tuple(tuple(map(float, row)) for row in rows)
