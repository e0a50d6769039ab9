"""Who may rank, who wins, and what an opening of a test part is allowed."""

import math
from typing import Any

import numpy as np
import pytest

from vpharness.evaluation import BlockSums, Evidence, Tally, critical_value, is_winner, lacking
from vpharness.evaluation.blocks import COUNTS, TICKS
from vpharness.evaluation.significance import opening_error


def evidence(n_net: int, n_blocks: int, *, hours: float = 1.0, tp: int = 9, sl: int = 9, **walks: Any) -> Evidence:
    """Return evidence with so many net fires in so many blocks, of which some ended at a barrier."""
    counts = np.zeros((n_blocks, len(COUNTS)), np.int32)
    for name, total in (("n_net", n_net), ("net_tp", tp), ("net_sl", sl)):
        for fire in range(total):
            counts[fire % n_blocks, COUNTS.index(name)] += 1
    shares = {"n_walks": 1000, "n_walks_tp": 300, "n_walks_sl": 300, **walks}
    tally = Tally(n_net, 0, 0, 0, 0, 0, 0, hours, 0.0, **shares)
    return Evidence(
        BlockSums(256, np.arange(n_blocks), counts, np.zeros((n_blocks, len(TICKS)))), tally, np.array([]), np.array([])
    )


def said(of: Evidence) -> list[str]:
    """Return what is lacking, in words."""
    return [str(each) for each in lacking(of)]


def test_thirty_net_fires_in_eight_blocks_with_five_at_each_barrier_are_rankable() -> None:
    """The bounds themselves suffice."""
    assert lacking(evidence(30, 8, tp=5, sl=5)) == ()


def test_what_is_lacking_is_said_with_the_time_that_it_would_take() -> None:
    """Each shortage with the number found and the number needed; time where it is time that lacks."""
    assert said(evidence(20, 6, hours=0.5)) == [
        "20 net fires, 30 needed: about 15 minutes more",
        "6 blocks of 256 s, 8 needed: about 10 minutes more",
    ]
    assert said(evidence(30, 2, hours=1.0)) == ["2 blocks of 256 s, 8 needed: about 3 hours more"]


def test_a_barrier_that_walks_end_at_must_have_been_met() -> None:
    """One that less than 1 % of the walks of the part end at is asked nothing of."""
    assert said(evidence(30, 8, tp=4)) == ["4 take-profits, 5 needed"]
    assert said(evidence(30, 8, tp=0, sl=3)) == ["0 take-profits, 5 needed", "3 stop-losses, 5 needed"]
    assert said(evidence(30, 8, tp=5, sl=1)) == ["1 stop-loss, 5 needed"]
    assert said(evidence(30, 8, tp=0, n_walks_tp=10)) == ["0 take-profits, 5 needed"]
    assert said(evidence(30, 8, tp=0, n_walks_tp=9)) == []


def test_no_fire_at_all_promises_no_time() -> None:
    """Nothing can be said of how long it would take, and what else lacks follows from it."""
    assert said(evidence(0, 1, tp=0, sl=0)) == ["0 net fires, 30 needed"]


@pytest.mark.parametrize(
    ("adjusted", "low", "wins"), [(0.05, 0.01, True), (0.051, 0.01, False), (0.01, 0.0, False), (0.01, math.nan, False)]
)
def test_a_winner_beats_chance_and_pays(adjusted: float, low: float, wins: bool) -> None:
    """p_adjusted <= 0.05 and the lower end that holds for all above 0; an end that does not exist is not above 0."""
    assert is_winner((), adjusted, low) is wins
    assert not is_winner(lacking(evidence(29, 8)), adjusted, low)


def test_the_critical_value_is_the_950th_of_999() -> None:
    """So that at most 50 draws of 1,000, the observed one included, reach it."""
    draws = np.random.default_rng(0).permutation(np.arange(1, 1000)).astype(np.float64)
    assert critical_value(draws) == 950
    assert critical_value(np.where(draws > 940, np.inf, draws)) == math.inf


def test_errors_of_all_openings_add_up_to_one_in_twenty() -> None:
    """The first is allowed 3 %, and each further one less."""
    errors = [opening_error(k) for k in range(1, 20_000)]
    assert errors[0] == pytest.approx(0.0304, abs=1e-4)
    assert errors == sorted(errors, reverse=True)
    assert sum(errors) == pytest.approx(0.05, abs=1e-5)
