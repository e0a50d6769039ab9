"""When a model that is promoted would be ready on a live feed, in words for the gate `memory`.

A run's cells are those of a dataset, whose lattice began before its first bin. A server's lattice begins with its feed:
until what flowed before has decayed, its cells are not those that a longer run shows, however soon a score is defined.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vpharness.events.times import SECOND_NS
from vpharness.lattice.columns import EVENT_COLUMN, GRID_COLUMNS
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.settling import Settling, settling
from vpharness.live.model_memory import ModelMemory, Shown


@dataclass(frozen=True)
class CellSettling:
    """How long cells on a feed of events tell when it began: until then they are not those of a long run.

    Attributes:
        of_signal: the columns that the signal reads; None where one of them never settles.
        of_page_s: the slowest column of the page, s.
    """

    of_signal: Settling | None
    of_page_s: float

    @classmethod
    def of(cls, lattice: LatticeParameters, columns: Iterable[str]) -> "CellSettling":
        """Return that of a lattice, and of the columns that a signal reads."""
        # The number of the last event alone never settles, and is no picture of the book.
        each = (settling(lattice, [name]) for name in GRID_COLUMNS if name != EVENT_COLUMN)
        return cls(
            settling(lattice, columns), max(_seconds(one, lattice.cell_width_ms) for one in each if one is not None)
        )


def live_readiness(memory_bins: int, warmup_bins: int, cell_width_ms: int, cells: CellSettling | None) -> str:
    """Return when a model is ready on a feed of events, whose lattice begins with it, in words."""
    if cells is None:
        return "on a feed of events it is not known when cells equal those of a long run"
    page = f"all of the page's after {cells.of_page_s:,.0f} s"
    if cells.of_signal is None:
        return f"on a feed of events never ready: a column that it reads never equals that of a long run; {page}"
    memory = ModelMemory(memory_bins, cells.of_signal.bins, math.ceil(cells.of_signal.seconds * SECOND_NS))
    bins = max(warmup_bins, Shown().bins_to_go(memory, cell_width_ms) or 0)
    return (
        f"on a feed of events ready after {bins:,} bins, {bins * cell_width_ms / 1000:,.0f} s: the cells that it reads "
        f"equal those of a long run after {_seconds(cells.of_signal, cell_width_ms):,.0f} s, {page}"
    )


def _seconds(settled: Settling, cell_width_ms: float) -> float:
    return settled.seconds + settled.bins * cell_width_ms / 1000
