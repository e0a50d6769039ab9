"""The synthetic market's book and events are such as an exchange could have sent."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.events.book_replay import replay
from vpharness.errors import ConfigError
from vpharness.events.event_source import CHUNK_EVENTS, Source
from vpharness.events.mbo_event import (
    ADD,
    BID,
    CANCEL,
    CLEAR,
    EVENT_DTYPE,
    FILL,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MODIFY,
    NO_SIDE,
    TRADE,
)
from vpharness.events.synthetic import SyntheticSource
from vpharness.events.synthetic_flow import USUAL_ORDERS
from vpharness.events.synthetic_simulation import simulate_market
from vpharness.prices import PRICE_SCALE

SOURCE = SyntheticSource(seed=11, minutes=5)
TICK = 250_000_000


def events_of(source: Source) -> NDArray[np.void]:
    """Read a source whole."""
    with source.open() as stream:
        assert stream.instrument == "SYN"
        assert stream.size_unit == 1.0
        return np.concatenate(list(stream.chunks))


@pytest.fixture(scope="module")
def events() -> NDArray[np.void]:
    """Five minutes of a fair market."""
    return events_of(SOURCE)


def test_the_market_opens_with_a_snapshot(events: NDArray[np.void]) -> None:
    """A clear and adds carry the snapshot flag, the last of them the last flag too, and nothing later is snapshot."""
    snapshot = events[: int(np.count_nonzero(events["flags"] & FLAG_SNAPSHOT))]
    assert snapshot["action"][0] == CLEAR
    assert snapshot["side"][0] == NO_SIDE
    assert set(snapshot["action"][1:].tolist()) == {ADD}
    assert set(snapshot["flags"][:-1].tolist()) == {FLAG_SNAPSHOT}
    assert snapshot["flags"][-1] == FLAG_SNAPSHOT | FLAG_LAST
    bids = snapshot[snapshot["side"] == BID]
    assert bids["price"].max() == int(SOURCE.initial_price * PRICE_SCALE)


def test_the_book_is_whole_after_every_exchange_event(events: NDArray[np.void]) -> None:
    """Each side has orders on at least 50 levels without a gap, bid < ask, and the replay knows every order's id."""
    exchange_events = 0
    for _, book in replay(events):
        exchange_events += 1
        for side in ("B", "A"):
            levels = book.depth[side]
            assert len(levels) >= 50
            assert max(levels) - min(levels) == (len(levels) - 1) * TICK
        bid, ask = book.best()
        assert TICK <= ask - bid <= 3 * TICK
    assert exchange_events == np.count_nonzero(events["flags"] & FLAG_LAST)
    assert events["flags"][-1] & FLAG_LAST


