"""Events handed out up to a time, however they come in chunks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vpharness.events.mbo_event import EVENT_DTYPE, FLAG_SNAPSHOT


class EventsInTime:
    """The events still to be delivered: the rest of the current chunk, and the chunks after it.

    An event belongs to the latest time seen up to it, as in the lattice: time never runs backwards.
    """

    def __init__(self, chunks: Iterator[NDArray[np.void]], latest_ns: int | None = None) -> None:
        """Begin before the first chunk, each of EVENT_DTYPE; `latest_ns` is the latest time seen before it."""
        self._chunks = chunks
        self._events = np.zeros(0, EVENT_DTYPE)
        self._times = self._events["ts_ns"]
        self.latest_ns = int(np.iinfo(np.int64).min) if latest_ns is None else latest_ns
        """The time of the last event that has been handed out."""

    def next_ns(self) -> int | None:
        """Return the time of the next event, or None behind the last one."""
        while not len(self._events):
            chunk = next(self._chunks, None)
            if chunk is None:
                return None
            self._events = chunk
            self._times = np.maximum(np.maximum.accumulate(chunk["ts_ns"]), self.latest_ns)
        return int(self._times[0])

    def flow_ns(self) -> int | None:
        """Return the time of the chunk's first event that is no part of a snapshot, or None where all are."""
        flow = np.flatnonzero((self._events["flags"] & FLAG_SNAPSHOT) == 0)
        return int(self._times[flow[0]]) if len(flow) else None

    def take(self, until_ns: int) -> Iterator[NDArray[np.void]]:
        """Hand out the events before a time."""
        while (next_ns := self.next_ns()) is not None and next_ns < until_ns:
            yield self._first(int(np.searchsorted(self._times, until_ns)))

    def take_chunk(self) -> NDArray[np.void]:
        """Hand out what is left of the chunk."""
        return self._first(len(self._events))

    def _first(self, count: int) -> NDArray[np.void]:
        events, self._events = self._events[:count], self._events[count:]
        self.latest_ns = int(self._times[count - 1])
        self._times = self._times[count:]
        return events
