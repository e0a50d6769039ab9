"""Limits on what clients may use: slots, rates, and turns at what keeps the event loop busy."""

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
"""An address has few places while it has less than this part of them."""


class TooManyError(VpharnessError):
    """There is no room now for what a client asks for: it may try again later."""


@dataclass
class SlotPool:
    """So many places, of which addresses have some each: a share of them is for whoever comes, and the rest in reserve.

    A place of the reserve is given only to an address that has few: so one address comes to have that share and no
    more, and a newcomer finds a place even where several addresses take all that they are given.
    """

    capacity: int
    share: float
    _held: "Counter[str]" = field(default_factory=Counter)
    _taken: int = 0

    def take(self, address: str) -> bool:
        """Give an address a place; return whether it gets one."""
        is_reserve = self._taken >= math.ceil(self.share * self.capacity)
        if self._taken >= self.capacity or (is_reserve and not self.has_few(address)):
            return False
        self._held[address] += 1
        self._taken += 1
        return True

    def has_few(self, address: str) -> bool:
        """Whether an address has so few places that it may have one of the reserve."""
        return self._held[address] < max(1, self.capacity // FEW)

    def give_back(self, address: str) -> None:
        """Free a place that an address has."""
        self._taken -= 1
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self._taken


@dataclass
class RateWindow:
    """How often something may happen: each time takes one of some places for `seconds`."""

    places: SlotPool
    seconds: float
    _times: "deque[tuple[float, str]]" = field(default_factory=deque)

    def take(self, address: str) -> bool:
        """Let it happen once more for an address; return whether it may."""
        now = time.monotonic()
        while self._times and self._times[0][0] <= now - self.seconds:
            self.places.give_back(self._times.popleft()[1])
        if not self.places.take(address):
            return False
        self._times.append((now, address))
        return True


@dataclass
class TokenBucket:
    """How often something may happen: `rate` times a second on average, `burst` times at once."""

    rate: float
    burst: float
    _left: float = -1.0
    _at: float = 0.0

    def take(self) -> bool:
        """Use the allowance up by one; return whether there was enough of it."""
        now = time.monotonic()
        self._left = self.burst if self._left < 0 else min(self.burst, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class ThrottledLock:
    """Turns at what keeps the event loop busy: one after another, with twice the time of each for others behind it."""

    def __init__(self, least_s: float = 0.0) -> None:
        """Nobody has had a turn yet; at least `least_s` shall lie between two."""
        self._least_s = least_s
        self._lock = asyncio.Lock()
        self._free_at = 0.0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; it is over with the block."""
        async with self._lock:
            await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))
            begun = time.monotonic()
            yield
            ended = time.monotonic()
            self._free_at = ended + max(self._least_s, 2 * (ended - begun))
