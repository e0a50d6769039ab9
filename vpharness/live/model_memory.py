"""How long a model's score depends on where its feed began, and whether it has seen enough bins since."""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

_NANOSECONDS_PER_MS: Final = 1_000_000


@dataclass(frozen=True)
class ModelMemory:
    """How much a model must be shown until its scores no longer depend on where its feed began.

    Attributes:
        bins: bins with a valid book that its signal remembers; None where no number of them is enough.
        cell_bins: as many more for their cells, which look at bins before their own; None likewise.
        settling_ns: time from the beginning of the flow until the cells begin to count.
    """

    bins: int | None = 0
    cell_bins: int | None = 0
    settling_ns: int = 0

    @property
    def all_bins(self) -> int | None:
        """How many settled bins there must have been in all; None where no number is enough."""
        return None if self.bins is None or self.cell_bins is None else self.bins + self.cell_bins

    def of_finished_cells(self) -> "ModelMemory":
        """Return the memory of the signal alone, for cells that are the data themselves, such as those of a dataset."""
        return ModelMemory(self.bins)


NOTHING_REMEMBERED: Final = ModelMemory()


@dataclass(frozen=True)
class Shown:
    """How much a session has been shown, counted against the memory of its model.

    Attributes:
        remembered: bins with a valid book and settled cells.
        began_ns: when the flow began that its cells know of; None before.
        until_ns: the end of the last bin; None before the first.
    """

    remembered: int = 0
    began_ns: int | None = None
    until_ns: int | None = None

    def began(self, at_ns: int) -> "Shown":
        """Record when the flow began; the first time given counts."""
        return self if self.began_ns is not None else replace(self, began_ns=at_ns)

    def advance(self, row: NDArray[np.void], memory: ModelMemory) -> "Shown":
        """Take in the next bin [1]; unless `began` was called before, the flow is taken to have begun with it."""
        end_ns = int(row["bin_end_ns"][0])
        noted = self.began(end_ns)
        has_settled = end_ns - (noted.began_ns or 0) >= memory.settling_ns
        counts = has_settled and bool(row["book_valid"][0])
        return replace(noted, remembered=self.remembered + counts, until_ns=end_ns)

    def bins_to_go(self, memory: ModelMemory, cell_width_ms: float) -> int | None:
        """Return how many bins with a valid book are missing; None where no number of them is enough."""
        if memory.all_bins is None:
            return None
        left_ns = memory.settling_ns
        if self.began_ns is not None and self.until_ns is not None:
            left_ns -= self.until_ns - self.began_ns
        unsettled = max(0, math.ceil(left_ns / (_NANOSECONDS_PER_MS * cell_width_ms)))
        return max(0, unsettled + memory.all_bins - self.remembered)
