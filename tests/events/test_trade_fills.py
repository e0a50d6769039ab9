"""Trades that explain declines of orders, by price, side and time."""

from hypothesis import given
from hypothesis import strategies as st

from vpharness.events.mbo_event import ASK, BID
from vpharness.events.trade_fills import NEAR_NS, TradeFills

HALF = NEAR_NS // 2
ROW = st.tuples(
    st.integers(0, 12).map(lambda halves: halves * HALF),
    st.sampled_from([BID, ASK]),
    st.integers(1, 2),
    st.integers(1, 5),
)
"""When, which side, which price, how much."""


@given(st.lists(ROW, max_size=12), st.lists(ROW, max_size=12))
def test_each_decline_takes_the_earliest_trades_before_it_that_are_left(
    trades: list[tuple[int, int, int, int]], declines: list[tuple[int, int, int, int]]
) -> None:
    """As a list that is gone through from its beginning says, whatever was forgotten meanwhile."""
    fills: TradeFills[int] = TradeFills(seen=True)
    left = [list(trade) for trade in sorted(trades)]
    for ts_ns, side, price, size in sorted(trades):
        fills.trade(side, price, size, ts_ns)
    fills.clock_ns = 0  # nothing has been read yet
    for ts_ns, side, price, size in sorted(declines):
        expected = 0
        for trade in left:
            if trade[1:3] == [side, price] and 0 <= ts_ns - trade[0] <= NEAR_NS:
                used = min(trade[3], size - expected)
                trade[3] -= used
                expected += used
        assert fills.executed(side, price, size, ts_ns) == expected
        fills.clock_ns = ts_ns
        fills.forget_old()


def filled(rows: list[tuple[bool, int, int, int, int, int]], until_ns: int) -> list[tuple[int, ...]]:
    """Return what is executed of each decline up to a time, of trades and declines in the order of a file."""
    fills: TradeFills[tuple[int, int, int, int]] = TradeFills(seen=True)
    found = []

    def read(everything: bool = False) -> None:
        for ts_ns, side, price, size in fills.due(everything=everything):
            found.append((ts_ns, side, price, size, fills.executed(side, price, size, ts_ns)))

    for is_trade, _, *row in rows:
        ts_ns, side, price, size = row
        if is_trade:
            fills.trade(side, price, size, ts_ns)
        else:
            fills.wait(ts_ns, (ts_ns, side, price, size))
        read()
        fills.forget_old()
    read(everything=True)
    return [each for each in found if each[0] <= until_ns]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, NEAR_NS), ROW), max_size=16), st.integers(0, 12))
def test_no_decline_depends_on_what_comes_after_it(
    drawn: list[tuple[bool, int, tuple[int, int, int, int]]], halves: int
) -> None:
    """Of all that is later than a moment, trades and declines, nothing changes what was executed up to then.

    Declines stand in the file in the order of time, and trades among them up to NEAR_NS too late.
    """
    rows = [(is_trade, row[0] + is_trade * late, *row) for is_trade, late, row in drawn]
    rows.sort(key=lambda row: row[1])
    until_ns = halves * HALF
    past = [row for row in rows if row[2] <= until_ns]
    assert filled(rows, until_ns) == filled(past, until_ns)


def test_a_trade_after_a_decline_explains_nothing_of_it() -> None:
    """One of the same time does, and one before it within reach."""
    for ts_ns, expected in ((-NEAR_NS - 1, 0), (-NEAR_NS, 5), (0, 5), (1, 0), (NEAR_NS, 0)):
        fills: TradeFills[int] = TradeFills(seen=True)
        fills.trade(BID, 1, 5, ts_ns)
        assert fills.executed(BID, 1, 5, 0) == expected


def test_messages_wait_only_where_there_are_trades_and_only_as_long_as_one_may_come() -> None:
    """In their order; at the end all of them are read."""
    fills: TradeFills[str] = TradeFills()
    fills.wait(0, "first")
    assert list(fills.due()) == ["first"]
    fills.seen = True
    fills.wait(0, "second")
    fills.wait(NEAR_NS, "third")
    assert list(fills.due()) == []
    fills.trade(BID, 1, 1, NEAR_NS + 1)
    assert list(fills.due()) == ["second"]
    assert list(fills.due(everything=True)) == ["third"]


def test_trades_that_can_explain_nothing_any_more_are_forgotten() -> None:
    """So that memory is bounded by what is near in time."""
    fills: TradeFills[str] = TradeFills(seen=True)
    for second in range(100):
        fills.trade(BID, second, 1, second * 10 * NEAR_NS)
        fills.forget_old()
    assert len(fills.trades) == 1
