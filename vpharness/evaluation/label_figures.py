"""How scores agree with the labels that a learned signal is fitted to: classes, round trips and calibration.

At a threshold θ the predicted class of a bin is 1 where its score is at least θ, -1 where it is at most -θ, and 0
otherwise; the true one is the sign of its label. With the confusion matrix C of true and predicted classes,

    F1_c = 2 C_cc / (Σ_j C_cj + Σ_i C_ic),    macro-F1 = the mean of the three (0 where a class is neither),

and its interval is a jackknife over blocks of time. A *round trip* is entered at the first bin of a stretch of one
direction and closed at the first bin of the next stretch, which has the other direction, zeros between them or not; it
completes where the labels of both bins have the predicted signs. The share of those that complete is p_T of Briola,
Bartolucci and Aste (Deep limit order book forecasting: a microstructural guide, 2025).

By chance means: predictions as frequent as these, and independent of the labels. It is no test, and no p-value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.information_coefficient import Deciles, ScoredMoves, block_totals, pooled_deciles
from vpharness.evaluation.intervals import Interval, half_width, ratio_of_totals

Floats = NDArray[np.float64]
Signs = NDArray[np.int64]
CLASSES: Final = (-1, 0, 1)


@dataclass(frozen=True)
class LabelFigures:
    """How scores agree with labels, over one part of one or several datasets.

    Attributes:
        label: what is predicted, in words.
        bins: bins with a score and a label.
        shares: [3] how often each of CLASSES is the true one.
        predicted_shares: [3] how often each is predicted.
        macro_f1: with its interval.
        macro_f1_by_chance: what predictions that know nothing have.
        round_trips: how many predicted round trips there are.
        p_t: the share of these that completes, with its interval.
        p_t_by_chance: the share that would, with predictions that know nothing.
        calibration: the mean label of each tenth of the scores; `mean_move` is that of the labels.
    """

    label: str
    bins: int
    shares: Floats
    predicted_shares: Floats
    macro_f1: Interval
    macro_f1_by_chance: float
    round_trips: int
    p_t: Interval
    p_t_by_chance: float
    calibration: Deciles


def predicted_classes(scores: Floats, threshold: float) -> Signs:
    """Return the predicted class [n] of each score."""
    return (scores >= threshold).astype(np.int64) - (scores <= -threshold)


def label_figures(label: str, parts: Sequence[ScoredMoves], thresholds: Sequence[float]) -> LabelFigures:
    """Return how scores agree with labels.

    Args:
        label: what is predicted, in words.
        parts: of each dataset the scores, labels (as `moves`) and blocks, in the order of time.
        thresholds: of each dataset the |score| at which it fires.
    """
    true = [np.sign(each.moves).astype(np.int64) for each in parts]
    guessed = [predicted_classes(each.scores, theta) for each, theta in zip(parts, thresholds, strict=True)]
    by_block = confusion_by_block(
        np.concatenate(true), np.concatenate(guessed), np.concatenate([each.blocks for each in parts])
    )
    whole = by_block.sum(axis=0)
    total = max(int(whole.sum()), 1)
    shares, predicted = whole.sum(axis=1) / total, whole.sum(axis=0) / total
    trips = [round_trips(g, t) for g, t in zip(guessed, true, strict=True)]
    completed = np.concatenate([each[1] for each in trips]).astype(np.float64)
    entered = np.concatenate([part.blocks[each[0]] for part, each in zip(parts, trips, strict=True)])
    return LabelFigures(
        label,
        int(whole.sum()),
        shares,
        predicted,
        macro_f1_interval(by_block),
        _macro_f1_by_chance(shares, predicted),
        len(completed),
        ratio_of_totals(*block_totals(completed, entered)).rate_interval(),
        float(shares[0] * shares[2]),
        pooled_deciles(parts),
    )


def confusion_by_block(true: Signs, predicted: Signs, blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return [B, 3, 3] how often each of CLASSES was true (rows) and predicted (columns), in each block."""
    held, place = np.unique(blocks, return_inverse=True)
    cell = 9 * place + 3 * (true + 1) + (predicted + 1)
    found: NDArray[np.int64] = np.bincount(cell, minlength=9 * len(held)).reshape(len(held), 3, 3)
    return found


def macro_f1(confusion: NDArray[Any]) -> float:
    """Return the mean F1 of the three classes of a confusion matrix [3, 3]; NaN where it is empty."""
    if not confusion.sum():
        return math.nan
    hits, either = np.diagonal(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return float(np.mean(2 * hits / np.maximum(either, 1)))


def macro_f1_interval(by_block: NDArray[np.int64]) -> Interval:
    """Return macro-F1 with its interval: m ± t_{B-1} se, se² = (B - 1)/B Σ(m_(b) - mean)² without block b each."""
    whole, blocks = by_block.sum(axis=0), len(by_block)
    mean = macro_f1(whole)
    if blocks < 2:
        return Interval(mean, math.nan, math.nan)
    without = np.array([macro_f1(whole - each) for each in by_block])
    error = math.sqrt((blocks - 1) / blocks * float(np.sum((without - without.mean()) ** 2)))
    half = half_width(error, blocks)
    return Interval(mean, mean - half, mean + half)


def _macro_f1_by_chance(shares: Floats, predicted: Floats) -> float:
    """Return Σ_c 2 p_c q_c/(p_c + q_c)/3: macro-F1 of predictions as frequent as these that know nothing."""
    either = shares + predicted
    return float(np.mean(np.divide(2 * shares * predicted, either, out=np.zeros(3), where=either > 0)))


def round_trips(predicted: Signs, true: Signs) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return where predicted round trips are entered [M], and whether each completes; the bins are in order, [n]."""
    (shown,) = np.nonzero(predicted)
    begins = shown[np.flatnonzero(np.diff(predicted[shown], prepend=0))]
    entered, closed = begins[:-1], begins[1:]
    completes = (true[entered] == predicted[entered]) & (true[closed] == predicted[closed])
    return entered, completes
