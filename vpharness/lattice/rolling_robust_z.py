"""Robust z-scores over a rolling window, exactly: a sorted copy of the window beside it, mended value by value.

    z = (x - median) / (1.4826 MAD)        MAD = median of |x_i - median| over the window

1.4826 = 1/Phi^-1(3/4) makes the MAD of normal values their standard deviation (Rousseeuw and Croux, Alternatives to
the Median Absolute Deviation, 1993). With w values in the window, taking a value in or exchanging one costs a
search and a shift of at most w values in memory. The median is read off the sorted window. The MAD needs no second
sort: the w/2 + 1 values nearest to the median lie side by side in it, and where they begin is searched for.

Each search begins where the one before it for the same window ended, and doubles its steps away from there: places move
little from bin to bin, and a bisection of all w values would mispredict every other step. What is found does not
depend on where the search begins.
"""

from typing import Final

import numpy as np

from vpharness.compiled import Array, inlined_kernel, int64, kernel

MAD_TO_SIGMA: Final = 1.4826
"""The standard deviation of a normal variable is this times its median absolute deviation."""

_ONE: Final = np.uint64(1)

OLD: Final = int64(0)
NEW: Final = int64(1)
NEAREST: Final = int64(2)
SEARCHES: Final = 3
"""What is searched for in a window: the value that leaves it, the place of the one that comes, and where those nearest
to its median begin."""


@inlined_kernel
def _first_not_below(ordered: Array, low: int, high: int, value: float) -> int:
    """Return the first place from `low` to `high` whose value, among ascending ones, is not below `value`."""
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def insertion_place(ordered: Array, count: int, value: float) -> int:
    """Return how many of the first `count` values, which ascend, are below `value`."""
    return _first_not_below(ordered, 0, count, value)


@kernel
def insertion_place_near(ordered: Array, count: int, value: float, near: int) -> int:
    """Return what `insertion_place` does, searched for from the place `near` outwards."""
    near, step = min(max(near, 0), count), 1
    if near < count and ordered[near] < value:
        low, high = near + 1, near + 1
        while high < count and ordered[high] < value:
            low, step = high + 1, 2 * step
            high = min(near + step, count)
    else:
        low, high = near - 1, near
        while low >= 0 and ordered[low] >= value:
            high, step = low, 2 * step
            low = max(near - step, -1)
        low += 1
    return _first_not_below(ordered, low, high, value)


@inlined_kernel
def _shift_up(ordered: Array, first: int, last: int) -> None:
    """Move the values at the places `first` to `last - 1` up by one."""
    # Places without a sign, which cannot count from the end: several values are moved at once then, ten times as fast.
    top = np.uint64(last)
    for back in range(top - np.uint64(first)):
        ordered[top - back] = ordered[top - back - _ONE]


@inlined_kernel
def _shift_down(ordered: Array, first: int, last: int) -> None:
    """Move the values at the places `first + 1` to `last` down by one."""
    for place in range(np.uint64(first), np.uint64(last)):
        ordered[place] = ordered[place + _ONE]


@kernel
def insert_ordered(ordered: Array, count: int, value: float) -> None:
    """Insert a value into the first `count` values, which ascend."""
    place = insertion_place(ordered, count, value)
    _shift_up(ordered, place, count)
    ordered[place] = value


@kernel
def replace_ordered(ordered: Array, count: int, old: float, new: float, found: Array) -> None:
    """Put `new` in the place of `old`, which is among the first `count` values, keeping them ascending.

    `found` [SEARCHES] are the places at which searches of this window ended, and end.
    """
    if old == new:
        return
    # Both places first: between them a plain shift is left.
    place = insertion_place_near(ordered, count, old, found[OLD])
    target = insertion_place_near(ordered, count, new, found[NEW])
    found[OLD], found[NEW] = place, target
    if new > old:
        target -= 1
        _shift_down(ordered, place, target)
    else:
        _shift_up(ordered, target, place)
    ordered[target] = new


@kernel
def median_of(ordered: Array, count: int) -> float:
    """Return the median of the first `count` values, which ascend."""
    if count % 2 == 1:
        return ordered[count // 2]
    return (ordered[count // 2 - 1] + ordered[count // 2]) / 2


@kernel
def _is_below_nearest(ordered: Array, place: int, nearest: int, median: float) -> bool:
    """Return whether the `nearest` values nearest to the median begin behind a place."""
    return median - ordered[place] > ordered[place + nearest] - median


@kernel
def absolute_deviation_of(ordered: Array, count: int, median: float, found: Array) -> float:
    """Return the median of |value - median| over the first `count` values, which ascend.

    `found` [SEARCHES] are the places at which searches of this window ended, and end.
    """
    nearest = count // 2 + 1
    last, step = count - nearest, 1
    near = min(max(found[NEAREST], 0), last)
    if near < last and _is_below_nearest(ordered, near, nearest, median):
        low, high = near + 1, near + 1
        while high < last and _is_below_nearest(ordered, high, nearest, median):
            low, step = high + 1, 2 * step
            high = min(near + step, last)
    else:
        low, high = near - 1, near
        while low >= 0 and not _is_below_nearest(ordered, low, nearest, median):
            high, step = low, 2 * step
            low = max(near - step, -1)
        low += 1
    while low < high:
        middle = (low + high) // 2
        if _is_below_nearest(ordered, middle, nearest, median):
            low = middle + 1
        else:
            high = middle
    found[NEAREST] = low
    # ordered[low : low + nearest] are the nearest values: the largest two of their deviations stand at the ends.
    below, above = median - ordered[low], ordered[low + nearest - 1] - median
    if count % 2 == 1:
        return max(below, above)
    if below > above:
        return (below + max(above, median - ordered[low + 1])) / 2
    return (above + max(below, ordered[low + nearest - 2] - median)) / 2


@kernel
def robust_z(value: float, ordered: Array, count: int, floor: float, found: Array) -> float:
    """Return (value - median) / (1.4826 MAD) over the first `count` values; 0 where that scale is at most `floor`.

    `found` [SEARCHES] are the places at which searches of this window ended, and end.
    """
    median = median_of(ordered, count)
    scale = MAD_TO_SIGMA * absolute_deviation_of(ordered, count, median, found)
    return (value - median) / scale if scale > floor else 0.0
