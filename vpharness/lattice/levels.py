"""The best levels of the book: one binary heap a side, with lazy removal.

A level is one side of one tick, number 2 * slot of the tick + side. A heap is heaps[side]: its length at place 0, then
the numbers of levels from place 1 on, so that the children of place i are 2i and 2i + 1 and none has a better price
than its parent. A level enters its heap when it first holds quantity, in O(log levels), and leaves it only when it is
found empty at the top: emptying and refilling a level costs nothing. So the cost does not depend on how far apart
prices lie, and a price anywhere is as good as any other.
"""

from vpharness.compiled import inlined_kernel, kernel
from vpharness.lattice.layout import NO_SLOT, NO_TICK, SIDE_BID, LatticeState


@inlined_kernel
def _rank(state: LatticeState, level: int) -> int:
    """Return the key of the heap's order, least first: the tick of an ask, minus the tick of a bid."""
    tick = state.ticks[level // 2].tick
    return -tick if level % 2 == SIDE_BID else tick


@kernel
def push_level(state: LatticeState, level: int) -> None:
    """Put a level that is not in it into the heap of its side."""
    state.levels[level].in_heap = True
    heap = state.heaps[level % 2]
    rank = _rank(state, level)
    heap[0] += 1
    place = heap[0]
    while place > 1 and _rank(state, heap[place // 2]) > rank:
        heap[place] = heap[place // 2]
        place //= 2
    heap[place] = level


@kernel
def _pop_best(state: LatticeState, side: int) -> None:
    heap = state.heaps[side]
    state.levels[heap[1]].in_heap = False
    moving = heap[heap[0]]
    heap[0] -= 1
    size, rank = heap[0], _rank(state, moving)
    place, child = 1, 2
    while child <= size:
        if child < size and _rank(state, heap[child + 1]) < _rank(state, heap[child]):
            child += 1
        if _rank(state, heap[child]) >= rank:
            break
        heap[place] = heap[child]
        place, child = child, 2 * child
    heap[place] = moving


@kernel
def best_level(state: LatticeState, side: int) -> int:
    """Return the best level of a side that holds quantity, or NO_SLOT."""
    heap = state.heaps[side]
    while heap[0] > 0 and state.levels[heap[1]].quantity == 0:
        _pop_best(state, side)
    return heap[1] if heap[0] > 0 else NO_SLOT


@kernel
def best_tick(state: LatticeState, side: int) -> int:
    """Return the tick of the best level of a side, or NO_TICK."""
    level = best_level(state, side)
    return state.ticks[level // 2].tick if level != NO_SLOT else NO_TICK
