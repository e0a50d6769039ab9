"""Clients that mean harm: `python -m tests.runtime.web.hostile HOST:PORT SECONDS KIND…`, in a process of their own.

Each kind runs in a thread of its own and does its worst until the time is over, from one of three addresses.
"""

import contextlib
import itertools
import json
import os
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

TEXT, BINARY, CONTINUATION, PING, PONG, FINAL = 0x1, 0x2, 0x0, 0x9, 0xA, 0x80
_BLOCK_BYTES: Final = 60_000
_HELD: Final = 600
ADDRESSES: Final = 3


def frame(head: int, payload: bytes = b"") -> bytes:
    """Return a client's frame: masked, with a mask that changes nothing."""
    assert len(payload) < 126
    return bytes([head, 0x80 | len(payload), 0, 0, 0, 0]) + payload


class Attack:
    """One attacker: where it goes, from where, until when, and what came of it."""

    def __init__(self, address: str, source: str, seconds: float) -> None:
        """Begin to count the time."""
        host, _, port = address.rpartition(":")
        self.target, self.source = (host, int(port)), source
        self.until = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()
        self.random = random.Random(source)  # noqa: S311  # what is sent does not matter

    def going(self) -> Iterator[None]:
        """Yield until the time is over."""
        while time.monotonic() < self.until:
            yield

    def connected(self) -> socket.socket | None:
        """Return a connection; None where none is given."""
        link = socket.socket()
        link.settimeout(2.0)
        try:
            link.bind((self.source, 0))
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            link.connect(self.target)
        except OSError:
            link.close()
            self.counts["not connected"] += 1
            return None
        self.counts["connected"] += 1
        return link

    def request(self, path: str) -> bytes:
        """Return the request that opens a websocket."""
        return (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    def stream(self, query: str = "fields=") -> socket.socket | None:
        """Return a connection on which the stream has begun; None where it was refused."""
        link = self.connected()
        if link is None:
            return None
        with contextlib.suppress(OSError):
            link.sendall(self.request(f"/v1/stream?{query}"))
            if link.recv(12) == b"HTTP/1.1 101":
                self.counts["streams"] += 1
                return link
        self.counts["refused"] += 1
        link.close()
        time.sleep(0.01)
        return None

    def flood(self, block: bytes, frames: int) -> None:
        """Open streams, and send the same frames over and over without reading anything, until cut off."""
        for _ in self.going():
            if (link := self.stream()) is None:
                continue
            with contextlib.suppress(OSError):
                for _ in self.going():
                    link.sendall(block)
                    self.counts["frames"] += frames
            link.close()


def of(one: bytes) -> Callable[[Attack], None]:
    """Return a flood of one frame."""
    count = _BLOCK_BYTES // len(one)
    return lambda attack: attack.flood(one * count, count)


def shadows(attack: Attack) -> None:
    """Ask for one override after another, and be gone."""
    for _ in attack.going():
        query = f"fields=&threshold={attack.random.uniform(0.1, 9):.6f}"
        if (link := attack.stream(query)) is not None:
            time.sleep(attack.random.uniform(0, 0.2))
            link.close()


def connects(attack: Attack) -> None:
    """Connect, and be gone."""
    for _ in attack.going():
        if (link := attack.connected()) is not None:
            link.close()


def half_open(attack: Attack) -> None:
    """Hold as many connections as there are to be had, with a request on each that never ends."""
    held: list[socket.socket] = []
    for _ in attack.going():
        link = attack.connected()
        if link is not None:
            with contextlib.suppress(OSError):
                link.sendall(attack.request("/v1/config")[: attack.random.randrange(1, 60)])
            held.append(link)
        if len(held) > _HELD:
            held.pop(0).close()
        time.sleep(0.002)


def non_readers(attack: Attack) -> None:
    """Open as many streams of all columns with all of history as there are to be had, and read nothing."""
    held: list[socket.socket] = []
    for _ in attack.going():
        if (link := attack.stream("history=6000")) is not None:
            held.append(link)
        if len(held) > _HELD:
            held.pop(0).close()
        time.sleep(0.002)


def histories(attack: Attack) -> None:
    """Read all of history again and again, as fast as it comes."""
    for _ in attack.going():
        if (link := attack.stream("history=6000")) is not None:
            with contextlib.suppress(OSError):
                for _ in itertools.takewhile(lambda _: link.recv(1 << 20), attack.going()):
                    pass
            link.close()


def what_ifs(attack: Attack) -> None:
    """Stay with overrides of one's own and all of history, and read everything that comes."""
    for _ in attack.going():
        query = f"fields=v_add&history=6000&threshold={attack.random.uniform(0.1, 9):.6f}"
        if (link := attack.stream(query)) is not None:
            with contextlib.suppress(OSError):
                for _ in itertools.takewhile(lambda _: link.recv(1 << 20), attack.going()):
                    pass
            link.close()


def requests(attack: Attack) -> None:
    """Send requests over HTTP without reading what is answered."""
    one = b"GET /v1/config HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for _ in attack.going():
        if (link := attack.connected()) is None:
            continue
        with contextlib.suppress(OSError):
            for _ in attack.going():
                link.sendall(one * 50)
                attack.counts["requests"] += 50
        link.close()


def spin(attack: Attack) -> None:
    """Use a processor up, as an attacker does, and leave the server alone."""
    for _ in attack.going():
        attack.counts["spins"] += 1


KINDS: Final[dict[str, Callable[[Attack], None]]] = {
    "pings": of(frame(FINAL | PING)),
    "pongs": of(frame(FINAL | PONG)),
    "texts": of(frame(FINAL | TEXT, b"hello")),
    "binaries": of(frame(FINAL | BINARY, bytes(100))),
    "fragments": lambda attack: attack.flood(
        frame(TEXT) + frame(CONTINUATION) * (_BLOCK_BYTES // 6), _BLOCK_BYTES // 6
    ),
    "shadows": shadows,
    "connects": connects,
    "half_open": half_open,
    "non_readers": non_readers,
    "histories": histories,
    "requests": requests,
    "what_ifs": what_ifs,
    "spin": spin,
}


def main(address: str, seconds: float, kinds: list[str]) -> None:
    """Carry out attacks side by side, and print what came of them; `KIND:2` is another one of a kind."""
    attacks = {kind: Attack(address, f"127.0.0.{2 + place % ADDRESSES}", seconds) for place, kind in enumerate(kinds)}
    threads = [
        threading.Thread(target=KINDS[kind.partition(":")[0]], args=(attack,), daemon=True)
        for kind, attack in attacks.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 5)
    print(json.dumps({kind: attack.counts for kind, attack in attacks.items()}), flush=True)
    os._exit(0)  # some threads may wait for an answer


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
