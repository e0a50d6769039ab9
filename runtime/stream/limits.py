"""Limits on what clients may use: slots, rates, and a throttle for work that keeps the event loop busy.

Slots and rates are shared by address, so that no single address can use them up:

    SlotPool      at most `capacity` at once, `share` of it for any address, the rest for addresses that hold few
    RateWindow    at most so many in any `seconds`, shared in the same way
    TokenBucket   `rate` a second on average and `burst` at once, for one client
"""

import asyncio
import contextlib
import math
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from vpharness.errors import VpharnessError

FEW: Final = 10
"""An address holds few slots while it holds less than one in so many of them."""


class TooManyError(VpharnessError):
    """There is no room now for what a client asks for: it may try again later."""


@dataclass
class SlotPool:
    """Slots that addresses take: a share of them is for any address, and the rest is a reserve.

    A slot of the reserve is given only to an address that holds few. So one address can hold that share and no more,
    and a newcomer finds a slot even where several addresses take all that they can get.
    """

    capacity: int
    share: float
    _held: "Counter[str]" = field(default_factory=Counter)
    _taken: int = 0

    def take(self, address: str) -> bool:
        """Take a slot for an address; return whether there was one for it."""
        is_reserve = self._taken >= math.ceil(self.share * self.capacity)
        if self._taken >= self.capacity or (is_reserve and not self.has_few(address)):
            return False
        self._held[address] += 1
        self._taken += 1
        return True

    def has_few(self, address: str) -> bool:
        """Whether an address holds so few slots that it may take one of the reserve."""
        return self._held[address] < max(1, self.capacity // FEW)

    def give_back(self, address: str) -> None:
        """Free a slot that an address holds."""
        self._taken -= 1
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]

    @property
    def taken(self) -> int:
        """The number of slots that are taken."""
        return self._taken


@dataclass
class RateWindow:
    """A rate limit with a sliding window: each event takes one of some slots for `seconds`."""

    slots: SlotPool
    seconds: float
    _times: "deque[tuple[float, str]]" = field(default_factory=deque)

    def take(self, address: str) -> bool:
        """Count an event of an address; return whether it is within the limit."""
        now = time.monotonic()
        while self._times and self._times[0][0] <= now - self.seconds:
            self.slots.give_back(self._times.popleft()[1])
        if not self.slots.take(address):
            return False
        self._times.append((now, address))
        return True


@dataclass
class TokenBucket:
    """A rate limit of `rate` events a second on average, and `burst` at once.

    The bucket holds up to `burst` tokens, gains `rate` a second, and each event takes one.
    """

    rate: float
    burst: float
    _left: float = -1.0
    _at: float = 0.0

    def take(self) -> bool:
        """Take a token; return whether there was one."""
        now = time.monotonic()
        self._left = self.burst if self._left < 0 else min(self.burst, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class ThrottledLock:
    """A lock for work that keeps the event loop busy.

    One holder at a time; after each the lock stays closed for twice as long as it was held, so that such work takes a
    third of the loop's time at most, and at least `least_s`.
    """

    def __init__(self, least_s: float = 0.0) -> None:
        """Begin open; at least `least_s` lies between two holders."""
        self._least_s = least_s
        self._lock = asyncio.Lock()
        self._free_at = 0.0

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Wait for the lock, and hold it for the block."""
        async with self._lock:
            await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))
            begun = time.monotonic()
            yield
            ended = time.monotonic()
            self._free_at = ended + max(self._least_s, 2 * (ended - begun))
