"""Several publishers, best prices and levels in place of orders, halts and gaps, one small case each."""

import time
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.lattice.book_state import assert_book_is_sound, depths
from tests.lattice.engine_help import Run, assert_agrees_with_twin, run_engine
from tests.naive import naive_lattice
from vpharness.events.mbo_event import (
    EVENT_DTYPE,
    FLAG_BY_PRICE,
    FLAG_FEED_GAP,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    FLAG_TOP_OF_BOOK,
    UNDEFINED_PRICE,
)
from vpharness.prices import PRICE_SCALE

MS: Final = 1_000_000
TICK: Final = PRICE_SCALE // 100
CASE: Final[dict[str, Any]] = {"tick_int": TICK, "size_unit": 1.0, "cell_width_ms": 100, "radius": 12}
TOP, LEVEL = FLAG_LAST | FLAG_TOP_OF_BOOK, FLAG_LAST | FLAG_BY_PRICE
BOOK: Final = ((0, 1, "A", "B", 100, 5, 1), (0, 1, "A", "A", 103, 7, 2))


def events_of_venues(*rows: tuple[Any, ...]) -> NDArray[np.void]:
    """Return rows of time in ms, publisher, action, side, price in ticks, size, order id and flags (128) as events."""
    return np.array(
        [
            (
                ms * MS,
                price if price == UNDEFINED_PRICE else price * TICK,
                size,
                order_id,
                ord(a),
                ord(s),
                *flags,
                venue,
            )
            for ms, venue, a, s, price, size, order_id, *flags in (row if len(row) > 7 else (*row, 128) for row in rows)
        ],
        EVENT_DTYPE,
    )


def run_of(*rows: tuple[Any, ...], **case: Any) -> Run:
    """Run the engine on rows, checking its book and what the twin makes of them."""
    events = events_of_venues(*rows)
    run = run_engine(events, **CASE | case)
    assert_book_is_sound(run.state)
    assert_agrees_with_twin(run, naive_lattice(events, **CASE | case), 1000.0)
    return run


