"""Executions by bin, for display: the fills among the feed's events, added up by price and resting side."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed import FeedFacts
from vpharness.events.mbo_event import BID, FILL, NO_SIDE
from vpharness.live import LiveModel
from vpharness.prices import PRICE_SCALE

MOST_PRICES: Final = 64
"""Most executions that are reported for one bin; of more, those with the largest quantities."""

_NANOSECONDS_PER_MS: Final = 1_000_000

Trade = tuple[float, float, str]
"""Price in price units, quantity, and the side of the order that was filled: B or A."""


@dataclass
class TradesByBin:
    """Fills in the bins that are still open, by bin."""

    cell_width_ns: int
    size_unit: float
    _open: dict[int, dict[tuple[int, str], int]] = field(default_factory=dict)
    _latest_ns: int = 0

    @classmethod
    def on(cls, model: LiveModel, facts: FeedFacts) -> "TradesByBin":
        """Return the collector for a model's bins on a feed, before the first one."""
        return cls(round(model.scorer.cell_width_ms * _NANOSECONDS_PER_MS), facts.quantity_unit)

    def take(self, events: NDArray[np.void]) -> None:
        """Add the fills among some events, each to the bin of its time, which never runs backwards."""
        if not len(events):
            return
        times = np.maximum(np.maximum.accumulate(events["ts_ns"]), self._latest_ns)
        self._latest_ns = int(times[-1])
        is_fill = (events["action"] == FILL) & (events["side"] != NO_SIDE)
        for event, time_ns in zip(events[is_fill], times[is_fill].tolist(), strict=True):
            of_bin = self._open.setdefault(time_ns // self.cell_width_ns, {})
            key = int(event["price"]), "B" if event["side"] == BID else "A"
            of_bin[key] = of_bin.get(key, 0) + int(event["size"])

    def until(self, bin_end_ns: int) -> list[Trade]:
        """Return the executions in the bin that ends at a time, and drop them and those of earlier bins.

        Fills that come later count for a later bin, whatever their time says.
        """
        self._latest_ns = max(self._latest_ns, bin_end_ns)
        found: dict[tuple[int, str], int] = {}
        for number in sorted(self._open):
            if number * self.cell_width_ns >= bin_end_ns:
                break
            found = self._open.pop(number)
        largest = sorted(found.items(), key=lambda item: -item[1])[:MOST_PRICES]
        return [(price / PRICE_SCALE, size * self.size_unit, side) for (price, side), size in sorted(largest)]
