"""The adapter to Sanic: the one file that uses more of Sanic and websockets than their documented interface.

What it relies on, in Sanic 25 and websockets 14 and newer; look here first when one of them is upgraded:

- `WebSocketProtocol` with `recv_buffer`, `http.stage`, `websocket` and `transport`: requests and frames that exceed a
  limit are noticed before Sanic has kept anything of them, and the connection is then aborted.
- `WebsocketImplProtocol` with `ws_proto`, `assembler`, `async_data_received` and `end_connection`: each frame is
  counted while it is parsed, and none is kept, since clients have nothing to send.
- `AsyncioServer` as `app.create_server` returns it, with its open connections: the server runs in an event loop that
  is not Sanic's own, and stops within a given time.
- `request.stream.keep_alive`: a connection whose request was refused is closed after the answer.

A client that exceeds a limit is cut off at once, whatever waits to be read or sent: no farewell is sent, which it
would have to read, and nothing of what it sent beyond the limit is looked at.
"""

import asyncio
import contextlib
import logging
import os
import socket as sockets
from collections.abc import Callable, Sequence
from typing import Any, Final

from sanic import Request, Sanic, Websocket
from sanic.exceptions import RequestCancelled, WebsocketClosed
from sanic.http.constants import Stage
from sanic.server.async_server import AsyncioServer
from sanic.server.protocols.websocket_protocol import WebSocketProtocol
from sanic.server.websockets.impl import WebsocketImplProtocol
from websockets.exceptions import ConnectionClosed, ProtocolError
from websockets.frames import Frame

from runtime.stream.limits import TokenBucket
from runtime.web.admission import AdmissionControl

MOST_UNREAD_BYTES: Final = 32_768
"""Most bytes of a request that are kept unread: its head may have 8 kB, and no endpoint takes a body."""

CLIENT_IS_GONE: Final = (ConnectionClosed, WebsocketClosed)
"""Exceptions of sending to a client whose connection is closed."""


class FrameSink:
    """Takes the place of what would assemble frames into messages and keep them until they are read; keeps nothing."""

    async def put(self, _frame: Frame) -> None:
        """Drop a frame."""


class Connection(WebSocketProtocol):
    """A connection that holds a slot of the address it comes from, and whose websocket frames are counted."""

    __slots__ = ("_address", "_answering", "_is_cut", "_peer")

    def __init__(self, **arguments: Any) -> None:
        """Make a connection as Sanic does."""
        super().__init__(**arguments)
        self._peer: str | None = None
        self._address = ""
        self._is_cut = False
        self._answering: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        """Open the connection if its address has a slot left, and abort it otherwise."""
        peer = str((transport.get_extra_info("peername") or ("",))[0])
        if self._admission.admits(peer):
            self._peer, self._address = peer, self._admission.address_of_peer(peer)
            super().connection_made(transport)  # type: ignore[no-untyped-call]  # Sanic has it untyped
        else:
            self._admission.cut["connection"] += 1
            self._is_cut = True
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the slot, and drop a request that has not come whole."""
        if self._peer is None:
            return  # it was never admitted
        self._admission.leaves(self._peer)
        self._peer = None
        self._drop_partial_request()
        super().connection_lost(exc)  # type: ignore[no-untyped-call]  # Sanic has it untyped

    def data_received(self, data: bytes) -> None:
        """Take in bytes, unless they exceed what may wait unread, or hold a frame too many."""
        if self._is_cut:
            return
        if self.websocket is None and len(self.recv_buffer) + len(data) > MOST_UNREAD_BYTES:
            self.cut("unread")
            return
        if self.websocket is None:
            super().data_received(data)  # type: ignore[no-untyped-call]  # Sanic has it untyped
        else:
            self._take_frames(self.websocket, data)

    def _take_frames(self, websocket: WebsocketImplProtocol, data: bytes) -> None:
        """Do what Sanic does with a websocket's bytes, once it is known that there is no frame too many."""
        frames = websocket.ws_proto
        frames.receive_data(data)
        if self._is_cut:
            self.cut("frames")
            return
        answers, events = frames.data_to_send(), frames.events_received()
        if answers or events:
            task = self.loop.create_task(_answered(websocket, answers, events))
            self._answering.add(task)  # the event loop itself keeps only weak references to tasks
            task.add_done_callback(self._answering.discard)

    def cut(self, cause: str) -> None:
        """Abort the connection for exceeding a limit, and count it for its address."""
        self._admission.cut_off(self._address, cause)
        self._is_cut = True
        self.abort()

    def abort(self) -> None:
        """Abort the connection; Sanic's own method forgets the transport, and fails where it is asked for later."""
        self._drop_partial_request()
        if self.transport is not None:
            self.transport.abort()

    def close_if_idle(self) -> bool:
        """Close when the server stops; also where half a request has come, which will not be answered."""
        if self.websocket is None and self.http is not None and self.http.stage is Stage.REQUEST:
            self.abort()
            return True
        return bool(super().close_if_idle())  # type: ignore[no-untyped-call]  # Sanic has it untyped

    async def websocket_handshake(self, request: Any, subprotocols: Sequence[str] | None = None) -> Any:
        """Make a websocket of the connection: from now on each of its frames is counted, and none is kept."""
        websocket = await super().websocket_handshake(request, subprotocols)
        self._address = self._admission.address_of(request)
        websocket.assembler = FrameSink()
        websocket.ws_proto.recv_frame = self._counting(websocket.ws_proto.recv_frame)
        return websocket

    def _counting(self, receive: Callable[[Frame], None]) -> Callable[[Frame], None]:
        """Return a receiver of frames that ends the connection where a client sends them too fast."""
        a_minute = self.app.ctx.settings.max_messages_per_minute
        bucket = TokenBucket(a_minute / 60, a_minute)

        def counted(frame: Frame) -> None:
            if not bucket.take():
                self._is_cut = True
                raise ProtocolError("too many frames")  # so that the parser looks at nothing that follows
            receive(frame)

        return counted

    def _drop_partial_request(self) -> None:
        """Drop a request that has not come whole without an answer: there is nobody to take one."""
        if self.http is not None and self.http.stage is Stage.REQUEST:
            self.http.stage = Stage.FAILED

    @property
    def _admission(self) -> AdmissionControl:
        admission: AdmissionControl = self.app.ctx.admission
        return admission


