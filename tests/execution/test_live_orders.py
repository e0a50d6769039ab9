"""Orders followed as bins close have the fates of the table, through any cut of the feed and any restart."""

import io
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.examples import examples
from tests.execution.test_virtual_orders import LATTICE, NS_PER_MS, bins_of, fresh
from tests.lattice.streams import random_stream
from vpharness.errors import ConfigError
from vpharness.events.dbn import DbnSource
from vpharness.execution.live_orders import LiveOrders
from vpharness.execution.virtual_orders import virtual_orders
from vpharness.lattice.lattice_engine import iterate, open_bin_end_ns
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.order_fates import FILLS, OPEN, REASONS, VirtualOrder

Fates = dict[tuple[int, int], VirtualOrder]
LATENCY_NS, WAIT_NS = 100 * NS_PER_MS, 2_000 * NS_PER_MS


def reloaded(saved: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return a state after it was written to a file and read."""
    file = io.BytesIO()
    np.savez(file, **saved)  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


class Follower:
    """A lattice and its virtual orders on a feed: an order is placed wherever `fires` says so."""

    def __init__(self, lattice: Any, orders: LiveOrders, fires: NDArray[np.int8]) -> None:
        self.lattice, self.orders, self.fires, self.bins = lattice, orders, fires, 0
        self.fates: Fates = {}

    def take(self, events: NDArray[np.void], complete_to_ns: int | None = None) -> None:
        """Take in events as a session does, a few bins at a time."""
        self.orders.take(events)
        for state, block in iterate(self.lattice, events, complete_to_ns, 4):
            self.lattice = state
            for place in range(len(block.bins)):
                row = block.bins[place : place + 1]
                self._note(self.orders.close(int(row["bin_end_ns"][0])))
                for direction in {0: (), 1: (1,), -1: (-1,), 2: (1, -1)}[int(self.fires[self.bins])]:
                    self._note([self.orders.place(row, direction)])
                self.bins += 1
        self.orders.catch_up(complete_to_ns)

    def _note(self, orders: list[VirtualOrder]) -> None:
        for order in orders:
            key = order.decided_ns, order.direction
            before = self.fates.get(key)
            assert before is None or (before.reason, before.price) == (OPEN, order.price), "told twice"
            self.fates[key] = order


def assert_as_in_table(fates: Fates, bins: Mapping[str, NDArray[Any]], table: NDArray[np.void]) -> None:
    """Compare orders with the table; whatever is open there is open here."""
    place = {int(end): index for index, end in enumerate(bins["bin_end_ns"])}
    for (decided_ns, direction), order in fates.items():
        wanted = table[place[decided_ns], 0 if direction > 0 else 1]
        found = (order.price, order.fill_ns, REASONS[order.reason])
        assert found == (wanted["price"], wanted["fill_ns"], REASONS[wanted["reason"]]), (decided_ns, direction)
        if order.reason not in (OPEN, REASONS.index("none")):
            assert order.ahead_at_arrival == wanted["ahead_at_arrival"]


def cuts_of(rng: np.random.Generator, n_events: int, n_cuts: int) -> Iterator[slice]:
    """Yield the pieces of a feed cut at random places."""
    edges = [0, *sorted(rng.integers(0, n_events + 1, n_cuts).tolist()), n_events]
    yield from (slice(*each) for each in itertools.pairwise(edges))


@examples(40)  # the first example compiles the kernels
@given(
    seed=st.integers(0, 10**6),
    mischief=st.sampled_from([0.0, 1.0, 3.0]),
    latency_ms=st.sampled_from([0, 30, 100, 250]),
    wait_bins=st.sampled_from([1, 5, 40]),
    n_cuts=st.integers(0, 60),
    busy=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_live_equals_batch_through_restarts_in_the_middle_of_a_wait(
    seed: int, mischief: float, latency_ms: int, wait_bins: int, n_cuts: int, busy: float
) -> None:
    """For the bins that fire alone, on feeds with everything that goes wrong; half of the cuts are restarts."""
    events = random_stream(seed, 400, mischief=mischief)
    bins = bins_of(events)
    if not bins:
        return
    durations = {"latency_ns": latency_ms * NS_PER_MS, "max_wait_ns": wait_bins * 100 * NS_PER_MS}
    table, _ = virtual_orders(bins, fresh(), [events], **durations)
    rng = np.random.default_rng(seed)
    fires = rng.choice(np.array([-1, 1, 2], np.int8), len(table)) * (rng.random(len(table)) < busy)
    follower = Follower(fresh(), LiveOrders(fresh(), **durations), fires)
    for piece in cuts_of(rng, len(events), n_cuts):
        follower.take(events[piece])
        if rng.random() < 0.5:
            follower.orders = LiveOrders.restore(fresh(), reloaded(follower.orders.save()), **durations)
    follower.take(events[:0], open_bin_end_ns(follower.lattice))
    assert follower.bins == len(table)
    assert_as_in_table(follower.fates, bins, table)
    assert len(follower.fates) == np.abs(fires).sum()


def test_live_equals_batch_on_the_real_market(shared: Path) -> None:
    """Five minutes of ESH4, an order at every third bin, restarted again and again while orders wait."""
    source = DbnSource(str(shared / "data" / "esh4-20231225.mbo.dbn.zst"), 0.25)
    parameters = LatticeParameters(radius=2)
    with source.open() as stream:
        events = np.concatenate(list(stream.chunks))
    begin_ns = int(pd.read_parquet(shared / "golden" / "esh4.bins.parquet")["bin_start_ns"].iloc[0])
    events = events[events["ts_ns"] < begin_ns + 300 * 10**9]
    lattice = fresh(parameters, 0.25)
    blocks = [block.bins for _, block in iterate(lattice, events)]
    rows = np.concatenate(blocks)
    bins = {name: rows[name] for name in rows.dtype.names or ()}
    durations = {"latency_ns": LATENCY_NS, "max_wait_ns": 10_000 * NS_PER_MS}
    table, _ = virtual_orders(bins, fresh(parameters, 0.25), [events], **durations)
    rng = np.random.default_rng(1)
    fires = rng.choice(np.array([-1, 1, 2], np.int8), len(table)) * (rng.random(len(table)) < 0.3)
    follower = Follower(fresh(parameters, 0.25), LiveOrders(fresh(parameters, 0.25), **durations), fires)
    restarts_in_wait = 0
    for piece in cuts_of(rng, len(events), 60):
        follower.take(events[piece])
        restarts_in_wait += follower.orders.n_waiting > 0
        saved = reloaded(follower.orders.save())
        follower.orders = LiveOrders.restore(fresh(parameters, 0.25), saved, **durations)
    assert restarts_in_wait > 20
    assert sum(order.reason in FILLS for order in follower.fates.values()) > 200
    last_ns = int(events["ts_ns"][-1])
    due = {key: order for key, order in follower.fates.items() if key[0] + sum(durations.values()) < last_ns - 10**9}
    assert_as_in_table(due, bins, table)
    assert OPEN not in {order.reason for order in due.values()}


def moved_on(n_events: int = 300, **durations: int) -> Follower:
    """Return a follower in the middle of a feed, with orders that wait."""
    durations = {"latency_ns": LATENCY_NS, "max_wait_ns": 30 * WAIT_NS} | durations
    events = random_stream(4, n_events, mischief=0.0)
    follower = Follower(fresh(), LiveOrders(fresh(), **durations), np.full(1000, 2, np.int8))
    follower.take(events)
    assert follower.orders.n_waiting > 4
    return follower


def test_memory_does_not_grow_with_the_orders() -> None:
    """What has ended is dropped: as many are kept as there may wait at a time."""
    follower = moved_on(4000, max_wait_ns=300 * NS_PER_MS)
    assert len(follower.fates) > 400
    assert len(follower.orders.save()["queue/orders"]) <= 64


def test_an_equal_order_is_placed_once() -> None:
    """Two models that fire at a bin in one direction have one order between them."""
    follower = moved_on()
    row = np.zeros(1, [("bin_end_ns", np.int64), ("book_valid", np.bool_), *((n, np.int64) for n in PRICES)])
    row["bin_end_ns"], row["book_valid"] = 10**19 // 2, True
    row["best_bid_price_int"], row["best_ask_price_int"] = 10**12, 10**12 + 25 * 10**7
    before = follower.orders.n_waiting
    first, again = follower.orders.place(row, 1), follower.orders.place(row, 1)
    other = follower.orders.place(row, -1)
    assert first == again
    assert other.direction == -1
    assert follower.orders.n_waiting == before + 2
    row["book_valid"] = False
    assert follower.orders.place(row, 1).state == "none"
    assert follower.orders.n_waiting == before + 2


PRICES = ("best_bid_price_int", "best_ask_price_int")


@pytest.mark.parametrize("name", ["older", "newer", "level", "side", "reason", "withdrawal_ns"])
def test_a_damaged_state_is_refused(name: str) -> None:
    """Kernels follow the links of the orders without looking."""
    saved = moved_on().orders.save()
    orders = saved["queue/orders"]
    place = int(np.flatnonzero(orders["level"] >= 0)[1])
    orders[name][place] = 77 if name != "withdrawal_ns" else 10**18 * 9
    with pytest.raises(ConfigError, match="the saved orders are damaged"):
        LiveOrders.restore(fresh(), saved, latency_ns=LATENCY_NS, max_wait_ns=30 * WAIT_NS)


@pytest.mark.parametrize("name", ["queue/cursor", "queue/newest", "book/levels", "durations_ns"])
def test_a_state_with_a_part_missing_is_refused(name: str) -> None:
    """The error names it, or says what the state is not."""
    saved = moved_on().orders.save()
    del saved[name]
    with pytest.raises(ConfigError, match=r"start anew"):
        LiveOrders.restore(fresh(), saved, latency_ns=LATENCY_NS, max_wait_ns=30 * WAIT_NS)


def test_a_state_of_other_durations_is_refused() -> None:
    """Orders would arrive or be withdrawn at other times than they were placed for."""
    saved = moved_on().orders.save()
    with pytest.raises(ConfigError, match="the latency and the longest wait"):
        LiveOrders.restore(fresh(), saved, latency_ns=0, max_wait_ns=30 * WAIT_NS)


def test_one_that_begins_at_a_snapshot_of_the_book_goes_on_like_the_one_that_made_it() -> None:
    """Where nothing is half done at that moment: orders placed from then on have equal fates."""
    events = random_stream(11, 600, mischief=0.0)
    half = int(np.flatnonzero(np.diff(events["ts_ns"]) > 0)[150]) + 1
    fires = np.full(1000, 2, np.int8)
    durations = {"latency_ns": LATENCY_NS, "max_wait_ns": WAIT_NS}
    first = Follower(fresh(), LiveOrders(fresh(), **durations), fires)
    first.take(events[:half])
    second = LiveOrders(fresh(), **durations)
    second.take(first.orders.book())
    second.catch_up()
    other = Follower(first.lattice, second, fires)
    copied = LiveOrders.restore(fresh(), first.orders.save(), **durations)
    other.lattice = _copy(first.lattice)
    first.orders = copied
    first.take(events[half:])
    other.take(events[half:])
    assert len(other.fates) > 20
    assert {key: order for key, order in first.fates.items() if key in other.fates} == other.fates


def _copy(lattice: Any) -> Any:
    return type(lattice)(*(array.copy() for array in lattice))


def test_saving_in_the_middle_of_a_call_is_refused() -> None:
    """Events that are not followed yet would be lost."""
    orders = LiveOrders(fresh(), latency_ns=0, max_wait_ns=WAIT_NS)
    orders.take(random_stream(1, 10))
    with pytest.raises(ConfigError, match="catch up before saving"):
        orders.save()
    orders.catch_up()
    orders.save()


def test_the_lattice_of_the_tests_evicts() -> None:
    """So that evictions between bins are among what is compared."""
    assert LATTICE.evict_crossed_ms == 300