def test_the_spread_is_mostly_one_or_two_ticks(events: NDArray[np.void]) -> None:
    """By time, one tick is the rule, two are common, and three are rare."""
    share: Counter[int] = Counter()
    rows = [(int(events["ts_ns"][index]), *book.best()) for index, book in replay(events)]
    for (since, bid, ask), (until, _, _) in pairwise(rows):
        share[(ask - bid) // TICK] += until - since
    total = share.total()
    assert share[1] / total > 0.6
    assert share[2] / total > 0.1
    assert 0 < share[3] / total < 0.05


def test_time_never_goes_backwards_and_an_exchange_event_has_one_time(events: NDArray[np.void]) -> None:
    """Records of one exchange event share their ts_ns, so each fill has the time of what takes it out."""
    times = events["ts_ns"]
    assert (np.diff(times) >= 0).all()
    goes_on = (events["flags"][:-1] & FLAG_LAST) == 0
    assert (np.diff(times)[goes_on] == 0).all()
    assert times[0] == SOURCE.start_ns
    assert times[-1] < SOURCE.start_ns + 5 * 60 * 1_000_000_000


def test_trades_are_reported_as_cme_does(events: NDArray[np.void]) -> None:
    """A trade of the aggressor's side is followed by fills of the other side that sum to it at its price."""
    trades = np.flatnonzero(events["action"] == TRADE)
    for index in trades.tolist():
        trade, fills = events[index], index + 1
        while events["action"][fills] == FILL:
            fills += 1
        filled = events[index + 1 : fills]
        assert filled["size"].sum() == trade["size"]
        assert set(filled["price"].tolist()) == {trade["price"]}
        assert set(filled["side"].tolist()).isdisjoint({int(trade["side"]), NO_SIDE})
        assert events["action"][fills] in (CANCEL, MODIFY)
    assert len(trades) > 1000


def test_every_kind_of_event_occurs(events: NDArray[np.void]) -> None:
    """There are partial and full fills, orders that grow, shrink and change price, and plain cancels."""
    seen: Counter[str] = Counter()
    resting: dict[int, tuple[int, int]] = {}
    last_fill: dict[int, int] = {}
    for ts_ns, price, size, order_id, action, *_ in events.tolist():
        if action == FILL:
            last_fill[order_id] = ts_ns
        filled = last_fill.get(order_id) == ts_ns
        if action == CANCEL:
            seen["full fill" if filled else "cancel"] += 1
            del resting[order_id]
        elif action == MODIFY:
            old_price, old_size = resting[order_id]
            repriced = "moved" if price != old_price else "grown" if size > old_size else "shrunk"
            seen["partial fill" if filled else repriced] += 1
        if action in (ADD, MODIFY):
            resting[order_id] = (price, size)
    assert all(seen[kind] > 500 for kind in ("full fill", "partial fill", "cancel", "moved", "grown", "shrunk"))


def test_fifty_to_several_hundred_events_a_second_in_bursts(events: NDArray[np.void]) -> None:
    """No second is silent, and events cluster: tenths of a second vary far more than Poisson counts would."""
    since_open = events["ts_ns"] - SOURCE.start_ns
    flow = since_open[(events["flags"] & FLAG_SNAPSHOT) == 0]
    seconds = np.bincount(flow // 1_000_000_000, minlength=300)
    assert seconds.min() >= 50
    assert 100 <= seconds.mean() <= 500
    tenths = np.bincount(flow // 100_000_000, minlength=3000)
    assert tenths.var() > 3 * tenths.mean()


def test_quiet_and_busy_spells_follow_each_other() -> None:
    """Over forty minutes the busiest minutes have at least twice the events of the quietest ones."""
    counts = np.zeros(40)
    for chunk in simulate_market(SyntheticSource(seed=2, minutes=40)):
        counts += np.bincount((chunk["ts_ns"] - SOURCE.start_ns) // 60_000_000_000, minlength=40)
    low, high = np.quantile(counts, (0.1, 0.9))
    assert high > 2 * low


def test_the_same_seed_gives_the_same_events(events: NDArray[np.void]) -> None:
    """Opened again the market is the same in every field; another seed gives another one."""
    assert np.array_equal(events_of(SOURCE), events)
    other = events_of(SyntheticSource(seed=12, minutes=1))
    assert not np.array_equal(other["ts_ns"][:5000], events["ts_ns"][:5000])


@pytest.mark.parametrize("chunk_events", [3_500, 9_999])
def test_events_do_not_depend_on_the_chunks(events: NDArray[np.void], chunk_events: int) -> None:
    """Small chunks, which end in the middle of a minute, hold the same events."""
    chunks = list(simulate_market(SOURCE, chunk_events=chunk_events))
    assert max(map(len, chunks)) <= chunk_events
    assert len(chunks) > 5
    assert np.array_equal(np.concatenate(chunks), events)


def test_a_longer_market_begins_with_the_shorter_one(events: NDArray[np.void]) -> None:
    """Nothing depends on how long the market will last, so nothing has to be kept of it."""
    shorter = events_of(SyntheticSource(seed=11, minutes=2))
    assert len(shorter) > 10_000
    assert np.array_equal(shorter, events[: len(shorter)])


def test_chunks_are_canonical_events_of_bounded_length() -> None:
    """A minute with far more events than a chunk may hold comes in several of them."""
    chunks = list(simulate_market(SyntheticSource(minutes=1, event_rate=4_000.0)))
    assert len(chunks) > 2
    assert max(map(len, chunks)) <= CHUNK_EVENTS
    assert {chunk.dtype for chunk in chunks} == {EVENT_DTYPE}


def test_a_chunk_that_cannot_hold_the_snapshot_is_refused() -> None:
    """The kernel writes without looking, so the room it needs is checked before."""
    with pytest.raises(ValueError, match="chunk_events is 3000; it must be at least 3329"):
        next(simulate_market(SOURCE, chunk_events=3_000))


def test_prices_stand_on_the_ticks_of_another_tick_size() -> None:
    """A tick of 0.01 at a low price gives prices on that lattice, starting at the price asked for."""
    events = events_of(SyntheticSource(minutes=1, tick_size=0.01, initial_price=50.0))
    added = events[events["action"] == ADD]
    assert (added["price"] % 10_000_000 == 0).all()
    snapshot_bids = added[((added["flags"] & FLAG_SNAPSHOT) > 0) & (added["side"] == BID)]
    assert snapshot_bids["price"].max() == 50 * PRICE_SCALE


def test_identity_holds_the_parameters_and_the_simulators_version() -> None:
    """It can be written as JSON, and any parameter changes it."""
    identity = SOURCE.identity()
    assert json.loads(json.dumps(identity)) == identity
    assert identity["simulator_version"] >= 1
    assert identity["seed"] == 11
    assert identity != SyntheticSource(seed=11, minutes=5, strength=0.1).identity()
    assert SyntheticSource.default_evict_crossed_ms == 0


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SyntheticSource(strength=1.5), "source.strength is 1.5; it must be at most 1"),
        (SyntheticSource(minutes=0), "source.minutes is 0; it must be at least 1"),
        (SyntheticSource(initial_price=100.0), "source.initial_price is 100.0; for 120 minutes at a tick of 0.25"),
        (SyntheticSource(tick_size=1e-10), "source.tick_size is 1e-10; it must be a positive multiple of 1e-9"),
    ],
)
def test_parameters_out_of_range_are_refused(source: SyntheticSource, words: str) -> None:
    """The message names the parameter, what was found and what is allowed."""
    with pytest.raises(ConfigError, match=words):
        source.open()


def test_queues_are_about_as_long_as_usual(events: NDArray[np.void]) -> None:
    """The book keeps its shape: after five minutes queues are of the usual size, the longest behind the best."""
    *_, (_, book) = replay(events)
    bid, ask = book.best()
    queues = np.zeros(50)
    for side, price, _ in book.orders.values():
        distance = (bid - price if side == "B" else price - ask) // TICK
        if distance < 50:
            queues[distance] += 0.5
    assert 0.4 < queues.mean() / USUAL_ORDERS[:50].mean() < 2.0
    assert queues[2:12].mean() > queues[0]