def best(run: Run) -> list[tuple[int, int]]:
    """Return best bid and ask of each bin, in ticks."""
    bids, asks = (run.finished.bins[f"best_{side}_price_int"] // TICK for side in ("bid", "ask"))
    return list(zip(bids.tolist(), asks.tolist(), strict=True))


def flow(run: Run) -> dict[tuple[str, int], float]:
    """Return what was ever added, pulled and filled at each tick, as far as its velocity has kept a sign of it."""
    last = run.finished.bins[-1]
    spot = int(last["spot_ref_price_int"]) // TICK
    found = dict[tuple[str, int], float]()
    for name in ("add", "pull", "fill"):
        masses = run.finished.column(f"{name}_mass")[-1]
        found |= {(name, spot + k - 12): round(float(mass), 1) for k, mass in enumerate(masses) if mass > 0.01}
    return found


def test_publishers_may_use_the_same_ids_and_an_r_empties_its_own_book_only() -> None:
    """Two venues, ids 1 and 2 in both: the better prices stay when the other one is cleared, its queue untouched."""
    run = run_of(
        (0, 39, "R", "N", 0, 0, 0),
        (0, 40, "R", "N", 0, 0, 0),
        (1, 39, "A", "B", 15000, 100, 1),
        (1, 39, "A", "A", 15005, 100, 2),
        (50, 40, "A", "B", 14990, 300, 1),
        (50, 40, "A", "A", 15020, 300, 2),
        (60, 40, "A", "B", 15000, 30, 3),
        (61, 39, "A", "B", 15000, 50, 3),
        (350, 40, "R", "N", 0, 0, 0),
        (450, 39, "C", "B", 15000, 40, 1),
        (600, 39, "N", "N", 0, 0, 0),
    )
    assert best(run) == [(15000, 15005)] * 7
    assert run.finished.bins["book_valid"].all()
    assert depths(run.state) == {(15000, 0): 110, (15005, 1): 100}
    assert run.finished.column("bid_depth")[:, 12 - 3].tolist() == [180, 180, 180, 150, 110, 110, 110], "spot is 15003"
    assert sum(run.counts[name] for name in ("duplicate_add", "unknown_cancel")) == 0


def test_a_cancel_of_another_publisher_s_id_is_unknown() -> None:
    """Id 1 is publisher 1's."""
    run = run_of(*BOOK, (50, 2, "C", "B", 100, 5, 1), (60, 2, "F", "B", 100, 5, 1), (70, 2, "M", "B", 99, 1, 1))
    assert depths(run.state) == {(100, 0): 5, (103, 1): 7, (99, 0): 1}
    assert [run.counts[f"unknown_{name}"] for name in ("cancel", "fill", "modify")] == [1, 1, 1]


@pytest.mark.parametrize("ids", [(0, 0, 0, 0, 0, 0), (1, 2, 3, 4, 5, 6)])
def test_a_best_price_replaces_its_publisher_s_side(ids: tuple[int, ...]) -> None:
    """With or without ids of its own; what it grows by is added, what it loses pulled, and no price leaves it empty."""
    run = run_of(
        (0, 1, "A", "B", 100, 10, ids[0], TOP),
        (0, 1, "A", "A", 105, 20, ids[1], TOP),
        (50, 1, "A", "B", 101, 11, ids[2], TOP),
        (150, 1, "A", "B", 101, 15, ids[3], TOP),
        (250, 1, "A", "B", 101, 9, ids[4], TOP),
        (350, 1, "A", "B", UNDEFINED_PRICE, 0, ids[5], TOP),
        (450, 1, "M", "B", 102, 4, ids[5], TOP),
        tau_mass=1e9,
    )
    assert best(run) == [(101, 105), (101, 105), (101, 105), (0, 105), (102, 105)]
    assert run.finished.bins["book_valid"].tolist() == [True, True, True, False, True]
    assert flow(run) == {
        ("add", 100): 10,
        ("add", 101): 15,
        ("add", 102): 4,
        ("add", 105): 20,
        ("pull", 100): 10,
        ("pull", 101): 15,
    }
    assert not any(count for name, count in run.counts.items() if name not in {"events", "bins"})


def test_a_best_price_displaces_what_its_publisher_has_on_the_side_and_nothing_else() -> None:
    """Its own orders go, as pulls; another publisher's orders, and the other side, stay."""
    run = run_of(*BOOK, (0, 2, "A", "B", 101, 3, 1), (0, 1, "A", "B", 99, 2, 7), (50, 1, "A", "B", 100, 6, 0, TOP))
    assert depths(run.state) == {(100, 0): 6, (101, 0): 3, (103, 1): 7}
    assert {key: value for key, value in flow(run).items() if key[0] == "pull"} == {("pull", 100): 5, ("pull", 99): 2}


def test_a_price_level_replaces_itself_and_a_cancel_takes_from_it() -> None:
    """Growth is added, loss pulled, or filled as far as an F at that price said so at the same time; size 0 removes."""
    run = run_of(
        (0, 1, "A", "B", 100, 10, 0, LEVEL),
        (0, 1, "A", "B", 99, 10, 0, LEVEL),
        (0, 1, "A", "A", 105, 20, 0, LEVEL),
        (10, 1, "A", "B", 100, 16, 0, LEVEL),
        (20, 1, "F", "B", 100, 4, 0, LEVEL),
        (20, 1, "M", "B", 100, 11, 0, LEVEL),
        (30, 1, "C", "B", 100, 1, 0, LEVEL),
        (40, 1, "A", "B", 99, 0, 0, LEVEL),
        (40, 1, "A", "B", 98, 0, 0, LEVEL),
        tau_mass=1e9,
    )
    assert depths(run.state) == {(100, 0): 10, (105, 1): 20}
    assert flow(run) == {
        ("add", 99): 10,
        ("add", 100): 16,
        ("add", 105): 20,
        ("pull", 99): 10,
        ("pull", 100): 2,
        ("fill", 100): 4,
    }
    assert not any(count for name, count in run.counts.items() if name not in {"events", "bins"})


def test_levels_between_the_ticks_are_levels_of_their_own() -> None:
    """Two prices on one tick add up there, and each is replaced by its own records; counted as off the tick."""
    events = events_of_venues(
        (0, 1, "A", "B", 100, 10, 0, LEVEL), (0, 1, "A", "B", 100, 3, 0, LEVEL), (0, 1, "A", "A", 105, 1, 0, LEVEL)
    )
    events["price"][1] += TICK // 4
    again = events[1:2].copy()
    again["size"] = 2
    run = run_engine(np.concatenate([events, again]), **CASE)
    assert depths(run.state) == {(100, 0): 12, (105, 1): 1}
    assert run.counts["off_tick"] == 1


def test_a_halted_book_is_not_valid_until_trading_resumes() -> None:
    """Orders go on changing it; a halt within a halt is none of its own."""
    run = run_of(
        *BOOK,
        (150, 1, "H", "N", 0, 0, 0),
        (160, 1, "H", "N", 0, 0, 0),
        (250, 1, "A", "B", 101, 1, 3),
        (350, 1, "O", "N", 0, 0, 0),
        (450, 1, "N", "N", 0, 0, 0),
    )
    assert run.finished.bins["book_valid"].tolist() == [True, False, False, True, True]
    assert best(run) == [(100, 103), (100, 103), (101, 103), (101, 103), (101, 103)]
    assert run.finished.bins["mid_price"].tolist() == [1.015, 0, 0, 1.02, 1.02]
    assert run.counts["halts"] == 1


@pytest.mark.parametrize("flags", [FLAG_LAST, FLAG_SNAPSHOT | FLAG_LAST])
def test_a_gap_makes_the_book_invalid_until_it_is_restated(flags: int) -> None:
    """By an R of that publisher, or a snapshot; every record that tells of a gap is counted."""
    run = run_of(
        *BOOK,
        (0, 2, "A", "B", 99, 1, 1),
        (150, 1, "N", "N", 0, 0, 0, FLAG_FEED_GAP | FLAG_LAST),
        (160, 1, "C", "B", 100, 1, 1, FLAG_FEED_GAP | FLAG_LAST),
        (250, 2, "R", "N", 0, 0, 0),
        (350, 1, "R", "N", 0, 0, 0, flags),
        (350, 1, "A", "B", 100, 4, 1, flags),
        (350, 1, "A", "A", 103, 4, 2, flags),
        (450, 1, "N", "N", 0, 0, 0),
    )
    assert run.finished.bins["book_valid"].tolist() == [True, False, False, True, True]
    assert run.counts["feed_gap"] == 2


def test_prices_may_be_negative() -> None:
    """Best prices, mid and spot below zero, half up; a side without a price is written as 0."""
    run = run_of(
        (0, 1, "A", "B", 100, 10, 1),
        (0, 1, "A", "A", 150, 10, 2),
        (0, 1, "A", "B", 50, 7, 3),
        (150, 1, "M", "B", -25, 10, 1),
        (250, 1, "M", "A", -4, 10, 2),
        (350, 1, "C", "B", 50, 7, 3),
        (450, 1, "C", "A", -4, 10, 2),
        radius=40,
    )
    assert best(run) == [(100, 150), (50, 150), (50, -4), (-25, -4), (-25, 0)]
    assert run.finished.bins["book_valid"].tolist() == [True, True, False, True, False]
    assert run.finished.bins["mid_price"].tolist() == [1.25, 1.0, 0, -0.145, 0]
    assert (run.finished.bins["spot_ref_price_int"] // TICK).tolist() == [125, 100, 0, -14, 0]
    assert run.finished.column("bid_depth")[3, 40 - 11] == 10
    assert run.finished.column("best_ask_move_ticks")[2, 0] == -154
    assert run.counts["price_out_of_range"] == 0


def test_best_prices_that_displace_a_deep_book_find_room_for_all_it_touches() -> None:
    """One record pulls hundreds of ticks: the queue of what the spectrum looks back at holds them all."""
    rows = [(n, 1, "A", "B", 1000 - n, 1, n + 1) for n in range(400)]
    run = run_of((0, 2, "A", "A", 1003, 1, 1), *rows, (450, 1, "A", "B", 1001, 1, 0, TOP), (470, 2, "N", "N", 0, 0, 0))
    assert depths(run.state) == {(1001, 0): 1, (1003, 1): 1}


def test_an_r_of_a_publisher_that_holds_little_costs_little() -> None:
    """A venue that clears its book again and again, beside another one's deep book, does not walk through that."""
    deep, clears = 200_000, 20_000
    events = np.zeros(deep + clears, EVENT_DTYPE)
    events["flags"], events["side"] = FLAG_LAST, ord("N")
    events["action"][:deep], events["side"][:deep], events["size"][:deep] = ord("A"), ord("B"), 1
    events["order_id"][:deep], events["price"][:deep], events["publisher"][:deep] = np.arange(deep), 100 * TICK, 1
    events["action"][deep:], events["publisher"][deep:] = ord("R"), 2
    run_of(*BOOK)  # so that no kernel is compiled while time is taken
    took = []
    for count in (deep + 1, len(events)):
        began = time.perf_counter()
        run = run_engine(events[:count], **CASE)
        took.append(time.perf_counter() - began)
    assert depths(run.state) == {(100, 0): deep}
    assert took[1] < 5 * took[0] + 1, "looking at every order at every R takes a hundred times as long"


def test_old_times_of_a_snapshot_are_not_counted_as_clamped() -> None:
    """Its orders carry their own times, long ago; a record of the flow with an old time is counted."""
    snapshot = [
        (250, 1, "R", "N", 0, 0, 0, FLAG_SNAPSHOT),
        (-9000, 1, "A", "B", 100, 5, 1, FLAG_SNAPSHOT),
        (-8000, 1, "A", "A", 103, 7, 2, FLAG_SNAPSHOT | FLAG_LAST),
    ]
    run = run_of(*BOOK, (150, 1, "A", "B", 99, 1, 3), *snapshot, (251, 1, "A", "B", 99, 2, 3))
    assert run.counts["clamped_ts"] == 0
    assert best(run) == [(100, 103)] * 3
    late = run_of(*BOOK, (150, 1, "A", "B", 99, 1, 3), (149, 1, "C", "B", 99, 1, 3))
    assert late.counts["clamped_ts"] == 1
