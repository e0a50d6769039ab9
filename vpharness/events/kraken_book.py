"""The book as Kraken's clients keep it: queues at each price, cut at the depth subscribed to, with its checksum.

The checksum is documented at https://docs.kraken.com/exchange/guides/websockets/l3-checksum-v2: the CRC-32 of the
orders at the ten best asks, best first, each level in the order of its queue, and then of those at the ten best bids.
An order counts as its price and its quantity, without the point and without leading zeros, as they were sent.
"""

import zlib
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vpharness.events.mbo_event import ASK, BID

_LEVELS_IN_CHECKSUM: Final = 10


@dataclass(slots=True)
class _Level:
    """The orders at a price, in the order of their queue, each as the checksum reads it; `text` is all of them."""

    orders: dict[str, str] = field(default_factory=dict)
    text: str | None = None


@dataclass
class BookSide:
    """One side: levels by rank, the best has the least: the price of an ask, and the negative price of a bid."""

    ranks: list[int] = field(default_factory=list)
    levels: dict[int, _Level] = field(default_factory=dict)

    def put(self, rank: int, key: str, text: str) -> None:
        """Let an order stand last in its queue, or, where it stands there already, where it is."""
        level = self.levels.get(rank)
        if level is None:
            level = self.levels[rank] = _Level()
            insort(self.ranks, rank)
        level.orders[key] = text
        level.text = None

    def take(self, rank: int, key: str) -> None:
        """Remove an order, and its level with the last one."""
        level = self.levels[rank]
        del level.orders[key]
        level.text = None
        if not level.orders:
            del self.levels[rank], self.ranks[bisect_left(self.ranks, rank)]

    def beyond(self, depth: int) -> list[str]:
        """Return the orders at the levels behind the best `depth`."""
        return [key for rank in self.ranks[depth:] for key in self.levels[rank].orders]

    def checksum_text(self) -> Iterator[str]:
        """Yield what the checksum reads of each of the best levels."""
        for rank in self.ranks[:_LEVELS_IN_CHECKSUM]:
            level = self.levels[rank]
            if level.text is None:
                level.text = "".join(level.orders.values())
            yield level.text


@dataclass
class KrakenBook:
    """Both sides, and how many levels of each the subscription shows; 0 where that is not known."""

    depth: int = 0
    sides: dict[int, BookSide] = field(default_factory=lambda: {BID: BookSide(), ASK: BookSide()})

    def checksum(self) -> int:
        """Return the checksum of the book."""
        texts = [*self.sides[ASK].checksum_text(), *self.sides[BID].checksum_text()]
        return zlib.crc32("".join(texts).encode("ascii"))


def rank_of(side: int, price: int) -> int:
    """Return a price's rank on its side: the less, the better."""
    return price if side == ASK else -price


def checksum_text(price: str, quantity: str) -> str:
    """Return what the checksum reads of an order."""
    return price.replace(".", "").lstrip("0") + quantity.replace(".", "").lstrip("0")
