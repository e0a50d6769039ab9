"""Small markets and folders for tests of datasets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tests.event_rows import events_of
from vpharness.events.event_source import EventStream
from vpharness.events.mbo_event import ADD, ASK, BID
from vpharness.events.synthetic import SyntheticSource
from vpharness.prices import PRICE_SCALE

MINUTE = SyntheticSource(seed=3, minutes=1)
SECOND_NS = 1_000_000_000
OPENING_NS = 1_700_000_000 * SECOND_NS


def book(*times_s: float, price: int = 100) -> NDArray[np.void]:
    """Two orders that make a valid book, then one more bid at each of the times, in seconds after the opening."""
    rows = [(OPENING_NS, price * PRICE_SCALE, 5, 1, ADD, BID, 128)]
    rows.append((OPENING_NS, (price + 1) * PRICE_SCALE, 5, 2, ADD, ASK, 128))
    for number, seconds in enumerate(times_s):
        rows.append((OPENING_NS + int(seconds * SECOND_NS), price * PRICE_SCALE, 1, 3 + number, ADD, BID, 128))
    return events_of(rows)


@dataclass(frozen=True)
class Fixed:
    """A source of given events, handed out one by one or some at a time."""

    events: NDArray[np.void]
    name: str = "fixed"
    tick_size: float = 1.0
    fails_after: int | None = None
    at_a_time: int = 1
    default_evict_crossed_ms: ClassVar[int] = 0

    def identity(self) -> dict[str, Any]:
        """Return the name, which stands for the events."""
        return {"kind": self.name}

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Hand out the events, and fail where that is wanted."""

        def chunks() -> Iterator[NDArray[np.void]]:
            for index in range(0, len(self.events), self.at_a_time):
                if index == self.fails_after:
                    raise OSError(28, "No space left on device")
                yield self.events[index : index + self.at_a_time]

        yield EventStream("TEST", 1.0, chunks())
