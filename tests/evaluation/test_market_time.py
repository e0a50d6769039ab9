"""Which evidence is the same, whatever it is called."""

import pytest

from vpharness.evaluation import Market, MarketTime, any_overlap, counted_once

ES, NQ, UNKNOWN = Market("ESH4", frozenset({"a"})), Market("NQH4", frozenset({"b"})), Market(None)


def test_markets_match_by_name_or_content_and_an_unnamed_one_matches_every_one() -> None:
    """Another name of the instrument does not make another market of the same content."""
    assert ES.matches(Market("ESH4"))
    assert ES.matches(Market("ES front", frozenset({"a", "c"})))
    assert not ES.matches(NQ)
    assert UNKNOWN.matches(ES)
    assert ES.matches(UNKNOWN)


@pytest.mark.parametrize(
    ("start", "stop", "overlaps"), [(0, 10, False), (0, 11, True), (12, 15, True), (20, 30, False), (19, 30, True)]
)
def test_stretches_overlap_where_they_share_time_of_a_matching_market(start: int, stop: int, overlaps: bool) -> None:
    """The end is the first moment that is not in it."""
    own = MarketTime(ES, 10, 20)
    assert own.overlaps(MarketTime(ES, start, stop)) is overlaps
    assert MarketTime(UNKNOWN, start, stop).overlaps(own) is overlaps
    assert not own.overlaps(MarketTime(NQ, start, stop))
    assert any_overlap([MarketTime(NQ, 0, 99), MarketTime(ES, start, stop)], [own]) is overlaps


def test_a_simulated_market_counts_its_time_from_its_opening() -> None:
    """Opened at another time it is the same market: an hour later by the clock, and the same by its own."""
    content = frozenset({"seed 1"})
    early, late = Market("simulated", content, origin_ns=1000), Market("simulated", content, origin_ns=5000)
    assert MarketTime(early, 1000, 1010).overlaps(MarketTime(late, 5009, 5020))
    assert not MarketTime(early, 1000, 1010).overlaps(MarketTime(late, 5010, 5020))
    assert MarketTime(early, 1000, 1010).overlaps(MarketTime(UNKNOWN, 1005, 1006)), "the clock is all that is known"


def test_of_overlapping_stretches_the_longest_counts() -> None:
    """Equals are told apart by their order; what does not overlap counts beside it."""
    stretches = [MarketTime(ES, 0, 10), MarketTime(ES, 0, 20), MarketTime(NQ, 0, 10), MarketTime(ES, 20, 40)]
    assert counted_once(stretches) == [1, 2, 3]
    assert counted_once([MarketTime(ES, 0, 10), MarketTime(ES, 0, 10)]) == [0]
    assert counted_once([]) == []
