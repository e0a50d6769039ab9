"""What there is to see in a replay: spans without a valid book are stepped through rather than waited for.

The pre-open of an exchange may last for hours in which bids and asks cross, and show no price. A lattice of its own,
without cells, tells which bins have a valid book. It changes no bin: where nothing is to be seen, they come at once.
"""

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed import FeedFacts
from vpharness.events.times import SECOND_NS
from vpharness.lattice.lattice_engine import iterate
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import new_state


class BookWatch:
    """Finds the bins whose ends see a valid book, by the rule of the lattice (`vpharness.lattice.bins`)."""

    def __init__(self, facts: FeedFacts, cell_width_ms: int) -> None:
        """Begin before the first event of a feed."""
        self._state = new_state(
            LatticeParameters(radius=1, cell_width_ms=cell_width_ms),
            tick_size=facts.tick_size,
            size_unit=facts.quantity_unit,
            default_evict_crossed_ms=facts.default_evict_crossed_ms,
            start_ns=facts.start_ns,
        )
        self._state.rules["with_cells"] = self._state.rules["with_spectrum"] = False

    def valid_starts_ns(self, events: NDArray[np.void], complete_to_ns: int | None = None) -> NDArray[np.int64]:
        """Take in the next events, and return when each bin with a valid book among those that they finish begins."""
        found = [np.zeros(0, np.int64)]
        for state, finished in iterate(self._state, events, complete_to_ns):
            self._state = state
            found.append(finished.bins["bin_start_ns"][finished.bins["book_valid"]])
        return np.concatenate(found)


class Sight:
    """How long there has been something to see, and since when there is not.

    A span without is waited through for the longest wait at most, and no longer than there was something to see before
    it: at the very beginning not at all.
    """

    def __init__(self, longest_wait_s: float, speed: float | None, cell_width_ms: int) -> None:
        """Begin with nothing seen; with the speed None nothing is ever waited for."""
        self._most_ns = longest_wait_s * SECOND_NS * (speed or 0.0)
        self._least_ns = 2_000_000 * cell_width_ms  # something is seen no more often than a bin ends
        self._last_ns: int | None = None
        self.seen_ns = 0

    def saw(self, at_ns: int) -> None:
        """Note that there was something to see at a time."""
        if self._last_ns is not None and not self.is_blind(at_ns):
            self.seen_ns += at_ns - self._last_ns
        self._last_ns = at_ns

    def is_blind(self, at_ns: int) -> bool:
        """Whether there has been nothing to see for too long at a time: what comes next is not waited for."""
        if self._last_ns is None:
            return True
        return at_ns - self._last_ns > max(self._least_ns, min(self._most_ns, self.seen_ns))
