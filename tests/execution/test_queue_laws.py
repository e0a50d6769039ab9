"""Laws of virtual orders that hold whatever the market does: of waits, of what comes later, and of being alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.execution.test_virtual_orders import NS_PER_MS, bins_of, fresh
from tests.lattice.feed import TICK
from tests.lattice.streams import random_stream
from tests.naive_queue import Virtual, naive_queue
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, EVENT_DTYPE, FILL, FLAG_LAST
from vpharness.execution.virtual_orders import virtual_orders
from vpharness.order_fates import BEHIND, CROSSED, FILLS, REASONS, THROUGH, WITHDRAWN

WAITS_NS = tuple(100 * NS_PER_MS * bins for bins in (1, 3, 10, 40))


def fates_of(
    bins: dict[str, NDArray[Any]], events: NDArray[np.void], wait_ns: int, latency_ns: Any = 0
) -> NDArray[np.void]:
    """Return the fates of a stream's virtual orders."""
    fates, _ = virtual_orders(bins, fresh(), [events], latency_ns=latency_ns, max_wait_ns=wait_ns)
    return fates


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), latency_ms=st.sampled_from([0, 70]))
def test_a_longer_wait_keeps_every_fill_of_a_shorter_one(seed: int, latency_ms: int) -> None:
    """At the same time and for the same reason; what it adds comes after the shorter wait, and executed only grows."""
    events = random_stream(seed, 400, mischief=1.0)
    bins = bins_of(events)
    if not bins:
        return
    arrival = (bins["bin_end_ns"] + latency_ms * NS_PER_MS)[:, None]
    several = [fates_of(bins, events, wait_ns, latency_ms * NS_PER_MS) for wait_ns in WAITS_NS]
    for wait_ns, shorter, longer in zip(WAITS_NS, several[:-1], several[1:], strict=False):
        filled = np.isin(shorter["reason"], FILLS)
        np.testing.assert_array_equal(longer["reason"][filled], shorter["reason"][filled])
        np.testing.assert_array_equal(longer["fill_ns"][filled], shorter["fill_ns"][filled])
        more = np.isin(longer["reason"], FILLS) & ~filled
        assert (longer["fill_ns"] >= arrival + wait_ns)[more].all()
        assert (longer["executed"] >= shorter["executed"]).all()


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.3, 0.9))
def test_events_behind_a_fill_change_nothing(seed: int, share: float) -> None:
    """A fill is known for good with the event that makes it."""
    events = random_stream(seed, 400, mischief=1.0)
    cut = round(share * len(events))
    last_ns, bins = int(events["ts_ns"][cut - 1]), bins_of(events)
    if not bins:
        return
    early = {name: column[bins["bin_end_ns"] <= last_ns] for name, column in bins.items()}
    if not len(early["bin_end_ns"]):
        return
    before, whole = fates_of(early, events[:cut], WAITS_NS[-1]), fates_of(early, events, WAITS_NS[-1])
    filled = np.isin(before["reason"], FILLS) & (before["fill_ns"] < last_ns)
    for name in ("reason", "fill_ns", "ahead_at_arrival", "price"):
        np.testing.assert_array_equal(whole[name][filled], before[name][filled])


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_orders_that_overtake_one_another_are_those_of_the_plain_twin(seed: int) -> None:
    """Recorded latencies differ from order to order: each is followed as if it were alone."""
    events = random_stream(seed, 300, mischief=1.0)
    bins = bins_of(events)
    if not bins:
        return
    latency_ns = np.random.default_rng(seed).integers(0, 400 * NS_PER_MS, len(bins["bin_end_ns"]))
    fates = fates_of(bins, events, WAITS_NS[2], latency_ns)
    twins = {}
    for bin_number in np.flatnonzero(bins["book_valid"]):
        arrival = int(bins["bin_end_ns"][bin_number] + latency_ns[bin_number])
        for side, name in ((BID, "best_bid_price_int"), (ASK, "best_ask_price_int")):
            twin = Virtual(side, int(bins[name][bin_number]) // TICK, arrival, arrival + WAITS_NS[2])
            twins[int(bin_number), 0 if side == BID else 1] = twin
    naive_queue(
        events,
        list(twins.values()),
        tick_int=TICK,
        evict_crossed_ms=300,
        complete_to_ns=int(bins["bin_end_ns"][-1]),
    )
    for place, twin in twins.items():
        assert REASONS[fates[place]["reason"]] == twin.reason
        assert (fates[place]["fill_ns"], fates[place]["executed"]) == (twin.fill_ns, twin.executed)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), mischief=st.sampled_from([0.0, 1.0]))
