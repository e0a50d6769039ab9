"""What is advised where nothing wins: each advice follows from the figures that it names."""

import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tests.promotion.samples import figures
from vpharness.evaluation import EvaluationParameters, Judgement, Lack
from vpharness.results.advice import LONGEST_STRETCH, Moves, advice, moves_over
from vpharness.results.families import Family
from vpharness.results.ranking import Ranked

DECIDED = {"tp_rate": 0.34, "sl_rate": 0.6, "timeout_rate": 0.06, "break_even_tp_share": 1 / 3, "n_net_blocks": 40}


def first(
    *,
    p: float = 0.5,
    p_adjusted: float | None = 0.9,
    low_all: float = -0.4,
    lacks: tuple[Lack, ...] = (),
    critical: float = 3.0,
    left_out: tuple[str, ...] = (),
    parameters: dict[str, Any] | None = None,
    **known: float,
) -> Ranked:
    """Return the candidate that ranks first, with barriers 8 and 4 and a hold of 300 bins."""
    evaluation = EvaluationParameters(max_hold_bins=300).resolve(100)
    trial = SimpleNamespace(evaluation=evaluation, parameters=parameters or {})
    candidate = cast("Any", SimpleNamespace(first=trial, trials=(trial,), candidate_id="8e404f45"))
    greatest = np.full(19, critical)
    family = Family((), 40, 30, 20, 0, 0, greatest, greatest)
    judgement = Judgement(cast("Any", None), figures(**{**DECIDED, **known}), 1.0, p, lacks)
    return Ranked(candidate, judgement, family, p_adjusted, low_all, winner=False, left_out=left_out)


def test_barriers_that_are_not_reached_come_nearer_or_are_given_longer() -> None:
    """The upper quartile of the moves is a take-profit that is met; four times as far takes sixteen times as long."""
    said = advice(first(timeout_rate=0.61), Moves(30.0, 1.0, 2.0, 1.0))
    assert said == (
        "61% timed out; the median move over 30 s is 1 tick, the spread costs 1: try eval.tp_ticks=2 or a longer hold, "
        f"eval.max_hold_bins={300 * LONGEST_STRETCH}"
    )


def test_a_take_profit_within_the_spread_is_never_advised() -> None:
    """What is met there does not pay for the spread."""
    assert "try eval.tp_ticks=4 or" in advice(first(timeout_rate=0.9), Moves(30.0, 1.0, 2.0, 3.0))
    assert "try a longer hold, eval.max_hold_bins=600" in advice(first(timeout_rate=0.9), Moves(30.0, 5.0, 9.0, 1.0))


@pytest.mark.parametrize("timeout_rate", [0.06, 0.9])
def test_a_take_profit_that_cannot_pay_for_the_spread_is_said_first(timeout_rate: float) -> None:
    """Whatever else is wrong; twice the spread leaves as much as it costs, and takes as long as moves take."""
    assert advice(first(timeout_rate=timeout_rate), Moves(30.0, 20.0, 35.0, 35.0)) == (
        "the spread costs 35 ticks, and a take-profit of 8 cannot pay for it: try eval.tp_ticks=70 "
        "eval.max_hold_bins=1200"
    )
    assert advice(first(timeout_rate=timeout_rate), Moves(30.0, 50.0, 90.0, 8.0)).endswith("try eval.tp_ticks=16")


def test_a_dataset_that_is_too_short_alone_is_pooled_with_the_others_that_were_run_on() -> None:
    """Days of a few minutes have no row with by=dataset, and no threshold is to blame."""
    few = (Lack("blocks", 6, 8, " of 16 s"), Lack("net fires", 28, 30))
    said = advice(first(p_adjusted=None, lacks=few, left_out=("day2", "day3", "day4"), timeout_rate=0.9))
    assert said == (
        "there is too little data to rank anything: the datasets that are judged here are short (6 blocks of 16 s, 8 "
        "needed): leave by=dataset and dataset.id= out, so that all 4 that it ran on are pooled, "
        "or build longer ones"
    )
    assert advice(first(p_adjusted=None, lacks=few[:1])) == (
        "there is too little data to rank anything: 6 blocks of 16 s, 8 needed: a longer dataset, or several as a "
        "collection (python -m vpharness docs how-to/collections)"
    )
    assert advice(first(p_adjusted=None, lacks=few)).endswith(", or lower signal.thresholds for more fires")


def test_costs_come_from_the_ledger_where_the_dataset_has_no_best_prices() -> None:
    """The mean at the mid less the net mean."""
    ranked = first(timeout_rate=0.7, mean_pnl_ticks=0.25, net_pnl_ticks=-1.0)
    assert "the spread costs 1.2:" in advice(ranked, Moves(30.0, 2.0, 3.0, math.nan))


