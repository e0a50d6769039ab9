"""Admission control: how much of the server each address may use, so that none can shut the others out."""

import functools
import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from sanic import Request

from runtime.config.server_parameters import RuntimeParameters
from runtime.stream.limits import RateWindow, SlotPool, ThrottledLock

ARRIVAL_SECONDS: Final = 2.0
"""As many connections and requests as there may be in this time may come at once; each costs the event loop a
millisecond at most."""

_BETWEEN_SECONDS: Final = 0.005
_CUT_COST: Final = 20

OPENING_SECONDS: Final = 10.0
SHADOW_SECONDS: Final = 60.0
CAUSES: Final = ("connection", "request", "unread", "frames", "stuck")
"""Why connections are cut off: too many of them, of requests, of bytes in one, of frames; taking nothing."""

_NETWORK_BITS: Final = 64
"""Bits of an IPv6 address that identify its holder, who has all addresses of such a network."""


@dataclass(frozen=True)
class AdmissionControl:
    """The limits by address.

    Attributes:
        connections: those that are open.
        arrivals: new connections, and requests over them.
        openings: streams being opened.
        streams: those that are open.
        shadow_requests: streams being opened with overrides of their own.
        forwarded_header: where a proxy in front says whom it asks for; None without one.
        throttle: slows down the answers to addresses that ask much: the others need not wait.
        cut: how many connections were cut without a word, by what for.
    """

    connections: SlotPool
    arrivals: RateWindow
    openings: RateWindow
    streams: SlotPool
    shadow_requests: RateWindow
    forwarded_header: str | None
    throttle: ThrottledLock = field(default_factory=lambda: ThrottledLock(_BETWEEN_SECONDS))
    cut: "Counter[str]" = field(default_factory=Counter)

    def admits(self, peer: str) -> bool:
        """Return whether a connection may be opened; it holds a slot until `leaves`."""
        address = self.address_of_peer(peer)
        if self.forwarded_header is None and not self.arrivals.take(address):
            return False
        return self.connections.take(address)

    def leaves(self, peer: str) -> None:
        """Free the slot of a connection that was admitted."""
        self.connections.give_back(self.address_of_peer(peer))

    def cut_off(self, address: str, what_for: str) -> None:
        """Count a connection that is cut off: it costs its address as much as twenty others."""
        self.cut[what_for] += 1
        for _ in range(_CUT_COST):
            if not self.arrivals.take(address):
                return

    async def asks(self, address: str) -> bool:
        """Return whether a request of an address is answered; addresses that ask much wait for the throttle."""
        if not self.arrivals.take(address):
            self.cut["request"] += 1
            return False
        if not self.arrivals.slots.has_few(address):
            async with self.throttle.held():
                pass
        return True

    def address_of_peer(self, peer: str) -> str:
        """Return the address that a connection counts for; those from a proxy count for one."""
        return network_of(peer) if self.forwarded_header is None else ""

    def address_of(self, request: Request) -> str:
        """Return the address that a request counts for: behind a proxy, the last one that it has written."""
        if self.forwarded_header is not None and (said := request.headers.getall(self.forwarded_header, None)):
            return network_of(str(said[-1]).rpartition(",")[2].strip())
        return network_of(request.ip)


def new_admission_control(settings: RuntimeParameters) -> AdmissionControl:
    """Return admission control with the limits of the settings, before the first client."""
    share = settings.address_share
    # Connections from a proxy are the proxy's to give away.
    connections_share = share if settings.forwarded_header is None else 1.0

    def recently(a_second: float, seconds: float) -> RateWindow:
        return RateWindow(SlotPool(max(1, round(a_second * seconds)), share), seconds)

    return AdmissionControl(
        connections=SlotPool(settings.max_connections, connections_share),
        arrivals=recently(settings.requests_per_second, ARRIVAL_SECONDS),
        openings=recently(settings.connections_per_second, OPENING_SECONDS),
        streams=SlotPool(settings.max_clients, share),
        shadow_requests=recently(settings.shadows_per_minute / 60, SHADOW_SECONDS),
        forwarded_header=settings.forwarded_header,
    )


@functools.lru_cache(maxsize=1_024)
def network_of(address: str) -> str:
    """Return what an address counts for: itself, or its /64 network for IPv6; other texts all count for one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))
