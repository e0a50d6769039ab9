"""Fills of feeds that tell of trades on another channel than of orders: by price, side and time.

Some exchanges send what is left of an order and do not say why. Where their trades are recorded in the same file, a
decline of an order is taken for executed as far as trades at its price, with its side resting, at its own time or up
to NEAR_NS before it have not been used up by other declines; the rest was pulled. Trades after it explain nothing, for
whoever saw the decline did not know of them. Which of several orders at a price was executed, of those that decline
within that time, cannot be known: the first ones take the trades.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

NEAR_NS: Final = 500_000_000
"""How long before a decline a trade may lie that explains it, and how much later in the file it may stand: the channels
are sent independently."""

WITHOUT_TRADES: Final = (
    "the file has no trades: executions cannot be told from cancels, and every decline of an order counts as a pull; "
    "record the channel {channel} of the same product into the file"
)

Update = TypeVar("Update")


@dataclass
class TradeFills(Generic[Update]):
    """Trades that explain no decline yet, and messages that wait for trades of before that come after them in the file.

    `seen` says whether the file has trades at all: without them nothing waits.
    """

    seen: bool = False
    clock_ns: int = 0
    trades: dict[tuple[int, int], list[list[int]]] = field(default_factory=dict)
    waiting: deque[tuple[int, Update]] = field(default_factory=deque)

    def trade(self, side: int, price: int, size: int, ts_ns: int) -> None:
        """Take in a trade: the resting side, its price, and the quantity."""
        self.clock_ns = max(self.clock_ns, ts_ns)
        self.trades.setdefault((side, price), []).append([ts_ns, size])

    def wait(self, ts_ns: int, update: Update) -> None:
        """Let a message of orders wait for the trades of its time."""
        self.clock_ns = max(self.clock_ns, ts_ns)
        self.waiting.append((ts_ns, update))

    def due(self, *, everything: bool = False) -> Iterator[Update]:
        """Yield the messages behind which no trade of their time is to be expected any more, or all of them."""
        while self.waiting and (everything or not self.seen or self.waiting[0][0] + NEAR_NS < self.clock_ns):
            yield self.waiting.popleft()[1]

    def executed(self, side: int, price: int, size: int, ts_ns: int) -> int:
        """Return how much of a decline trades explain, and use them up."""
        found = self.trades.get((side, price))
        if found is None:
            return 0
        left = size
        for trade in found:
            if ts_ns - NEAR_NS <= trade[0] <= ts_ns:
                used = min(left, trade[1])
                left -= used
                trade[1] -= used
        if left < size:
            self._keep((side, price), [trade for trade in found if trade[1]])
        return size - left

    def forget_old(self) -> None:
        """Drop the trades that are too old to explain anything that waits or is still to come, however late it is."""
        oldest = (self.waiting[0][0] if self.waiting else self.clock_ns) - 2 * NEAR_NS
        for place, trades in list(self.trades.items()):
            if trades[0][0] < oldest:
                self._keep(place, [trade for trade in trades if trade[0] >= oldest])

    def _keep(self, place: tuple[int, int], trades: list[list[int]]) -> None:
        if trades:
            self.trades[place] = trades
        else:
            del self.trades[place]
