"""The interface of an event source: facts about it, and canonical events in chunks."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.parameters import problems
from vpharness.prices import tick_size_to_price

CHUNK_EVENTS: Final = 65_536
"""The most events that a source hands out at once."""


@dataclass
class EventStream:
    """An opened source: read once, from the first event to the last.

    `chunks` yields arrays of EVENT_DTYPE in the order of the feed, none longer than CHUNK_EVENTS. `counts` grows while
    they are read: what the source skipped or found, by reason. `notes` grows too: sentences on what is odd about the
    source, for the dataset's manifest; and `instruments`: whatever the data call what the events are of, where a file
    may hold several instruments (what a user alone calls it is none of them). `progress` tells the share read so far,
    from 0 to 1, or None where it cannot be known. `by_level` says that the source knows price levels and no orders:
    what it gives as orders are levels; it is known at the latest when all events have been read.
    """

    instrument: str
    size_unit: float
    chunks: Iterator[NDArray[np.void]]
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    instruments: list[str] = field(default_factory=list)
    by_level: bool = False
    bytes_total: int | None = None
    bytes_read: int = 0

    def progress(self) -> float | None:
        """Return the share of the input that has been read, from 0 to 1."""
        return None if not self.bytes_total else min(1.0, self.bytes_read / self.bytes_total)


class Source(Protocol):
    """A frozen dataclass of parameters that can be opened.

    A source of one's own needs nothing but these four: it is named by the `_target_` of a YAML in the group `source`.
    """

    default_evict_crossed_ms: ClassVar[int]
    """What `lattice.evict_crossed_ms` is where nothing else is said; 0 is off."""

    @property
    def tick_size(self) -> float:
        """The smallest price step, in price units."""
        ...

    def identity(self) -> dict[str, Any]:
        """Everything the events depend on, as JSON values: parameters, and files by their SHA-256, never by path."""
        ...

    def open(self) -> AbstractContextManager[EventStream]:
        """Open the source; a SourceError says what is wrong with it."""
        ...


def require_valid(source: Source) -> None:
    """Raise ConfigError, naming everything at once, where a source's parameters are out of range."""
    found = problems(source, "source.")
    if found:
        raise ConfigError("; ".join(found))
    tick_size_to_price(source.tick_size)
