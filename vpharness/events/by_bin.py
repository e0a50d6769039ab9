"""Events grouped into bins, as a live feed brings them: each bin's events, and the time at which it is complete."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.events.mbo_event import EVENT_DTYPE

_NO_EVENTS: Final = np.zeros(0, EVENT_DTYPE)


def by_bin(chunks: Iterable[NDArray[np.void]], width_ns: int) -> Iterator[tuple[NDArray[np.void], int]]:
    """Yield the events of each bin and the time at which it ends, from the first event's bin to the last one's.

    A bin without events comes too. An event belongs to the latest time seen up to it, as in the lattice.
    """
    pending: list[NDArray[np.void]] = []
    latest_ns, end_ns = np.iinfo(np.int64).min, None
    for chunk in chunks:
        if not len(chunk):
            continue
        times = np.maximum(np.maximum.accumulate(chunk["ts_ns"]), latest_ns)
        latest_ns = int(times[-1])
        starts = [0, *(np.flatnonzero(np.diff(times // width_ns)) + 1).tolist(), len(chunk)]
        for start, stop in pairwise(starts):
            own_end_ns = (int(times[start]) // width_ns + 1) * width_ns
            if end_ns is not None and end_ns < own_end_ns:
                yield np.concatenate(pending), end_ns
                yield from ((_NO_EVENTS, silent_ns) for silent_ns in range(end_ns + width_ns, own_end_ns, width_ns))
                pending = []
            end_ns = own_end_ns
            pending.append(chunk[start:stop])
    if end_ns is not None:
        yield np.concatenate(pending), end_ns
