"""What to try next where no candidate wins: worked out from how its fires ended, and from how far price moves.

Barriers are out of reach where most fires time out. A direction that is right and still loses has costs as large as
what it earns; one that earns something, but not for sure, needs more time. Everything else has no direction.

The distance to try follows from the moves of the mid over the hold: half of them are longer than the median, a quarter
longer than the upper quartile, so a take-profit at the upper quartile is met often enough to be decided. It must lie
beyond the spread, which every fire pays. Moves grow with the square root of time, so that reaching a distance that is
n times as far takes a hold that is n² times as long.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation import Figures, ResolvedEvaluation
from vpharness.evaluation.significance import SIGNIFICANCE_LEVEL
from vpharness.results.ranking import Ranked

MANY_TIMEOUTS: Final = 0.5
"""Beyond this share of fires that time out, the barriers are out of reach."""
LONGEST_STRETCH: Final = 16
"""A hold is never advised to be longer than so many times what it is."""
MOST_MORE_TIME: Final = 50.0
"""Where showing a profit would take more than so many times the market time, it is no advice."""
_UPPER: Final = 0.75
_FIRST_FIT: Final = "first_fit_bins"
"""The parameter that all learned signals have, and no others."""


@dataclass(frozen=True)
class Moves:
    """How far the mid moves over a hold, and what the spread is, in ticks.

    Attributes:
        hold_s: the hold, seconds.
        median: median of |move|.
        upper: upper quartile of |move|.
        spread: median spread; NaN where the dataset has no best prices.
    """

    hold_s: float
    median: float
    upper: float
    spread: float


def moves_over(
    mid_ticks: NDArray[np.float64], spread_ticks: NDArray[np.float64] | None, hold_bins: int, hold_s: float
) -> Moves | None:
    """Return how far the mid moves over a hold; None where no two valid bins lie so far apart.

    Args:
        mid_ticks: [T] the mid in ticks; NaN where the book is not valid.
        spread_ticks: [T] the spread in ticks, NaN likewise; None where it is not known.
        hold_bins: the hold, bins.
        hold_s: the same in seconds.
    """
    moves = np.abs(mid_ticks[hold_bins:] - mid_ticks[:-hold_bins])
    moves = moves[~np.isnan(moves)]
    if not len(moves):
        return None
    known = np.array([]) if spread_ticks is None else spread_ticks[~np.isnan(spread_ticks)]
    spread = float(np.median(known)) if len(known) else math.nan
    return Moves(hold_s, float(np.median(moves)), float(np.quantile(moves, _UPPER)), spread)


def advice(first: Ranked, moves: Moves | None = None) -> str:
    """Return what to try next, with the figures that say so.

    Args:
        first: the candidate that ranks first, which is no winner.
        moves: of a dataset of it over its hold; None where none is at hand.
    """
    f, evaluation = first.judgement.figures, first.candidate.first.evaluation
    if first.would_win:
        return (
            f"{first.candidate.candidate_id} beats chance and costs on a part of what it was judged on: compare it on "
            "all of that, without dataset.id= and dataset.collection=, or run it on all of it with one split"
        )
    if first.judgement.lacks and first.left_out:
        return _by_chance(first, f, evaluation)  # a part of its fires says little of the barriers
    return _other_barriers(f, evaluation, moves) or _by_chance(first, f, evaluation)


def _by_chance(first: Ranked, f: Figures, evaluation: ResolvedEvaluation) -> str:
    """Return what to try next where the barriers are not what is wrong: data, time, profit or direction."""
    if first.p_adjusted is None:
        return f"there is too little data to rank anything: {_more_fires(first)}"
    if not first.could_win:
        return f"{f.n_net_blocks} blocks are too few for a search of this size: the same on a longer dataset"
    if first.p_adjusted <= SIGNIFICANCE_LEVEL:
        return _more_profit(first, f, evaluation)
    if first.judgement.p_value <= SIGNIFICANCE_LEVEL:
        return (
            f"p {first.judgement.p_value:.3f} by itself, but the best of all that was tried is as good by chance in "
            f"{first.p_adjusted:.0%} of draws: the same values on more market time, rather than more values"
        )
    return (
        f"no direction: {f.tp_rate:.0%} met take-profit, and {f.break_even_tp_share:.0%} break even before costs; try "
        "another signal, or other market time"
    )


def _more_fires(first: Ranked) -> str:
    """Return what gives a candidate more fires, or more stretches of time that hold some.

    Where it ran on other datasets that are not looked at here, these are all it takes. Otherwise it is a longer
    dataset, and unless stretches alone are lacking a lower threshold, or for a learned signal an earlier first fit.
    """
    trial, lacks = first.candidate.first, first.judgement.lacks
    if lacks and first.left_out:
        return (
            f"the datasets that are judged here are short ({lacks[0]}): leave by=dataset and dataset.id= out, "
            f"so that all {len(first.left_out) + len(first.candidate.trials)} that it ran on are pooled, or build "
            "longer ones"
        )
    longer = "a longer dataset"
    if lacks and all(each.what == "blocks" for each in lacks):
        return f"{lacks[0]}: {longer}, or several as a collection (python -m vpharness docs how-to/collections)"
    if _FIRST_FIT in trial.parameters:
        return (
            f"{longer}, or an earlier first fit: nothing is scored before signal.{_FIRST_FIT}="
            f"{trial.parameters[_FIRST_FIT]}"
        )
    if not trial.parameters.get("thresholds") and trial.parameters.get("threshold_quantiles"):
        return f"{longer}, or lower signal.threshold_quantiles for more fires"
    return f"{longer}, or lower signal.thresholds for more fires"


def _other_barriers(f: Figures, evaluation: ResolvedEvaluation, moves: Moves | None) -> str | None:
    """Return which barriers to try where these cannot pay or are out of reach; None where neither is so."""
    if moves is not None and evaluation.tp_ticks <= (spread := _spread(f, moves)):
        return _beyond_the_spread(evaluation, moves, spread)
    return _nearer_or_longer(f, evaluation, moves) if f.timeout_rate > MANY_TIMEOUTS else None


def _nearer_or_longer(f: Figures, evaluation: ResolvedEvaluation, moves: Moves | None) -> str:
    """Return which take-profit can be reached within the hold, and which hold reaches the take-profit."""
    hold, tp = evaluation.max_hold_bins, evaluation.tp_ticks
    told = f"{f.timeout_rate:.0%} timed out"
    if moves is None:
        return f"{told}: try eval.tp_ticks={max(1.0, tp / 2):g} or a longer hold, eval.max_hold_bins={2 * hold}"
    spread = _spread(f, moves) / (2 if evaluation.in_queue else 1)  # a resting order pays it at the exit alone
    told += f"; the median move over {moves.hold_s:g} s is {_ticks(moves.median)}"
    told += "" if math.isnan(spread) else f", the spread costs {spread:.2g}"
    stretch = (tp / moves.upper) ** 2 if moves.upper else math.inf
    longer = f"a longer hold, eval.max_hold_bins={math.ceil(hold * min(max(stretch, 2.0), LONGEST_STRETCH))}"
    nearer = max(math.ceil(moves.upper), 1 if math.isnan(spread) else math.floor(spread) + 1)
    if nearer >= tp:
        return f"{told}: try {longer}"
    return f"{told}: try eval.tp_ticks={nearer} or {longer}"


def _beyond_the_spread(evaluation: ResolvedEvaluation, moves: Moves, spread: float) -> str:
    """Return a take-profit that pays for the spread, and a hold that reaches it as far as one is worth trying."""
    hold, tp = evaluation.max_hold_bins, math.ceil(2 * spread)
    stretch = (tp / moves.upper) ** 2 if moves.upper else math.inf
    longer = f" eval.max_hold_bins={math.ceil(hold * min(stretch, LONGEST_STRETCH))}" if stretch > 1 else ""
    return (
        f"the spread costs {_ticks(spread)}, and a take-profit of {evaluation.tp_ticks:g} cannot pay for it: try "
        f"eval.tp_ticks={tp}{longer}"
    )


def _spread(f: Figures, moves: Moves) -> float:
    """Return what entering and leaving at the touch costs: half a spread each time."""
    return f.mean_pnl_ticks - f.net_pnl_ticks if math.isnan(moves.spread) else moves.spread


def _more_profit(first: Ranked, f: Figures, evaluation: ResolvedEvaluation) -> str:
    """Return what a direction that beats chance lacks to earn something for sure."""
    net, low = f.net_pnl_ticks, first.net_low_all
    more = ((net - low) / net) ** 2 if net > 0 and not math.isnan(low) else math.inf
    if f.net_pnl_ticks_low > 0 and not more <= MOST_MORE_TIME:
        return (
            "its direction beats chance and its net interval lies above zero, but not for all that was tried: the same "
            "values on more market time, rather than more values"
        )
    if 1 < more <= MOST_MORE_TIME:
        return (
            f"its direction beats chance, and a net mean of {net:+.2f} ticks is not sure yet: about {more:.1f} times "
            "as much market time would show it, if it stays as it is"
        )
    return (
        f"its direction beats chance, but a fire earns {f.mean_pnl_ticks:+.2f} ticks at the mid, and trading it costs "
        f"{f.mean_pnl_ticks - net:.2f}: try farther barriers, eval.tp_ticks={2 * evaluation.tp_ticks:g} "
        f"eval.max_hold_bins={4 * evaluation.max_hold_bins}, or higher signal.thresholds"
    )


def _ticks(value: float) -> str:
    return f"{value:.2g} tick{'' if value == 1 else 's'}"
