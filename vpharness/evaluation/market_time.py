"""Market time: which stretches of data are evidence of the same market and hours, whatever they are called.

Two datasets of one market over the same hours hold the same evidence, however they were named, cut or gridded.
Evidence is therefore kept under the market and the clock, and counted once.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Market:
    """The identity of a market: its instrument, and the content of the data.

    Attributes:
        instrument: venue and symbol as the data name them; None where the data do not say, which matches every market.
        contents: digests of what the dataset was made of: datasets that share one are of the same market, whatever
            their instruments are called.
        origin_ns: what the times of its content are counted from, ns since the Unix epoch: when a simulated market
            opens, or midnight of the day that a user gives a file without dates. The same content at another time by
            the clock is the same evidence.
    """

    instrument: str | None
    contents: frozenset[str] = frozenset()
    origin_ns: int = 0

    def matches(self, other: "Market") -> bool:
        """Whether both may be the same market."""
        if self.instrument is None or other.instrument is None or self.instrument == other.instrument:
            return True
        return bool(self.contents & other.contents)


@dataclass(frozen=True)
class MarketTime:
    """A stretch of a market's time: `start_ns` <= t < `stop_ns`, ns since the Unix epoch, UTC."""

    market: Market
    start_ns: int
    stop_ns: int

    @property
    def length_ns(self) -> int:
        """The length of the stretch, ns."""
        return self.stop_ns - self.start_ns

    def overlaps(self, other: "MarketTime") -> bool:
        """Whether both may hold the same evidence: their markets match, and they share time."""
        if not self.market.matches(other.market):
            return False
        if self._shares_time(other, 0, 0):
            return True
        same_content = self.market.contents & other.market.contents
        return bool(same_content) and self._shares_time(other, self.market.origin_ns, other.market.origin_ns)

    def _shares_time(self, other: "MarketTime", own_origin_ns: int, other_origin_ns: int) -> bool:
        own, theirs = own_origin_ns, other_origin_ns
        return self.start_ns - own < other.stop_ns - theirs and other.start_ns - theirs < self.stop_ns - own


def any_overlap(some: Sequence[MarketTime], others: Sequence[MarketTime]) -> bool:
    """Whether any of some stretches overlaps any of the others."""
    return any(one.overlaps(other) for one in some for other in others)


def counted_once(stretches: Sequence[MarketTime]) -> list[int]:
    """Return which of some stretches count, ascending: the longest of those that overlap, the earlier one of equals."""
    counted: list[int] = []
    for place in sorted(range(len(stretches)), key=lambda each: (-stretches[each].length_ns, each)):
        if not any(stretches[place].overlaps(stretches[other]) for other in counted):
            counted.append(place)
    return sorted(counted)
