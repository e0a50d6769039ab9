"""A state that was laid aside is taken up again only where it is whole, sound, and of the same lattice."""

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.lattice.earlier_state import as_before_publishers
from tests.lattice.engine_help import SMALL_SPECTRUM, assert_same_run, finish, open_lattice
from tests.lattice.feed import TICK
from tests.lattice.streams import random_stream
from tests.lattice.wandering import wandering_stream
from vpharness.errors import ConfigError
from vpharness.hash_table import NOWHERE
from vpharness.lattice.lattice_engine import advance
from vpharness.lattice.layout import NO_SLOT
from vpharness.lattice.state_transfer import restore_lattice, save_lattice

CASE: Final[dict[str, Any]] = {"tick_int": TICK, "cell_width_ms": 100, "radius": 5, **SMALL_SPECTRUM}
Saved = dict[str, NDArray[Any]]


@functools.lru_cache(maxsize=1)
def good() -> Saved:
    """Return the state in the middle of a stream, with free and live orders, touched ticks, snapshots and series."""
    state, _ = advance(open_lattice(**CASE), random_stream(9, 300))
    clock = state.clock[0]
    assert min(clock["orders_live"], clock["touched"], clock["snapshot_end"] - clock["snapshot_first"]) > 1
    assert clock["free_order"] != NO_SLOT
    assert (state.series["slot"] != NO_SLOT).sum() > 5
    return {name: array.copy() for name, array in save_lattice(state).items()}


def live_slots(saved: Saved) -> NDArray[Any]:
    """Return the slots of the live orders."""
    slots = saved["order_table"]["slot"]
    found: NDArray[Any] = slots[slots != NOWHERE]
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("evict_crossed_ms", [0, 120])
def test_every_state_that_a_stream_leads_to_is_sound(seed: int, evict_crossed_ms: int) -> None:
    """With all that feeds do wrong: none is refused."""
    venues = seed % 2 == 1
    events = random_stream(seed, 300, mischief=2.0, publishers=3 if venues else 1, without_orders=venues)
    case = CASE | {"evict_crossed_ms": evict_crossed_ms}
    state = open_lattice(**case)
    for start in range(0, 300, 5):
        state, _ = advance(state, events[start : start + 5])
        state = restore_lattice(save_lattice(state), open_lattice(**case))


def test_every_state_of_a_wandering_window_is_sound() -> None:
    """Series that were given away, made anew or caught up are windows like any other."""
    events, case = wandering_stream(1, 700), {"tick_int": TICK, "cell_width_ms": 100, "radius": 2}
    state = open_lattice(**case)
    for start in range(0, 700, 35):
        state, _ = advance(state, events[start : start + 35])
        state = restore_lattice(save_lattice(state), open_lattice(**case))


def test_a_state_of_another_make_is_refused_by_the_name_of_what_differs() -> None:
    """An array that is missing, unknown or of another type is named."""
    saved = good()
    for wrong in (
        {name: array for name, array in saved.items() if name != "heaps"},
        saved | {"heaps": saved["heaps"].astype(np.int32)},
        saved | {"heaps": saved["heaps"][0]},
    ):
        with pytest.raises(ConfigError, match=r"not one of this lattice: heaps differ"):
            restore_lattice(wrong, open_lattice(**CASE))
    with pytest.raises(ConfigError, match=r"extra differ"):
        restore_lattice(saved | {"extra": saved["heaps"]}, open_lattice(**CASE))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"radius": 6}, "other rules: radius is 5, not 6; start anew"),
        ({"cell_width_ms": 50}, "cell_width_ns is 100000000, not 50000000"),
        ({"tau_mass": 31.0}, "rate_mass is"),
        ({"size_unit": 0.5}, "size_unit is 1.0, not 0.5"),
        ({"evict_crossed_ms": 5}, "evict_crossed_ns is 0, not 5000000"),
        ({"spectrum_windows": [2, 3, 6]}, r"spectrum_windows is \[2, 3, 5\], not \[2, 3, 6\]"),
    ],
)
def test_a_state_of_other_rules_is_refused(changed: dict[str, Any], message: str) -> None:
    """They are named with both values."""
    with pytest.raises(ConfigError, match=message):
        restore_lattice(good(), open_lattice(**CASE | changed))


