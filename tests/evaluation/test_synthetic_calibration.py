"""Calibration on synthetic markets through the lattice: honest without an edge, and a planted edge is found."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest

from tests.evaluation.synthetic_market import Contender, entrants, judgements_of_many
from vpharness.evaluation import Judgement
from vpharness.events.synthetic import SyntheticSource
from vpharness.results.ranking import Ranked, rank

SEEDS: Final = 200
MINUTES: Final = 240
"""144,000 bins of 100 ms."""

UNINFORMED: Final = (Contender("when_narrow", 1.0), Contender("when_busy", 1.0))
"""They fire in random directions where entering is cheap, and where prices move fast."""
FLOW: Final = Contender("recent_flow", 0.2)
"""What moves lean on where an edge is planted: it fires in both directions alike, for spells of seconds."""
SEES_FLOW: Final = Contender("jad", 0.3)
CONTENDERS: Final = (Contender("ads", 0.1), FLOW, *UNINFORMED)
COLUMNS: Final = ("v_add", "v_pull")


@pytest.fixture(scope="module")
def fair() -> list[dict[str, Judgement]]:
    """What the contenders came to on markets without an edge."""
    sources = [SyntheticSource(seed=seed, minutes=MINUTES, strength=0.0) for seed in range(SEEDS)]
    return judgements_of_many(CONTENDERS, COLUMNS, sources)


@pytest.mark.slow
@pytest.mark.parametrize("name", [each.name for each in CONTENDERS])
def test_without_an_edge_p_values_and_intervals_are_calibrated(fair: list[dict[str, Judgement]], name: str) -> None:
    """Over 200 markets: 2-8 % have a p-value up to 0.05, and 91-98 % an interval at the mid that covers 0."""
    mine = [judged[name] for judged in fair]
    assert all(each.lacks == () for each in mine), "every candidate has enough data to be judged"
    significant = float(np.mean([each.p_value <= 0.05 for each in mine]))
    ends = [(each.figures.mean_pnl_ticks_low, each.figures.mean_pnl_ticks_high) for each in mine]
    covered = float(np.mean([low <= 0.0 <= high for low, high in ends]))
    print(f"{name}: share with p <= 0.05 {significant:.3f}, coverage at the mid {covered:.3f}")
    assert 0.02 <= significant <= 0.08
    assert 0.91 <= covered <= 0.98


def winners(ranked: Sequence[Ranked]) -> list[str]:
    """Return the names of those who win their family."""
    return [each.candidate.candidate_id for each in ranked if each.winner]


def test_in_an_hour_led_by_flow_recent_flow_wins_its_family() -> None:
    """The edge pays the spread, and those who know nothing of it do not win."""
    source = SyntheticSource(seed=0, minutes=60, strength=1.0)
    assert winners(rank(entrants((FLOW, *UNINFORMED), COLUMNS, source))) == [FLOW.name]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_in_four_hours_led_by_flow_one_of_our_signals_sees_it_too(seed: int) -> None:
    """Recent flow wins; the signal of jerk and acceleration is significant in its family; chance stays chance."""
    source = SyntheticSource(seed=seed, minutes=MINUTES, strength=1.0)
    columns = (*COLUMNS, *(f"{order}_{flow}" for order in "ja" for flow in ("add", "pull")))
    ranked = rank(entrants((*CONTENDERS, SEES_FLOW), columns, source))
    adjusted = {each.candidate.candidate_id: each.p_adjusted for each in ranked}
    for each in ranked:
        figures = each.judgement.figures
        print(f"{each.candidate.candidate_id}: net {figures.net_pnl_ticks:.2f}, p adjusted {each.p_adjusted}")
    assert FLOW.name in winners(ranked)
    assert (adjusted[SEES_FLOW.name] or 1.0) <= 0.05
    assert not {each.name for each in UNINFORMED} & set(winners(ranked))
