"""Market time: which data are evidence of the same thing, whatever they are called.

Two datasets of one market over the same hours hold the same evidence, however they were named, cut or gridded. Evidence
is therefore kept under the market and the clock, and counted once.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Market:
    """What a dataset is of.

    Attributes:
        instrument: venue and symbol as the data name them; None where the data do not say, which matches every market.
        contents: digests of what the dataset was made of: datasets that share one are of the same market, whatever
            their instruments are called.
        origin_ns: what times of this market are counted from, ns since the Unix epoch. It is 0 for real markets. A
            simulated market is the same one whatever the clock shows when it opens, so that it counts from there.
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
        """How long it lasts."""
        return self.stop_ns - self.start_ns

    def overlaps(self, other: "MarketTime") -> bool:
        """Whether both may hold the same evidence: their markets match, and they share time."""
        if not self.market.matches(other.market):
            return False
        own, theirs = self.market.origin_ns, other.market.origin_ns
        if self.market.instrument is None or other.market.instrument is None:
            own = theirs = 0  # an unknown market is known by the clock alone
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
