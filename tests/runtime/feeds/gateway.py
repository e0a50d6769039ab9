"""A stand-in for the vendor's live gateway on loopback: what it says, in its own protocol, when a test wants it said.

Lines of text first (greeting, challenge and response, subscription, start), then DBN: metadata and records.
"""

import hashlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import databento_dbn as dbn

from tests.events.samples import mbo, metadata, symbol_mapping
from vpharness.events.mbo_event import FLAG_LAST, FLAG_SNAPSHOT

KEY = "db-0123456789abcdefghijklmnopqrs"
SYMBOL, INSTRUMENT_ID = "ESH4", 7
CHALLENGE = "t7kNhwj4xqR0QYjzFKtBEG2ec2pXJ4FK"
PRICE = 4800 * 10**9
TICK = 25 * 10**7


def record(
    action: str,
    side: str,
    order_id: int,
    price: int,
    flags: int = FLAG_LAST,
    ts_ns: int | None = None,
    publisher: int = 1,
) -> bytes:
    """Return a record of the instrument, of one contract, that happens now unless another time is given."""
    moment = time.time_ns() if ts_ns is None else ts_ns
    return mbo(INSTRUMENT_ID, moment, order_id, price, 1, action.encode(), side.encode(), flags, publisher=publisher)


def snapshot(publisher: int = 1, price: int = PRICE) -> bytes:
    """Return a book of one bid and one ask, entered an hour ago."""
    then = time.time_ns() - 3600 * 10**9
    return (
        record("R", "N", 0, 0, FLAG_SNAPSHOT, then, publisher)
        + record("A", "B", 1, price, FLAG_SNAPSHOT, then, publisher)
        + record("A", "A", 2, price + TICK, FLAG_SNAPSHOT | FLAG_LAST, then + 1, publisher)
    )


@dataclass
class Session:
    """A client that has subscribed and started."""

    connection: socket.socket
    subscription: dict[str, str]

    def send(self, data: bytes) -> None:
        """Send records."""
        self.connection.sendall(data)

    def cut(self) -> None:
        """Close the connection."""
        self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


@dataclass
class Gateway:
    """A gateway that listens. `refusal` is an error of authentication, `complaint` one of the subscription."""

    refusal: str | None = None
    complaint: str | None = None
    port: int = 0
    sessions: "queue.Queue[Session]" = field(default_factory=queue.Queue)
    connections: list[socket.socket] = field(default_factory=list)
    _listener: Any = None

    def listen(self) -> None:
        """Begin to accept connections, at the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def away(self) -> None:
        """Accept no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def session(self) -> Session:
        """Return the next client that has started."""
        return self.sessions.get(timeout=10)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            self._greet(connection)

    def _greet(self, connection: socket.socket) -> None:
        connection.sendall(f"lsg_version=0.6.0\ncram={CHALLENGE}\n".encode())
        lines = connection.makefile("rb")
        said = fields(lines.readline())
        proof = hashlib.sha256(f"{CHALLENGE}|{KEY}".encode()).hexdigest() + f"-{KEY[-5:]}"
        refusal = self.refusal or (None if said["auth"] == proof else "User authentication failed")
        if refusal:
            connection.sendall(f"success=0|error={refusal}\n".encode())
            lines.close()
            connection.close()
            return
        connection.sendall(b"success=1|session_id=7\n")
        subscription = fields(lines.readline()) | {"dataset": said["dataset"]}
        assert lines.readline().startswith(b"start_session")
        lines.close()
        session = Session(connection, subscription)
        session.send(metadata(schema=None))
        if self.complaint:
            session.send(bytes(dbn.ErrorMsg(ts_event=time.time_ns(), err=self.complaint)))
        else:
            session.send(symbol_mapping(INSTRUMENT_ID, SYMBOL))
        self.sessions.put(session)


def fields(line: bytes) -> dict[str, str]:
    """Return the fields of a line of the protocol."""
    return dict(part.split("=", 1) for part in line.decode().strip().split("|"))


@contextmanager
def gateway(refusal: str | None = None, complaint: str | None = None) -> Iterator[Gateway]:
    """Run a gateway that listens, and end all that is left of it."""
    stand_in = Gateway(refusal, complaint)
    stand_in.listen()
    try:
        yield stand_in
    finally:
        stand_in.away()
        for connection in stand_in.connections:
            connection.close()
