"""On noise the ranking crowns nobody where a ranking by TP rate always does, and a true lead wins among the noise."""

from typing import Any

import pytest

from tests.benchmarks.noise_campaign import Rules, campaign_of
from tests.benchmarks.noise_tournament import CAMPAIGNS, record
from vpharness.evaluation import EvaluationParameters

SMALL = Rules(
    n_bins=48_000,
    n_scores=3,
    memory_bins=(20.0, 200.0),
    thresholds=(1.0, 2.0),
    leading_score=1,
    leading_threshold=2.0,
    leading_bins=100,
    evaluation=EvaluationParameters(max_hold_bins=200, null_draws=99).resolve(100.0),
)


def test_a_small_campaign_crowns_the_lead_and_nobody_where_there_is_none() -> None:
    """The tournament in small: three scores, 80 minutes, and an edge that leaves the right one enough stop-losses."""
    campaign = campaign_of(1, 0.2, SMALL)
    noise, edge = campaign["noise"], campaign["edge"]
    assert noise["rankable"] >= 4
    assert noise["winners"] == []
    assert noise["crowned_by_tp_rate"]["tp_rate"] > noise["tp_rate_of_all_fires"]
    assert (edge["winners"][0], edge["false_winners"]) == ("score 01 at 2", [])
    assert edge["right_is_crowned"]


@pytest.fixture(scope="module")
def tournament(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The whole tournament: half an hour and more."""
    return record(tmp_path_factory.mktemp("tournament") / "noise_tournament.json")


@pytest.mark.slow
def test_ranking_by_tp_rate_crowns_noise_far_above_break_even(tournament: dict[str, Any]) -> None:
    """With at least 5 signals in 95 of 100 campaigns at one and a half times its break-even; chance is one third."""
    assert tournament["campaigns"] == len(CAMPAIGNS) == 100
    assert 0.31 <= tournament["tp_rate_of_all_fires"] <= 0.35
    assert tournament["by_tp_rate"]["far_above_break_even"] >= 95


@pytest.mark.slow
def test_the_ranking_crowns_noise_in_at_most_ten_of_a_hundred_campaigns(tournament: dict[str, Any]) -> None:
    """By p_adjusted alone already, and a winner in at most five; some hundreds of candidates stand in every family."""
    assert tournament["rankable"] >= 400
    assert tournament["noise_with_p_adjusted_at_most_0.05"] <= 10
    assert tournament["noise_with_a_winner"] <= 5


@pytest.mark.slow
def test_a_planted_edge_is_significant_in_at_least_eighty_five_of_a_hundred_campaigns(
    tournament: dict[str, Any],
) -> None:
    """Among some 600 candidates, at the strength that the right one needs to pass alone; and no other score wins."""
    assert tournament["right_p_adjusted_at_most_0.05"] >= 85
    assert tournament["false_winner_beside_an_edge"] <= 10


@pytest.mark.slow
@pytest.mark.xfail(reason="profit claimed for 600 candidates at once takes 4 standard errors, which is what it makes")
def test_a_planted_edge_is_crowned_in_at_least_eighty_five_of_a_hundred_campaigns(tournament: dict[str, Any]) -> None:
    """It stands first, with the lower end of its net mean that holds for the whole family above 0."""
    assert tournament["right_is_crowned"] >= 85
