"""The opening of a replay: what comes before there is anything to see, which is not waited for.

The pre-open of an exchange may last for hours in which bids and asks cross, and no bin is made of it. A lattice of its
own, without cells, tells when the first bin is made: that is where a replay begins to keep pace. It changes no bin.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed import NO_EVENTS, FeedFacts, FeedStep
from vpharness.events.in_time import EventsInTime
from vpharness.lattice.lattice_engine import iterate
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import new_state


class BookWatch:
    """Finds the first bin whose end sees a valid book, by the rule of the lattice (`vpharness.lattice.bins`)."""

    def __init__(self, facts: FeedFacts, cell_width_ms: int) -> None:
        """Begin before the first event of a feed."""
        parameters = LatticeParameters(radius=1, cell_width_ms=cell_width_ms)
        self._state = new_state(
            parameters,
            tick_size=facts.tick_size,
            size_unit=facts.quantity_unit,
            default_evict_crossed_ms=facts.default_evict_crossed_ms,
            start_ns=facts.start_ns,
        )
        self._state.rules["with_cells"] = self._state.rules["with_spectrum"] = False

    def first_bin_ns(self, events: NDArray[np.void], complete_to_ns: int | None = None) -> int | None:
        """Take in the next events and return when the first bin among them begins; None where there is none yet."""
        for state, finished in iterate(self._state, events, complete_to_ns):
            self._state = state
            if len(finished.bins):
                return int(finished.bins["bin_start_ns"][0])
        return None


def opening_steps(
    ahead: EventsInTime, watch: BookWatch, begin_ns: int, step_ns: int, width_ns: int
) -> Iterator[FeedStep]:
    """Yield the steps from a bin's edge up to the first bin with a valid book, or up to the end where there is none.

    The last step is complete up to the begin of that bin.

    Args:
        ahead: the events, up to `begin_ns` handed out already, and taken in by `watch`.
        watch: finds the bin.
        begin_ns: the edge.
        step_ns: how much time a step completes.
        width_ns: width of a bin.
    """
    edge_ns = begin_ns
    while ahead.next_ns() is not None or edge_ns <= ahead.latest_ns:
        due_ns = edge_ns + step_ns
        if ahead.next_ns() is None:  # the bin of the last event is the last one
            due_ns = min(due_ns, ahead.latest_ns // width_ns * width_ns + width_ns)
        first_ns = watch.first_bin_ns(ahead.peek(due_ns), due_ns)
        due_ns = due_ns if first_ns is None else first_ns
        if due_ns > edge_ns:
            yield FeedStep(np.concatenate([NO_EVENTS, *ahead.take(due_ns)]), due_ns, "live")
        if first_ns is not None:
            return
        edge_ns = due_ns
