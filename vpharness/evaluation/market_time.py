"""Market time: which stretches of data are evidence of the same market and hours, whatever they are called.

Two datasets of one market over the same hours hold the same evidence, however they were named, cut or gridded.
Evidence is therefore kept under the market and the clock, and counted once.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

_NAMED, _COUNTED_FROM = "instrument ", "origin "


@dataclass(frozen=True)
class Market:
    """The identity of a market: its instrument, and the content of the data.

    Attributes:
        instrument: venue and symbol as the data name them; None where the data do not say, which matches every market.
        contents: digests of what the dataset was made of: datasets that share one are of the same market, whatever
            their instruments are called. Beside them stand what else its instruments are called (`name_content`) and
            where the times of a digest are counted from (`origin_content`).
        origin_ns: what the times of its content are counted from, ns since the Unix epoch: when a simulated market
            opens, or midnight of the day that a user gives a file without dates. The same content at another time by
            the clock is the same evidence.
    """

    instrument: str | None
    contents: frozenset[str] = frozenset()
    origin_ns: int = 0

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Whatever its instruments are called, in small letters: capitals do not make another instrument."""
        more = {each.removeprefix(_NAMED) for each in self.contents if each.startswith(_NAMED)}
        return frozenset(more if self.instrument is None else {self.instrument.casefold(), *more})

    @functools.cached_property
    def digests(self) -> frozenset[str]:
        """Its contents alone, without names and origins."""
        return frozenset(each for each in self.contents if not each.startswith((_NAMED, _COUNTED_FROM)))

    def origin_of(self, digest: str) -> int:
        """Return what the times of one of its contents are counted from, ns since the Unix epoch."""
        return self._origins.get(digest, self.origin_ns)

    @functools.cached_property
    def _origins(self) -> dict[str, int]:
        told = (each.split(" ", 2)[1:] for each in self.contents if each.startswith(_COUNTED_FROM))
        return {digest: int(origin_ns) for origin_ns, digest in told}

    def matches(self, other: "Market") -> bool:
        """Whether both may be the same market: one that does not say what it is may be any."""
        return self.instrument is None or other.instrument is None or self.is_known_as(other)

    def is_known_as(self, other: "Market") -> bool:
        """Whether both are the same market by what they say: they share a name, or a content."""
        return not self.names.isdisjoint(other.names) or not self.digests.isdisjoint(other.digests)


def name_content(name: str) -> str:
    """Return what says, among a market's contents, that its instrument is called so too."""
    return f"{_NAMED}{name.casefold()}"


def origin_content(digest: str, origin_ns: int) -> str:
    """Return what says, among a market's contents, that the times of one of them are counted from `origin_ns`."""
    return f"{_COUNTED_FROM}{origin_ns} {digest}"


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
        return self._meets(other, 0) or any(self._meets(other, shift_ns) for shift_ns in self._shifts_ns(other))

    def _meets(self, other: "MarketTime", shift_ns: int) -> bool:
        return self.start_ns < other.stop_ns - shift_ns and other.start_ns - shift_ns < self.stop_ns

    def shared_ns(self, other: "MarketTime") -> int:
        """Return how much time both share, ns, where their markets are the same."""
        return max(
            max(0, min(self.stop_ns, other.stop_ns - shift_ns) - max(self.start_ns, other.start_ns - shift_ns))
            for shift_ns in {0, *self._shifts_ns(other)}
        )

    def _shifts_ns(self, other: "MarketTime") -> set[int]:
        """Return how much later the other's times are for the same moment, as the origins of what both have say."""
        own, theirs = self.market, other.market
        return {theirs.origin_of(each) - own.origin_of(each) for each in own.digests & theirs.digests}


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
