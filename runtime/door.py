"""The door: how much of the server each address may have, so that none of them can shut the others out."""

import functools
import ipaddress
import math
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from sanic import Request

from runtime.guard import Turns
from runtime.settings import RuntimeParameters

ARRIVAL_SECONDS: Final = 2.0
"""As many connections and requests as there may be in this time may come at once; each costs the event loop a
millisecond at most."""

_BETWEEN_SECONDS: Final = 0.005
_CUT_COST: Final = 20

OPENING_SECONDS: Final = 10.0
SHADOW_SECONDS: Final = 60.0
FEW: Final = 10
"""An address has few places while it has less than this part of them."""

CAUSES: Final = ("connection", "request", "unread", "frames", "stuck")
"""What connections are cut off for: too many of them, of requests, of bytes in one, of frames; taking nothing."""

_NETWORK_BITS: Final = 64
"""Of an IPv6 address: whoever has one has all addresses of such a network."""


@dataclass
class Places:
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
class Recently:
    """How often something may happen: each time takes one of some places for `seconds`."""

    places: Places
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


@dataclass(frozen=True)
class Door:
    """What is given away by address.

    Attributes:
        connections: those that are open.
        arrivals: new connections, and requests over them.
        openings: streams being opened.
        streams: those that are open.
        shadow_requests: streams being opened with overrides of their own.
        forwarded_header: where a proxy in front says whom it asks for; None without one.
        turns: turns at being answered, for addresses that ask much: the others need not wait.
        cut: how many connections were cut without a word, by what for.
    """

    connections: Places
    arrivals: Recently
    openings: Recently
    streams: Places
    shadow_requests: Recently
    forwarded_header: str | None
    turns: Turns = field(default_factory=lambda: Turns(_BETWEEN_SECONDS))
    cut: "Counter[str]" = field(default_factory=Counter)

    def admits(self, peer: str) -> bool:
        """Whether a connection may be opened; it has a place until `leaves`."""
        address = self.address_of_peer(peer)
        if self.forwarded_header is None and not self.arrivals.take(address):
            return False
        return self.connections.take(address)

    def leaves(self, peer: str) -> None:
        """Free the place of a connection that was admitted."""
        self.connections.give_back(self.address_of_peer(peer))

    def cut_off(self, address: str, what_for: str) -> None:
        """Count a connection that is cut off: it costs its address as much as many that are not."""
        self.cut[what_for] += 1
        for _ in range(_CUT_COST):
            if not self.arrivals.take(address):
                return

    async def asks(self, address: str) -> bool:
        """Return whether a request of an address is answered, once it is its turn."""
        if not self.arrivals.take(address):
            self.cut["request"] += 1
            return False
        if not self.arrivals.places.has_few(address):
            async with self.turns.turn():
                pass
        return True

    def address_of_peer(self, peer: str) -> str:
        """Return the address that a connection is counted for; a proxy's are all of one."""
        return network_of(peer) if self.forwarded_header is None else ""

    def address_of(self, request: Request) -> str:
        """Return the address that a request is counted for: the last one that the proxy in front has written."""
        if self.forwarded_header is not None and (said := request.headers.getall(self.forwarded_header, None)):
            return network_of(str(said[-1]).rpartition(",")[2].strip())
        return network_of(request.ip)


def door_of(settings: RuntimeParameters) -> Door:
    """Return the door with nobody in it yet."""
    share = settings.address_share
    # Connections from a proxy are the proxy's to give away.
    connections_share = share if settings.forwarded_header is None else 1.0

    def recently(a_second: float, seconds: float) -> Recently:
        return Recently(Places(max(1, round(a_second * seconds)), share), seconds)

    return Door(
        connections=Places(settings.max_connections, connections_share),
        arrivals=recently(settings.requests_per_second, ARRIVAL_SECONDS),
        openings=recently(settings.connections_per_second, OPENING_SECONDS),
        streams=Places(settings.max_clients, share),
        shadow_requests=recently(settings.shadows_per_minute / 60, SHADOW_SECONDS),
        forwarded_header=settings.forwarded_header,
    )


@functools.lru_cache(maxsize=1_024)
def network_of(address: str) -> str:
    """Return what an address is counted by: itself, or its network where it is one of IPv6; other texts as one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))
