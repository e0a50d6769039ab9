"""Robust z-scores over a rolling window, exactly: a sorted copy of the window beside it, mended value by value.

    z = (x - median) / (1.4826 MAD)        MAD = median of |x_i - median| over the window

1.4826 = 1/Phi^-1(3/4) makes the MAD of normal values their standard deviation (Rousseeuw and Croux, Alternatives to
the Median Absolute Deviation, 1993). With w values in the window, taking a value in or exchanging one costs a
bisection and a shift of at most w values in memory. The median is read off the sorted window. The MAD needs no second
sort: the w/2 + 1 values nearest to the median lie side by side in it, and where they begin is found by bisection, in
O(log w).
"""

from typing import Final

from vpharness.compiled import Array, kernel

MAD_TO_SIGMA: Final = 1.4826
"""The standard deviation of a normal variable is this times its median absolute deviation."""


@kernel
def insertion_place(ordered: Array, count: int, value: float) -> int:
    """Return how many of the first `count` values, which ascend, are below `value`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def insert_ordered(ordered: Array, count: int, value: float) -> None:
    """Insert a value into the first `count` values, which ascend."""
    place = insertion_place(ordered, count, value)
    for index in range(count, place, -1):
        ordered[index] = ordered[index - 1]
    ordered[place] = value


@kernel
def replace_ordered(ordered: Array, count: int, old: float, new: float) -> None:
    """Put `new` in the place of `old`, which is among the first `count` values, keeping them ascending."""
    if old == new:
        return
    # Both places first: between them a plain shift is left, which compiles to a move of memory.
    place, target = insertion_place(ordered, count, old), insertion_place(ordered, count, new)
    if new > old:
        target -= 1
        for index in range(place, target):
            ordered[index] = ordered[index + 1]
    else:
        for index in range(place, target, -1):
            ordered[index] = ordered[index - 1]
    ordered[target] = new


@kernel
def median_of(ordered: Array, count: int) -> float:
    """Return the median of the first `count` values, which ascend."""
    if count % 2 == 1:
        return ordered[count // 2]
    return (ordered[count // 2 - 1] + ordered[count // 2]) / 2


@kernel
def absolute_deviation_of(ordered: Array, count: int, median: float) -> float:
    """Return the median of |value - median| over the first `count` values, which ascend."""
    nearest = count // 2 + 1
    low, high = 0, count - nearest
    while low < high:
        middle = (low + high) // 2
        if median - ordered[middle] > ordered[middle + nearest] - median:
            low = middle + 1
        else:
            high = middle
    # ordered[low : low + nearest] are the nearest values: the largest two of their deviations stand at the ends.
    below, above = median - ordered[low], ordered[low + nearest - 1] - median
    if count % 2 == 1:
        return max(below, above)
    if below > above:
        return (below + max(above, median - ordered[low + 1])) / 2
    return (above + max(below, ordered[low + nearest - 2] - median)) / 2


@kernel
def robust_z(value: float, ordered: Array, count: int, floor: float) -> float:
    """Return (value - median) / (1.4826 MAD) over the first `count` values; 0 where that scale is at most `floor`."""
    median = median_of(ordered, count)
    scale = MAD_TO_SIGMA * absolute_deviation_of(ordered, count, median)
    return (value - median) / scale if scale > floor else 0.0
