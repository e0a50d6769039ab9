"""The random streams that the lattice is tested with are replayable, alive and nasty."""

from collections import Counter

import numpy as np
import pytest

from tests.lattice.feed import HOME_TICK, TICK
from tests.lattice.streams import random_stream
from tests.naive import naive_lattice
from vpharness.events.mbo_event import (
    ACTIONS,
    FLAG_BY_PRICE,
    FLAG_FEED_GAP,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    FLAG_TOP_OF_BOOK,
    HALT,
    RESUME,
    UNDEFINED_PRICE,
)


def test_a_stream_is_replayable_and_begins_every_longer_one() -> None:
    """The same arguments give the same events, and a longer stream only goes on."""
    longer = random_stream(5, 400)
    assert len(longer) == 400
    assert np.array_equal(random_stream(5, 400), longer)
    assert np.array_equal(random_stream(5, 150), longer[:150])
    assert not np.array_equal(random_stream(6, 400), longer)


@pytest.mark.parametrize("mischief", [1.0, 3.0])
def test_streams_are_mostly_valid_and_wrong_in_every_way(mischief: float) -> None:
    """Half to nine tenths of the bins have a valid book, every action and every count of the manifest occurs."""
    counts: Counter[str] = Counter()
    valid: list[bool] = []
    actions: set[int] = set()
    for seed in range(6):
        events = random_stream(seed, 250, mischief=mischief)
        actions |= set(events["action"].tolist())
        result = naive_lattice(events, tick_int=TICK, size_unit=1.0, cell_width_ms=100, evict_crossed_ms=150, radius=3)
        counts.update(result.counts)
        valid += result.bins["book_valid"]
    assert actions == set(ACTIONS)
    assert {name for name, count in counts.items() if not count} == {"price_out_of_range", "feed_gap", "halts"}
    assert 0.5 < np.mean(valid) < 0.92


def test_streams_of_venues_hold_everything_that_those_do_and_are_valid_at_times() -> None:
    """Publishers use the same ids, best prices and levels stand for orders, trading halts, the feed has gaps."""
    counts: Counter[str] = Counter()
    valid: list[bool] = []
    actions, flags, publishers, prices = set[int](), 0, set[int](), list[int]()
    for seed in range(6):
        events = random_stream(seed, 250, publishers=3, without_orders=True, shift_ticks=-HOME_TICK)
        actions |= set(events["action"].tolist())
        publishers |= set(events["publisher"].tolist())
        prices += events["price"].tolist()
        flags |= int(np.bitwise_or.reduce(events["flags"]))
        result = naive_lattice(events, tick_int=TICK, size_unit=1.0, cell_width_ms=100, evict_crossed_ms=150, radius=3)
        counts.update(result.counts)
        valid += result.bins.get("book_valid", [])
    assert actions == {*ACTIONS, HALT, RESUME}
    assert publishers == {0, 1, 2}
    assert flags == FLAG_LAST | FLAG_TOP_OF_BOOK | FLAG_SNAPSHOT | FLAG_BY_PRICE | FLAG_FEED_GAP
    assert UNDEFINED_PRICE in prices
    assert min(prices) < 0
    assert min(counts.values()) > 0, counts
    assert np.mean(valid) > 0.2