async def _answered(websocket: WebsocketImplProtocol, answers: list[bytes], events: list[Any]) -> None:
    """Send pongs and take in frames; a client may be gone before it has taken its pongs."""
    with contextlib.suppress(RequestCancelled):
        await websocket.async_data_received(answers, events)  # type: ignore[no-untyped-call]  # Sanic has it untyped


def cut_stuck(socket: Websocket) -> None:
    """Cut off the client of a websocket, which takes nothing of what it is sent."""
    connection: Connection = socket.io_proto  # type: ignore[assignment]  # `start_server` makes no others
    connection.cut("stuck")


def close_websocket(socket: Websocket, code: int, reason: str) -> None:
    """Close a websocket without waiting for the client to hang up first: clients wait for the server to."""
    socket.end_connection(code, reason)  # type: ignore[no-untyped-call]  # Sanic has it untyped


def close_after_answer(request: Request) -> None:
    """Close the connection of a request once the request is answered."""
    request.stream.keep_alive = False  # type: ignore[union-attr]  # a request that comes has one


def abort_connection(request: Request) -> None:
    """Abort the connection of a request at once, whatever of its answer has not been taken."""
    if request.transport is not None:
        request.transport.abort()  # type: ignore[attr-defined]  # Sanic names a narrower type than it passes


async def start_server(app: Sanic[Any, Any], listening: sockets.socket) -> AsyncioServer:
    """Start an application in the running event loop, at a socket that listens, and return its server."""
    # Clients go away while their connections are being closed, and Sanic would log each of them as an error.
    logging.getLogger("sanic.websockets").setLevel(logging.CRITICAL)
    # On a terminal it advises a mode for developers, whoever starts it.
    os.environ.setdefault("SANIC_IGNORE_PRODUCTION_WARNING", "true")
    server = await app.create_server(sock=listening, return_asyncio_server=True, access_log=False, protocol=Connection)
    assert server is not None  # noqa: S101  # it is asked for
    await server.startup()  # type: ignore[no-untyped-call]  # Sanic has it untyped
    await server.before_start()  # type: ignore[no-untyped-call]  # see above
    return server


async def stop_server(server: AsyncioServer, seconds: float) -> None:
    """Accept no new connections, close those that are open, and abort what is left of them after some seconds."""
    loop = asyncio.get_running_loop()
    server.server.close()  # type: ignore[attr-defined]  # None only before it has started
    for connection in list(server.connections):
        connection.close_if_idle()
    deadline = loop.time() + seconds
    while server.connections and loop.time() < deadline:
        await asyncio.sleep(0.02)
    for connection in list(server.connections):
        connection.abort()
    await server.before_stop()  # type: ignore[no-untyped-call]  # Sanic has it untyped
    await server.after_stop()  # type: ignore[no-untyped-call]  # see above