def set_(name: str, field: str | None, place: Callable[[Saved], Any], value: Any) -> Callable[[Saved], None]:
    """Return what puts a value into an array, or into a field of it."""

    def damage(saved: Saved) -> None:
        (saved[name] if field is None else saved[name][field])[place(saved)] = value

    return damage


def cut(name: str) -> Callable[[Saved], None]:
    """Return what takes the last entry off an array."""

    def damage(saved: Saved) -> None:
        saved[name] = saved[name][:-1]

    return damage


def cut_held(saved: Saved) -> None:
    """Take the only publisher away."""
    saved["held"] = saved["held"][:0]


def first(saved: Saved) -> int:
    """Return the first place."""
    del saved
    return 0


def live(saved: Saved) -> int:
    """Return a live order."""
    return int(live_slots(saved)[0])


def free(saved: Saved) -> int:
    """Return the first free order."""
    return int(saved["clock"]["free_order"][0])


def taken(saved: Saved) -> int:
    """Return a taken place of the table of orders."""
    return int(np.flatnonzero(saved["order_table"]["slot"] != NOWHERE)[0])


def queued(saved: Saved) -> int:
    """Return the place of the oldest snapshot."""
    return int(saved["clock"]["snapshot_first"][0]) % len(saved["snapshots"])


def followed(saved: Saved) -> int:
    """Return a series that follows a tick."""
    return int(np.flatnonzero(saved["series"]["slot"] != NO_SLOT)[0])


def oldest_of_two(saved: Saved) -> int:
    """Return an order behind which another one is queued."""
    slots = live_slots(saved)
    return int(slots[saved["orders"]["newer"][slots] != NO_SLOT][0])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        *((cut(name), f"{name} has the shape") for name in ("filters", "base_states", "levels", "touched", "series")),
        *((cut(name), f"{name} has the shape") for name in ("snapshot_states", "past", "cell", "clock", "counts")),
        *((cut(name), f"{name} has \\d+ places") for name in ("order_table", "tick_table")),
        (cut("snapshots"), "snapshot_states has the shape"),
        (cut("heaps"), "heaps has the shape"),
        (cut("rules"), "0 sets of them"),
        (cut("windows"), "spectrum_windows is"),
        (set_("clock", "orders_used", first, 10**6), "clock.orders_used holds 1000000"),
        (set_("clock", "orders_used", first, -1), "clock.orders_used holds -1"),
        (set_("clock", "orders_live", first, 0), "order_table has"),
        (set_("clock", "ticks_used", first, 10**6), "clock.ticks_used holds"),
        (set_("clock", "ticks_used", first, 1), "clock.touched holds|tick_table has"),
        (set_("clock", "free_order", first, 10**6), "clock.free_order holds"),
        (set_("clock", "free_order", first, NO_SLOT), "orders.newer does not lead"),
        (set_("clock", "touched", first, 0), "touched does not hold"),
        (set_("clock", "snapshot_first", first, -5), "clock.snapshot_first holds -5"),
        (set_("clock", "snapshot_end", first, 10**9), "the length of the snapshot queue holds"),
        (set_("clock", "bin", first, 5), "clock.bin is 5, which is not the bin"),
        (set_("clock", "now_ns", first, 2**62 + 1), "clock.now_ns holds"),
        (set_("clock", "emitted", first, -1), "clock.emitted holds -1"),
        (set_("order_table", "slot", taken, 10**6), "order_table.slot holds"),
        (set_("order_table", "key", taken, 123_456_789), "order_table does not lead"),
        (set_("tick_table", "slot", lambda _: slice(None), 0), "tick_table has"),
        (set_("ticks", "tick", first, -3), "tick_table does not lead"),
        (set_("orders", "owner", live, 8), "order_table does not lead"),
        (set_("orders", "quantity", free, 3), "orders.quantity holds something where no order rests"),
        (set_("order_table", "owner", taken, 1), "order_table does not lead"),
        (set_("held", None, lambda _: (0, 0), 77), "held is not the number"),
        (set_("held", None, lambda _: (0, 6), 1), "clock.gaps is not"),
        (cut_held, "orders.owner holds"),
        (set_("ticks", "series", first, 10**6), "ticks.series holds"),
        (set_("ticks", "first_snapshot", first, 10**9), "ticks.first_snapshot holds"),
        (set_("ticks", "last_snapshot", lambda _: slice(None), 10**9), "ticks"),
        (set_("ticks", "state_ns", first, 2**62), "ticks.state_ns lies behind"),
        (set_("filters", None, first, np.nan), "no numbers"),
        (set_("orders", "level", live, 10**6), "orders.level holds 1000000"),
        (set_("orders", "quantity", live, 0), "orders.quantity holds 0"),
        (set_("orders", "quantity", live, 10**6), "levels.quantity is not the sum"),
        (set_("orders", "older", live, 10**6), "orders.older holds 1000000"),
        (set_("orders", "newer", oldest_of_two, NO_SLOT), "not the queues of the live orders"),
        (set_("orders", "entered", oldest_of_two, 2**62), "not the queues of the live orders"),
        (set_("orders", "newer", free, 10**6), "orders.newer does not lead"),
        (set_("levels", "oldest", lambda saved: saved["orders"]["level"][live(saved)], NO_SLOT), "not the queues"),
        (set_("levels", "in_heap", lambda _: slice(None), False), "levels"),
        (set_("levels", "quantity", lambda _: -1, 5), "no tick has been given to"),
        (set_("heaps", None, lambda _: (0, 0), 10**6), "the length of a heap holds"),
        (set_("heaps", None, lambda _: (0, 1), 10**6), r"heaps\[0\] does not hold"),
        (set_("heaps", None, lambda _: (1, 0), 1), r"heaps\[1\] does not hold"),
        (set_("touched", None, first, 10**6), "touched does not hold"),
        (set_("snapshots", "tick_slot", queued, 10**6), "snapshots.tick_slot holds"),
        (set_("snapshots", "next", queued, 0), "snapshots.next does not lead"),
        (set_("snapshot_states", None, queued, np.inf), "no numbers"),
        (set_("series", "slot", followed, 10**6), "series.slot holds"),
        (set_("series", "slot", followed, NO_SLOT), "do not point at each other"),
        (set_("series", "bin", followed, 2**40), "series.bin holds"),
        (set_("ordered_changes", None, followed, 7.0), "not the sorted window"),
        (set_("changes", None, followed, np.nan), "not the sorted window"),
    ],
)
def test_a_damaged_state_is_refused(damage: Callable[[Saved], None], message: str) -> None:
    """Kernels check no bounds: what would lead them astray is said before they run."""
    saved = {name: array.copy() for name, array in good().items()}
    damage(saved)
    with pytest.raises(ConfigError, match=message):
        restore_lattice(saved, open_lattice(**CASE))


