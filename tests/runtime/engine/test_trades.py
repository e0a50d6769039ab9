"""Fills are told of with the bin in which they happened."""

import numpy as np

from runtime.engine.trades import MOST_PRICES, TradesByBin
from tests.event_rows import events_of
from vpharness.events.mbo_event import ADD, ASK, BID, FILL, NO_SIDE

WIDTH = 100


def event(ts_ns: int, price: int, size: int, action: int = FILL, side: int = BID) -> tuple[int, ...]:
    """Return an event; prices are whole units."""
    return ts_ns, price * 10**9, size, 1, action, side, 0


def events(*rows: tuple[int, ...]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return an array of events."""
    return events_of(rows)


def test_fills_are_added_up_by_price_and_side_in_the_bin_of_their_time() -> None:
    """However they are cut into calls; other events are no fills, and a time that runs backwards stands still."""
    trades = TradesByBin(WIDTH, 0.5)
    trades.take(events(event(10, 5, 2), event(20, 5, 4, side=ASK), event(30, 9, 9, action=ADD)))
    trades.take(events(event(90, 5, 4), event(150, 6, 2), event(40, 6, 6), event(160, 6, 9, side=NO_SIDE)))
    assert trades.until(100) == [(5.0, 2.0, "A"), (5.0, 3.0, "B")]
    assert trades.until(200) == [(6.0, 4.0, "B")]
    assert trades.until(300) == []


def test_a_fill_that_comes_after_its_bin_was_closed_is_told_with_the_open_one() -> None:
    """As the lattice counts it."""
    trades = TradesByBin(WIDTH, 1.0)
    assert trades.until(100) == []
    trades.take(events(event(90, 5, 7)))
    assert trades.until(200) == [(5.0, 7.0, "B")]


def test_fills_of_bins_that_nobody_asked_for_are_forgotten() -> None:
    """Those before the first bin that is emitted."""
    trades = TradesByBin(WIDTH, 1.0)
    trades.take(events(event(10, 5, 1), event(110, 6, 1), event(210, 7, 1)))
    assert trades.until(300) == [(7.0, 1.0, "B")]


def test_of_very_many_prices_the_largest_are_told() -> None:
    """A message stays small."""
    trades = TradesByBin(WIDTH, 1.0)
    trades.take(events(*(event(1, price, price) for price in range(1, 201))))
    told = trades.until(100)
    assert [price for price, _, _ in told] == [float(price) for price in range(201 - MOST_PRICES, 201)]
