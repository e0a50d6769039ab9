"""The engine's book: depth is the sum of live orders, best prices are the plain best, and no price is too far away."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.event_rows import events_of
from tests.examples import examples
from tests.lattice.book_state import assert_book_is_sound, depths
from tests.lattice.engine_help import SMALL_SPECTRUM, assert_agrees_with_twin, open_lattice, run_engine
from tests.lattice.feed import EPOCH_NS, NS_PER_MS, TICK
from tests.lattice.streams import random_stream
from tests.naive import naive_lattice
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, EVENT_DTYPE, FLAG_LAST, MAX_PRICE
from vpharness.lattice.lattice_engine import advance
from vpharness.prices import PRICE_SCALE


@pytest.mark.parametrize(("seed", "evict_crossed_ms"), [(1, 0), (2, 100), (3, 150), (4, 0)])
def test_depth_is_the_sum_of_live_orders_all_along(seed: int, evict_crossed_ms: int) -> None:
    """After every tenth event of a nasty stream, orders, queues, levels and heaps agree with one another."""
    events = random_stream(seed, 600, mischief=2.0)
    state = open_lattice(tick_int=TICK, cell_width_ms=100, radius=3, evict_crossed_ms=evict_crossed_ms)
    depths_seen = 0
    for start in range(0, len(events), 10):
        state, _ = advance(state, events[start : start + 10])
        assert_book_is_sound(state)
        depths_seen += len(depths(state))
    assert depths_seen > 500


@pytest.mark.parametrize("seed", range(3))
def test_depth_cells_are_the_sum_of_live_orders(seed: int) -> None:
    """In the last bin each cell's bid and ask depth is what the live orders of its tick add up to."""
    run = run_engine(random_stream(seed, 400, mischief=0.3), tick_int=TICK, size_unit=0.5, cell_width_ms=100, radius=40)
    last = run.finished.bins[-1]
    assert last["book_valid"]
    spot, resting = int(last["spot_ref_price_int"]) // TICK, depths(run.state)
    for side, name in enumerate(("bid_depth", "ask_depth")):
        expected = [0.5 * resting.get((spot + k, side), 0) for k in range(-40, 41)]
        assert run.finished.column(name)[-1].tolist() == expected
        assert sum(expected) > 0


@examples(60)
@given(st.lists(st.tuples(st.sampled_from([BID, ASK]), st.integers(2, 20)), max_size=80), st.sampled_from([1, 10**9]))
def test_best_prices_are_the_plain_best(steps: list[tuple[int, int]], stretch: int) -> None:
    """Orders come and go at any tick of both sides: the book always shows the highest bid and the lowest ask."""
    resting = {BID: {1}, ASK: {21}}
    rows, expected = [(ADD, BID, 1), (ADD, ASK, 21)], [(1, 21)]
    for side, tick in steps:
        rows.append((CANCEL if tick in resting[side] else ADD, side, tick))
        resting[side] ^= {tick}
        expected.append((max(resting[BID]), min(resting[ASK])))
    events = events_of(
        (EPOCH_NS + n * NS_PER_MS, tick * stretch, 1, 1000 * side + tick, action, side, FLAG_LAST)
        for n, (action, side, tick) in enumerate(rows)
    )
    bins = run_engine(events, tick_int=1, cell_width_ms=1, radius=1).finished.bins
    assert (bins["best_bid_price_int"] // stretch).tolist() == [bid for bid, _ in expected]
    assert (bins["best_ask_price_int"] // stretch).tolist() == [ask for _, ask in expected]


def test_prices_from_the_lowest_to_the_highest_cost_no_more_than_others() -> None:
    """A tick of 1e-9 and orders at both ends of the range and all over in between: one tick each, the twin's bins.

    With that tick there are 2e18 of them, so nothing can be sized by the range of prices.
    """
    rng = np.random.default_rng(5)
    ends = [-MAX_PRICE, 0, -1, 999_999_999 * PRICE_SCALE, MAX_PRICE]
    prices = np.concatenate([ends, rng.integers(-MAX_PRICE, MAX_PRICE, 295)])
    events = np.zeros(len(prices), EVENT_DTYPE)
    events["ts_ns"] = EPOCH_NS + np.arange(len(prices)) * NS_PER_MS
    events["price"], events["size"], events["order_id"] = prices, 1, np.arange(len(prices))
    events["action"], events["flags"] = ADD, FLAG_LAST
    events["side"] = np.where(prices < MAX_PRICE // 2, BID, ASK)
    case = {"tick_int": 1, "size_unit": 1.0, "cell_width_ms": 20, "radius": 2, **SMALL_SPECTRUM}
    run = run_engine(events, **case)
    assert_agrees_with_twin(run, naive_lattice(events, **case))
    assert int(run.state.clock["ticks_used"][0]) == len(set(prices.tolist()))
    assert len(run.state.ticks) <= 2 * len(prices)
    assert sum(array.nbytes for array in run.state) < 2_000_000


def test_a_price_out_of_range_is_counted_and_enters_nothing() -> None:
    """Beyond the range there is no tick: an order is not taken, and a known one that moves there leaves the book."""
    rows = [
        (100 * TICK, 5, 1, ADD, BID),
        (99 * TICK, 4, 5, ADD, BID),
        (102 * TICK, 5, 2, ADD, ASK),
        (-MAX_PRICE - TICK, 5, 3, ADD, BID),
        (MAX_PRICE + TICK, 5, 4, ADD, ASK),
        (-MAX_PRICE - 1, 9, 1, ord("M"), BID),
        (-MAX_PRICE - 1, 9, 5, ord("F"), BID),
    ]
    events = events_of((EPOCH_NS, p, size, i, action, side, FLAG_LAST) for p, size, i, action, side in rows)
    run = run_engine(events, tick_int=TICK, cell_width_ms=100, radius=2)
    assert run.counts["price_out_of_range"] == 3
    assert depths(run.state) == {(99, 0): 4, (102, 1): 5}
    assert run.finished.bins["best_bid_price_int"].tolist() == [99 * TICK]
    assert run.finished.column("fill_mass").tolist() == [[0.0] * 5]
    pulled_or_kept = run.finished.column("pull_mass")[0]
    assert (pulled_or_kept > 0).tolist() == [False, True, False, False, False], "tick 100, one under spot 101"