def test_a_heap_that_is_in_no_order_is_refused() -> None:
    """The best price would be another one."""
    saved = {name: array.copy() for name, array in good().items()}
    size = int(saved["heaps"][0, 0])
    saved["heaps"][0, 1 : 1 + size] = saved["heaps"][0, 1 : 1 + size][::-1]
    with pytest.raises(ConfigError, match=r"heaps\[0\] is not in the order of a heap"):
        restore_lattice(saved, open_lattice(**CASE))


@pytest.mark.parametrize("seed", range(4))
def test_a_state_saved_before_publishers_goes_on_as_it_would_have(seed: int) -> None:
    """Its orders are publisher 0's: the bins that follow, and the state at the end, are the same to the last bit."""
    events = random_stream(seed, 500, mischief=1.5)
    half, _ = advance(open_lattice(**CASE), events[:250])
    restored = restore_lattice(
        as_before_publishers({name: array.copy() for name, array in save_lattice(half).items()}), open_lattice(**CASE)
    )
    for name, array in save_lattice(half).items():
        assert np.array_equal(restored._asdict()[name], array), name
    assert_same_run(finish(*advance(restored, events[250:])), finish(*advance(half, events[250:])))


def test_a_damaged_state_from_before_publishers_is_refused() -> None:
    """What the fields that were added are made of is checked as the rest is."""
    for name, field, value in (("order_table", "slot", 10**6), ("orders", "level", -5), ("clock", "ticks_used", 1)):
        earlier = {key: array.copy() for key, array in as_before_publishers(good()).items()}
        earlier[name][field][earlier["order_table"]["slot"] >= 0 if name == "order_table" else slice(None)] = value
        with pytest.raises(ConfigError, match="the saved state is damaged"):
            restore_lattice(earlier, open_lattice(**CASE))
    without = as_before_publishers(good())
    del without["orders"]
    with pytest.raises(ConfigError, match="not one of this lattice"):
        restore_lattice(without, open_lattice(**CASE))
