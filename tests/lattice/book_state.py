"""Reading the order book out of a lattice's arrays, and what must always hold in it."""

from collections import Counter

from vpharness.hash_table import NOWHERE
from vpharness.lattice.layout import NO_SLOT, LatticeState


def live_orders(state: LatticeState) -> dict[tuple[int, int], int]:
    """Return the slots of the live orders by owner and id."""
    entries = state.order_table[state.order_table["slot"] != NOWHERE]
    return {(int(entry["owner"]), int(entry["key"])): int(entry["slot"]) for entry in entries}


def depths(state: LatticeState) -> dict[tuple[int, int], int]:
    """Return the resting quantity by (tick, side), summed over the live orders."""
    found: Counter[tuple[int, int]] = Counter()
    for slot in live_orders(state).values():
        level, quantity = int(state.orders["level"][slot]), int(state.orders["quantity"][slot])
        found[int(state.ticks["tick"][level // 2]), level % 2] += quantity
    return dict(found)


def level_depths(state: LatticeState) -> dict[tuple[int, int], int]:
    """Return the quantity that each level says it holds, by (tick, side), where it holds any."""
    levels = state.levels["quantity"][: 2 * int(state.clock["ticks_used"][0])]
    return {
        (int(state.ticks["tick"][level // 2]), level % 2): int(quantity)
        for level, quantity in enumerate(levels.tolist())
        if quantity
    }


def queue(state: LatticeState, level: int) -> list[int]:
    """Return the slots of the orders queued at a level, oldest first, checking the links both ways."""
    found, order = list[int](), int(state.levels["oldest"][level])
    while order != NO_SLOT:
        assert int(state.orders["older"][order]) == (found[-1] if found else NO_SLOT)
        found.append(order)
        order = int(state.orders["newer"][order])
    assert int(state.levels["newest"][level]) == (found[-1] if found else NO_SLOT)
    return found


def assert_book_is_sound(state: LatticeState) -> None:
    """Assert that orders, their queues, the levels' quantities and the heaps tell one and the same story."""
    orders = live_orders(state)
    assert int(state.clock["orders_live"][0]) == len(orders)
    named = {
        key: (int(state.orders["owner"][slot]), int(state.orders["order_id"][slot])) for key, slot in orders.items()
    }
    assert all(key == name for key, name in named.items())
    assert depths(state) == level_depths(state)
    queued = list[int]()
    for level in range(2 * int(state.clock["ticks_used"][0])):
        here = queue(state, level)
        assert all(int(state.orders["level"][order]) == level for order in here)
        entered = [int(state.orders["entered"][order]) for order in here]
        assert entered == sorted(entered)
        queued += here
    assert sorted(queued) == sorted(orders.values())
    for side in (0, 1):
        heap = state.heaps[side, 1 : 1 + int(state.heaps[side, 0])].tolist()
        assert len(set(heap)) == len(heap)
        holding = {2 * slot + side for slot in range(int(state.clock["ticks_used"][0]))}
        assert {level for level in holding if state.levels["quantity"][level]} <= set(heap) <= holding
