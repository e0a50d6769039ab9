"""Significance: p-values of one candidate, adjusted ones over a family, and who may rank and win."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.chance import Chance, DrawnSums
from vpharness.evaluation.figures import Figures
from vpharness.evaluation.passage import TICK_TOLERANCE

T_TOLERANCE: Final = 1e-12
"""Draws whose T lies this close under the observed one count as equal to it."""

LEAST_NET_FIRES: Final = 30
LEAST_NET_BLOCKS: Final = 8
SIGNIFICANCE_LEVEL: Final = 0.05


@dataclass(frozen=True)
class StandardScores:
    """T of one candidate under both nulls: distance from the mean over the draws, in their standard deviations.

    Attributes:
        observed_timing, observed_direction: T of the fires as they are.
        timing, direction: [D] float64, T of the draws.
    """

    observed_timing: float
    observed_direction: float
    timing: NDArray[np.float64]
    direction: NDArray[np.float64]


def standard_scores(chance: Chance) -> StandardScores:
    """Return T = (x - mean of x over the draws) / (sd of x over the draws), x the net mean.

    Draws without a fire have no x and T = 0; where no fire was observed or sd is 0 (no more than rounding), T = 0.
    """
    observed = chance.observed_sum / chance.observed_count if chance.observed_count else math.nan
    observed_timing, timing = _standardised(observed, chance.timing)
    observed_direction, direction = _standardised(observed, chance.direction)
    return StandardScores(observed_timing, observed_direction, timing, direction)


def _standardised(observed: float, drawn: DrawnSums) -> tuple[float, NDArray[np.float64]]:
    has_fires = drawn.counts > 0
    scores = np.zeros_like(drawn.sums)
    means = drawn.sums[has_fires] / drawn.counts[has_fires]
    if len(means) < 2:
        return 0.0, scores
    centre, spread = float(np.mean(means)), float(np.std(means, ddof=1))
    if spread <= TICK_TOLERANCE:
        return 0.0, scores
    scores[has_fires] = (means - centre) / spread
    return (0.0 if math.isnan(observed) else (observed - centre) / spread), scores


def p_value(scores: StandardScores) -> float:
    """Return the larger of the two nulls' (1 + #{draws with T >= observed T}) / (1 + draws)."""
    return max(
        _share_at_least(scores.timing, scores.observed_timing),
        _share_at_least(scores.direction, scores.observed_direction),
    )


def _share_at_least(drawn: NDArray[np.float64], observed: float) -> float:
    return (1 + int(np.sum(drawn >= observed - T_TOLERANCE))) / (1 + len(drawn))


@dataclass(frozen=True)
class FamilyMaxima:
    """The largest T of a family under each draw.

    Attributes:
        n_candidates: size of the family.
        timing, direction: [D] float64, maximum over the candidates under each draw.
    """

    n_candidates: int
    timing: NDArray[np.float64]
    direction: NDArray[np.float64]


def family_maxima(family: Iterable[StandardScores]) -> FamilyMaxima:
    """Return the maxima over a family; candidates are taken one at a time, so that memory does not grow with them.

    Raises:
        ValueError: the family is empty, or its candidates have different numbers of draws.
    """
    maxima: FamilyMaxima | None = None
    for scores in family:
        if maxima is None:
            maxima = FamilyMaxima(1, scores.timing, scores.direction)
            continue
        if len(scores.timing) != len(maxima.timing):
            raise ValueError(f"a family shares its draws: found {len(scores.timing)} beside {len(maxima.timing)}")
        maxima = FamilyMaxima(
            maxima.n_candidates + 1,
            np.maximum(maxima.timing, scores.timing),
            np.maximum(maxima.direction, scores.direction),
        )
    if maxima is None:
        raise ValueError("a family needs a candidate")
    return maxima


def p_adjusted(scores: StandardScores, family: FamilyMaxima) -> float:
    """Return the larger of the two nulls' p-values against the family's maxima (max-T; Westfall and Young, 1993).

    The family must hold the candidate itself, or the value can lie below its `p_value`.
    """
    return max(
        _share_at_least(family.timing, scores.observed_timing),
        _share_at_least(family.direction, scores.observed_direction),
    )


def lacking(figures: Figures) -> tuple[str, ...]:
    """Return what a candidate lacks to be rankable; nothing where it is.

    Args:
        figures: of the training part.
    """
    lacks = []
    if figures.n_net < LEAST_NET_FIRES:
        lacks.append(f"{figures.n_net} net fires, {LEAST_NET_FIRES} are needed")
    if figures.n_net_blocks < LEAST_NET_BLOCKS:
        lacks.append(f"net fires in {figures.n_net_blocks} blocks, {LEAST_NET_BLOCKS} are needed")
    return tuple(lacks)


def is_winner(figures: Figures, adjusted: float) -> bool:
    """Whether a rankable candidate beats chance in its family and the lower end of its net interval is above 0."""
    return not lacking(figures) and adjusted <= SIGNIFICANCE_LEVEL and figures.net_pnl_ticks_low > 0
