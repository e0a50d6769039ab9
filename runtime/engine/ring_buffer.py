"""The ring buffer of the last bins: what history, resuming clients and models that warm up are served from.

It is allocated once, so memory does not grow over the day. Only the event loop's thread touches it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from runtime.feeds.feed import FinishedBin
from vpharness.lattice.columns import BIN_DTYPE, GRID_COLUMNS
from vpharness.live import ScoredBin


class BinRingBuffer:
    """The bins `first_seq <= seq < next_seq`, at most `capacity` of them; `began_ns` is when their flow began."""

    def __init__(self, capacity: int, radius: int, next_seq: int = 0) -> None:
        """Make room; memory is taken as it is filled."""
        cells = 2 * radius + 1
        self.capacity = capacity
        self.first_seq = self.next_seq = next_seq
        self.began_ns: int | None = None
        self._rows = np.zeros(capacity, BIN_DTYPE)
        self._scores = np.zeros(capacity)
        self._columns = {name: np.zeros((capacity, cells), kind) for name, kind in GRID_COLUMNS.items()}
        self._bodies: list[str] = [""] * capacity
        self._shadows: list[Mapping[str, str]] = [{}] * capacity

    def append(self, scored: ScoredBin, body: str, shadows: Mapping[str, str]) -> None:
        """Add the next bin, with its message text for all clients and those of shadow models; the oldest is dropped."""
        place = self.next_seq % self.capacity
        self._rows[place] = scored.row[0]
        self._scores[place] = scored.score
        for name, column in self._columns.items():
            if name in scored.grid:  # a dataset's bins may have fewer
                column[place] = scored.grid[name]
        self._bodies[place], self._shadows[place] = body, shadows
        self.next_seq += 1
        self.first_seq = max(self.first_seq, self.next_seq - self.capacity)

    def clear(self) -> None:
        """Drop all bins; their numbers are not used again."""
        self.first_seq = self.next_seq
        self.began_ns = None

    def last(self, count: int) -> int:
        """Return the `seq` of the first of the last `count` bins, or of all bins where there are fewer."""
        return max(self.first_seq, self.next_seq - count)

    def body(self, seq: int) -> str:
        """Return the message text of a bin for all clients."""
        return self._bodies[seq % self.capacity]

    def shadow(self, seq: int, name: str | None) -> str | None:
        """Return the message text of a bin for the clients of a shadow model; None where there is none."""
        return None if name is None else self._shadows[seq % self.capacity].get(name)

    def add_shadows(self, name: str, texts: Mapping[int, str]) -> None:
        """Add the message texts of a shadow model for bins that are kept, by their places."""
        for seq, text in texts.items():
            if self.first_seq <= seq < self.next_seq:
                place = seq % self.capacity
                self._shadows[place] = {**self._shadows[place], name: text}

    def drop_shadow(self, name: str) -> None:
        """Drop all message texts of a shadow model."""
        for seq in range(self.first_seq, self.next_seq):
            place = seq % self.capacity
            if name in self._shadows[place]:
                self._shadows[place] = {each: text for each, text in self._shadows[place].items() if each != name}

    def scored(self, seq: int) -> ScoredBin:
        """Return a bin that shares the ring's memory: it is good until the event loop goes on."""
        place = seq % self.capacity
        grid = {name: column[place] for name, column in self._columns.items()}
        return ScoredBin(self._rows[place : place + 1], grid, float(self._scores[place]), ())

    def copies(self, first_seq: int, columns: Sequence[str], most: int | None = None) -> list[FinishedBin]:
        """Return copies of the bins from `first_seq` on that are still kept, `most` of them at most."""
        first = max(first_seq, self.first_seq)
        places = np.arange(first, self.next_seq if most is None else min(self.next_seq, first + most)) % self.capacity
        rows = self._rows[places]
        chosen = {name: self._columns[name][places] for name in columns}
        return [(rows[n : n + 1], {name: column[n] for name, column in chosen.items()}) for n in range(len(rows))]
