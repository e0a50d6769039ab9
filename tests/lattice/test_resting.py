"""A book handed over as a snapshot is the same book, with the same queues."""

import numpy as np
import pytest

from tests.lattice.engine_help import open_lattice
from tests.lattice.streams import random_stream
from vpharness.events.mbo_event import FLAG_LAST, FLAG_SNAPSHOT
from vpharness.lattice.lattice_engine import advance, open_bin_end_ns
from vpharness.lattice.state_transfer import resting_orders

TICK = 250_000_000


@pytest.mark.parametrize("venues", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_lattice_that_takes_in_the_snapshot_goes_on_with_the_same_book(seed: int, venues: bool) -> None:
    """Best prices, depths, evictions of crossed books and what unknown orders do, in every bin from then on.

    So it is with several publishers, best prices and levels in place of orders, halts and gaps.
    """
    events = random_stream(seed, 1_500, publishers=3 if venues else 1, without_orders=venues)
    settings = {"tick_int": TICK, "radius": 6, "evict_crossed_ms": 500}
    half = len(events) // 2
    first, _ = advance(open_lattice(**settings), events[:half])
    snapshot = resting_orders(first)
    assert (snapshot["flags"] & FLAG_SNAPSHOT).all()
    assert snapshot["flags"][-1] & FLAG_LAST
    second, none = advance(open_lattice(**settings | {"radius": 4}), snapshot)
    assert none == []
    first, old = advance(first, events[half:])
    second, new = advance(second, events[half:])
    end_ns = open_bin_end_ns(first)
    old += advance(first, events[:0], end_ns)[1]
    new += advance(second, events[:0], end_ns)[1]
    old_bins = {int(row["bin_end_ns"]): (row, block, n) for block in old for n, row in enumerate(block.bins)}
    compared = 0
    for block in new:
        for n, row in enumerate(block.bins):
            other, whole, place = old_bins[int(row["bin_end_ns"])]
            for name in ("best_bid_price_int", "best_ask_price_int", "mid_price", "book_valid"):
                assert row[name] == other[name]
            for name in ("bid_depth", "ask_depth", "rest_depth"):
                np.testing.assert_array_equal(block.column(name)[n], whole.column(name)[place][2:-2])
            compared += int(row["book_valid"])
    assert compared > (5 if venues else 20)


def test_before_the_first_event_nothing_rests() -> None:
    """Not even a clear."""
    assert len(resting_orders(open_lattice(tick_int=TICK))) == 0