def test_without_the_dataset_the_share_of_timeouts_is_enough() -> None:
    """Half the distance, or twice the hold."""
    assert advice(first(timeout_rate=0.7)) == (
        "70% timed out: try eval.tp_ticks=4 or a longer hold, eval.max_hold_bins=600"
    )


def test_too_little_data_asks_for_more() -> None:
    """Where nothing can be ranked."""
    said = advice(first(p_adjusted=None, lacks=(Lack("net fires", 3, 30),)))
    assert said.endswith("a longer dataset, or lower signal.thresholds for more fires")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"first_fit_bins": 2400, "threshold_quantiles": [0.9]}, "nothing is scored before signal.first_fit_bins=2400"),
        ({"thresholds": [], "threshold_quantiles": [0.9]}, "or lower signal.threshold_quantiles for more fires"),
        ({"thresholds": [0.1], "threshold_quantiles": []}, "or lower signal.thresholds for more fires"),
    ],
)
def test_what_gives_more_fires_depends_on_the_signal(parameters: dict[str, Any], said: str) -> None:
    """A learned signal is silent before its first fit, and thresholds by quantile are no numbers to lower."""
    lacks = (Lack("net fires", 3, 30),)
    assert advice(first(p_adjusted=None, lacks=lacks, parameters=parameters)).endswith(said)


@pytest.mark.parametrize("timeout_rate", [0.06, 0.9])
def test_what_would_win_on_more_is_not_advised_to_change(timeout_rate: float) -> None:
    """It wins nothing only since a part of the evidence is left out: its barriers are not what is wrong."""
    ranked = first(p=0.001, p_adjusted=0.01, low_all=0.2, left_out=("day15",), timeout_rate=timeout_rate)
    assert ranked.would_win
    said = advice(ranked)
    assert said.startswith("8e404f45 beats chance and costs on a part of what it was judged on")
    assert "barriers" not in said


def test_a_net_interval_above_zero_gets_no_advice_on_barriers() -> None:
    """Where only the size of the search keeps its lower end for all from being above zero, or from being known."""
    said = advice(first(p=0.001, p_adjusted=0.02, low_all=math.nan, net_pnl_ticks=1.0, net_pnl_ticks_low=0.3))
    assert said.startswith("its direction beats chance and its net interval lies above zero")
    assert "barriers" not in said


def test_blocks_that_are_too_few_for_any_result_to_win_are_said() -> None:
    """T is at most the root of their number: 40 of them cannot reach 7."""
    assert advice(first(critical=7.0)).startswith("40 blocks are too few for a search of this size")


def test_a_profit_that_is_not_sure_needs_more_time() -> None:
    """With a mean of 1 and a lower end of -1, the interval must halve: four times the time."""
    said = advice(first(p=0.001, p_adjusted=0.02, low_all=-1.0, net_pnl_ticks=1.0))
    assert "a net mean of +1.00 ticks is not sure yet: about 4.0 times as much market time" in said


@pytest.mark.parametrize(("net", "low"), [(-0.5, -1.0), (0.01, -1.0), (0.5, math.nan)])
def test_a_direction_that_does_not_pay_for_its_costs_needs_farther_barriers(net: float, low: float) -> None:
    """Costs are the same for a larger move."""
    said = advice(first(p=0.001, p_adjusted=0.02, low_all=low, net_pnl_ticks=net, mean_pnl_ticks=net + 1))
    assert f"a fire earns {net + 1:+.2f} ticks at the mid, and trading it costs 1.00" in said
    assert said.endswith("eval.tp_ticks=16 eval.max_hold_bins=1200, or higher signal.thresholds")


def test_what_only_the_search_explains_needs_more_market_time() -> None:
    """Good by itself, and no better than the best of so many."""
    said = advice(first(p=0.01, p_adjusted=0.3))
    assert said.startswith("p 0.010 by itself, but the best of all that was tried is as good by chance in 30% of")


def test_no_direction_is_said_with_break_even_beside_it() -> None:
    """On noise this is the right answer."""
    assert advice(first()).startswith("no direction: 34% met take-profit, and 33% break even before costs")


def test_moves_are_those_between_valid_bins_a_hold_apart() -> None:
    """The median and the upper quartile of their sizes, and the median spread."""
    mid = np.array([0.0, 1.0, 2.0, np.nan, 8.0, 5.0])
    found = moves_over(mid, np.array([1.0, 1.0, 3.0, np.nan, 1.0, 5.0]), 2, 0.2)
    assert found is not None
    assert (found.median, found.upper, found.spread) == (4.0, 5.0, 1.0)
    assert moves_over(mid, None, 6, 0.6) is None
    assert moves_over(np.full(5, np.nan), None, 2, 0.2) is None
