"""Whole searches: candidates worth nothing do not win because they are many, and a true edge is found among many.

tests/benchmarks/RESULTS.md holds the figures of the slow ones.
"""

from typing import Final

import pytest

from tests.benchmarks.calibration import monte_carlo_error
from tests.benchmarks.search_power import QUIET, Lean, alike, among

WORTH_NOTHING: Final = Lean(edge=0.07, cost_ticks=0.246)
WORTH_SOMETHING: Final = Lean(edge=0.12, cost_ticks=0.162)
"""Moves lean so far that entries along them are worth the spread and this cost, or 1.4 ticks more: by `lean_worth`."""
ERRORS: Final = 2.5
"""How many Monte Carlo errors a share may lie beyond its bound."""


def winners(hours: float, lean: Lean, campaigns: int) -> float:
    """Return in which share of campaigns somebody wins."""
    return sum(alike(seed, hours, lean)[0].winner for seed in range(campaigns)) / campaigns


def test_of_two_hundred_candidates_worth_nothing_none_wins_and_of_those_worth_something_one_does() -> None:
    """In two markets of an hour, where all share a true lean: with a net mean of 0, and of 1.4 ticks."""
    assert winners(1, WORTH_NOTHING, 2) == 0
    assert winners(1, WORTH_SOMETHING, 2) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("hours", "campaigns"), [(1, 100), (12, 20)])
def test_two_hundred_candidates_worth_nothing_rarely_have_a_winner(hours: float, campaigns: int) -> None:
    """In at most 10 % of campaigns, within their Monte Carlo error."""
    assert winners(hours, WORTH_NOTHING, campaigns) <= 0.1 + ERRORS * monte_carlo_error(0.1, campaigns)


@pytest.mark.slow
@pytest.mark.parametrize(("hours", "campaigns", "share"), [(1, 60, 0.85), (12, 10, 0.95)])
def test_somebody_wins_where_two_hundred_candidates_are_worth_something(
    hours: float, campaigns: int, share: float
) -> None:
    """Worth 1.4 ticks: in at least 85 % of campaigns of an hour, and in 95 % of those of twelve."""
    assert winners(hours, WORTH_SOMETHING, campaigns) >= share


@pytest.mark.slow
def test_one_edge_is_found_among_a_thousand_in_an_hour() -> None:
    """With p_adjusted up to 0.05 in at least 70 % of campaigns, within their Monte Carlo error."""
    campaigns = 100
    found = [among(seed, QUIET).p_adjusted or 1.0 for seed in range(campaigns)]
    share = sum(p <= 0.05 for p in found) / campaigns
    assert share >= 0.7 - ERRORS * monte_carlo_error(0.7, campaigns)
