"""Random market-by-order streams: a living book near one price, with everything that real feeds do wrong."""

from collections.abc import Callable
from typing import Final

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.lattice import mischief as wrong
from tests.lattice import sound, venues
from tests.lattice.feed import HOME_TICK, TICK, Feed, pass_time, rebuild
from vpharness.events.mbo_event import EVENT_DTYPE, FLAG_SNAPSHOT, MAX_PRICE

_REPERTOIRE: Final[list[tuple[Callable[[Feed], None], tuple[float, bool]]]] = [
    # what happens, (how often, whether it scales with the mischief)
    (sound.add, (30.0, False)),
    (sound.cancel, (14.0, False)),
    (sound.resize, (8.0, False)),
    (sound.move, (8.0, False)),
    (sound.trade, (12.0, False)),
    (sound.nothing, (1.0, False)),
    (sound.marketable, (2.0, True)),
    (wrong.iceberg, (3.0, True)),
    (wrong.own_fill, (3.0, True)),
    (wrong.come_back, (1.0, True)),
    (wrong.unknown, (3.0, True)),
    (wrong.invalid, (1.5, True)),
    (wrong.strange_cancel, (2.0, True)),
    (wrong.restate, (4.0, True)),
    (wrong.far_away, (1.0, True)),
    (wrong.empty_side, (0.3, True)),
    (wrong.clear, (0.7, True)),
]
_VENUES: Final[list[tuple[Callable[[Feed], None], tuple[float, bool]]]] = [
    (venues.best_price, (3.0, False)),
    (venues.price_level, (6.0, False)),
    (venues.beyond, (1.0, True)),
    (venues.halt, (2.0, True)),
    (venues.gap, (1.0, True)),
]


def random_stream(
    seed: int,
    n_events: int,
    *,
    mischief: float = 1.0,
    tick_int: int = TICK,
    snapshot: bool = True,
    publishers: int = 1,
    without_orders: bool = False,
    shift_ticks: int = 0,
) -> NDArray[np.void]:
    """Return `n_events` events (EVENT_DTYPE), the same for the same arguments; a shorter stream begins a longer one.

    `mischief` scales how often the feed does something wrong, from 0 (never) to 3 or so; `snapshot` opens the stream
    with one. `publishers` share the ids; `without_orders` mixes in best prices and price levels, halts, gaps in the
    feed and prices out of range. Prices lie about 16,000 ticks, shifted by `shift_ticks`; times about EPOCH_NS, some
    10 ms apart, with silent gaps up to 3 s.
    """
    feed = Feed(np.random.default_rng(seed), mischief, tick_int, publishers=publishers)
    if feed.chance(0.2 * mischief):
        feed.last_flag = 0
    if snapshot:
        rebuild(feed, FLAG_SNAPSHOT)
    actions, weights = zip(*_REPERTOIRE, *(_VENUES if without_orders else ()), strict=True)
    odds = np.cumsum([weight * (mischief if wrong else 1.0) for weight, wrong in weights])
    while len(feed.rows) < n_events:
        pass_time(feed)
        if feed.chance(0.05):
            feed.mid += feed.whole(-1, 1)
        sound.uncross(feed)
        actions[int(np.searchsorted(odds, feed.rng.random() * odds[-1], side="right"))](feed)
    events = np.array(feed.rows[:n_events], EVENT_DTYPE)
    events["price"][np.abs(events["price"]) <= MAX_PRICE] += shift_ticks * tick_int
    return events


@st.composite
def event_arrays(draw: st.DrawFn, max_events: int = 300) -> NDArray[np.void]:
    """Draw a random stream of up to `max_events` events, some of them cut out."""
    events = random_stream(
        draw(st.integers(0, 2**32 - 1), label="seed"),
        draw(st.integers(0, max_events), label="n_events"),
        mischief=draw(st.sampled_from([1.0, 0.0, 0.3, 3.0]), label="mischief"),
        snapshot=draw(st.booleans(), label="snapshot"),
        publishers=draw(st.sampled_from([1, 1, 2, 5]), label="publishers"),
        without_orders=draw(st.booleans(), label="without_orders"),
        shift_ticks=draw(st.sampled_from([0, -HOME_TICK, -3 * HOME_TICK]), label="shift_ticks"),
    )
    if not len(events):
        return events
    cut = draw(st.lists(st.integers(0, len(events) - 1), max_size=5), label="cut out")
    return np.delete(events, cut)