def test_who_is_filled_in_turn_saw_an_execution_at_the_price(seed: int, mischief: float) -> None:
    """So the quantity executed within the wait bounds what can be filled in turn."""
    events = random_stream(seed, 400, mischief=mischief)
    bins = bins_of(events)
    if not bins:
        return
    fates = fates_of(bins, events, WAITS_NS[-1])
    assert (fates["executed"][fates["reason"] == BEHIND] > 0).all()
    assert (fates["executed"] >= 0).all()


BASE_NS = 1_700_000_000 * 10**9
LONELY = 16_000
"""The tick of the virtual buy; the order that made it the best bid is cancelled before it arrives."""


def market(*more: tuple[int, int, int, int, int]) -> NDArray[np.void]:
    """Return a book in which a virtual buy is alone at its price, and what follows: ms, action, side, tick, order."""
    rows = [
        (0, ADD, BID, LONELY - 1, 3),
        (0, ADD, ASK, LONELY + 2, 2),
        (0, ADD, BID, LONELY, 1),
        (110, CANCEL, BID, LONELY, 1),
        *more,
        (5_000, ADD, ASK, LONELY + 9, 99),
    ]
    events = np.zeros(len(rows), EVENT_DTYPE)
    for event, (ms, action, side, tick, order_id) in zip(events, rows, strict=True):
        event["ts_ns"], event["action"], event["side"] = BASE_NS + ms * NS_PER_MS, action, side
        event["price"], event["order_id"], event["size"], event["flags"] = tick * TICK, order_id, 2, FLAG_LAST
    return events


@pytest.mark.parametrize(
    ("more", "reason", "fill_ms"),
    [
        ([], WITHDRAWN, None),
        ([(300, FILL, ASK, LONELY + 2, 2), (300, CANCEL, ASK, LONELY + 2, 2)], WITHDRAWN, None),
        ([(300, CANCEL, BID, LONELY - 1, 3), (400, ADD, BID, LONELY - 2, 4)], WITHDRAWN, None),
        ([(300, FILL, BID, LONELY - 1, 3)], THROUGH, 300),
        ([(400, ADD, ASK, LONELY, 5)], CROSSED, 400),
        ([(400, ADD, ASK, LONELY + 1, 5)], WITHDRAWN, None),
    ],
)
def test_alone_at_its_price_an_order_is_filled_by_a_through_or_a_cross_only(
    more: list[tuple[int, int, int, int, int]], reason: int, fill_ms: int | None
) -> None:
    """Nothing is ahead and nothing behind: executions of the other side, cancels and quotes beside it fill nobody."""
    bins = {
        "bin_end_ns": np.array([BASE_NS + 100 * NS_PER_MS]),
        "book_valid": np.array([True]),
        "best_bid_price_int": np.array([LONELY * TICK]),
        "best_ask_price_int": np.array([(LONELY + 2) * TICK]),
    }
    fate = fates_of(bins, market(*more), 2_000 * NS_PER_MS, 100 * NS_PER_MS)[0, 0]
    assert (fate["ahead_at_arrival"], fate["executed"]) == (0, 0)
    assert fate["reason"] == reason
    assert fate["fill_ns"] == (0 if fill_ms is None else BASE_NS + fill_ms * NS_PER_MS)
