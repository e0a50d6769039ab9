"""Calibration on synthetic markets through the lattice: honest without an edge, and a planted edge is found."""

from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from tests.evaluation.synthetic_market import Contender, judgements, judgements_of_many
from vpharness.evaluation import Judgement, StandardScores, family_maxima, is_winner, p_adjusted, p_value
from vpharness.events.synthetic import SyntheticSource

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


def share_significant(scores: list[StandardScores]) -> float:
    """Return the share of candidates with a p-value of at most 0.05."""
    return float(np.mean([p_value(each) <= 0.05 for each in scores]))


@pytest.mark.slow
@pytest.mark.parametrize("name", [each.name for each in CONTENDERS])
def test_without_an_edge_p_values_and_intervals_are_calibrated(fair: list[dict[str, Judgement]], name: str) -> None:
    """Over 200 markets: at most 9 % have a p-value up to 0.05, and 90-98 % an interval at the mid that covers 0.

    The null of directions alone is exact for every signal: 2-9 %. That of timing is exact where entering costs what it
    does at other times, and the p-value is the larger of the two, so it may be significant less often than either.
    """
    mine = [judged[name] for judged in fair]
    assert all(each.lacks == () for each in mine), "every candidate has enough data to be judged"
    both = [each.scores for each in mine]
    timing = [replace(each, direction=each.timing, observed_direction=each.observed_timing) for each in both]
    direction = [replace(each, timing=each.direction, observed_timing=each.observed_direction) for each in both]
    shares = {"both": both, "timing alone": timing, "direction alone": direction}
    found = {which: share_significant(scores) for which, scores in shares.items()}
    ends = [(each.figures.mean_pnl_ticks_low, each.figures.mean_pnl_ticks_high) for each in mine]
    covered = float(np.mean([low <= 0.0 <= high for low, high in ends]))
    print(f"{name}: share with p <= 0.05 {found}, coverage at the mid {covered:.3f}")
    assert found["both"] <= 0.09
    assert 0.02 <= found["direction alone"] <= 0.09
    assert 0.90 <= covered <= 0.98


def winners(judged: dict[str, Judgement]) -> list[str]:
    """Return the names of those who win their family."""
    maxima = family_maxima(each.scores for each in judged.values())
    return [name for name, each in judged.items() if is_winner(each.figures, p_adjusted(each.scores, maxima))]


def test_in_an_hour_led_by_flow_recent_flow_wins_its_family() -> None:
    """The edge pays the spread, and those who know nothing of it do not win."""
    source = SyntheticSource(seed=0, minutes=60, strength=1.0)
    assert winners(judgements((FLOW, *UNINFORMED), COLUMNS, source)) == [FLOW.name]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_in_four_hours_led_by_flow_one_of_our_signals_sees_it_too(seed: int) -> None:
    """Recent flow wins; the signal of jerk and acceleration is significant in its family; chance stays chance."""
    source = SyntheticSource(seed=seed, minutes=MINUTES, strength=1.0)
    judged = judgements(
        (*CONTENDERS, SEES_FLOW), (*COLUMNS, *(f"{order}_{flow}" for order in "ja" for flow in ("add", "pull"))), source
    )
    maxima = family_maxima(each.scores for each in judged.values())
    adjusted = {name: p_adjusted(each.scores, maxima) for name, each in judged.items()}
    for name, each in judged.items():
        figures = each.figures
        interval = f"{figures.net_pnl_ticks_low:.2f} to {figures.net_pnl_ticks_high:.2f}"
        print(f"{name}: net {figures.net_pnl_ticks:.2f} ({interval}), p adjusted {adjusted[name]:.3f}")
    assert FLOW.name in winners(judged)
    assert adjusted[SEES_FLOW.name] <= 0.05
    assert not {each.name for each in UNINFORMED} & set(winners(judged))
