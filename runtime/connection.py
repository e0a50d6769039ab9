"""A client's connection: the one place where what Sanic and websockets do with its bytes is changed.

Whoever sends more than is allowed is cut off at once, whatever waits to be read or sent: nothing is said any more that
a client would have to take, and of what it sent beyond, nothing is looked at.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from sanic.exceptions import RequestCancelled
from sanic.http.constants import Stage
from sanic.server.protocols.websocket_protocol import WebSocketProtocol
from sanic.server.websockets.impl import WebsocketImplProtocol
from websockets.exceptions import ProtocolError
from websockets.frames import Frame

from runtime.door import Door
from runtime.guard import Allowance

MOST_UNREAD_BYTES: Final = 32_768
"""Of a request: its head has 8 kB at most, and nothing here takes a body."""


class Forgetful:
    """Takes what Sanic would put together to messages and keep until they are read, and forgets it."""

    async def put(self, _frame: Frame) -> None:
        """Forget a frame."""


class Connection(WebSocketProtocol):
    """A connection that has a place by the address it comes from, and whose every frame counts."""

    __slots__ = ("_address", "_answering", "_is_cut", "_peer")

    def __init__(self, **arguments: Any) -> None:
        """Make a connection as Sanic does."""
        super().__init__(**arguments)
        self._peer: str | None = None
        self._address = ""
        self._is_cut = False
        self._answering: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        """Begin, if there is room for it."""
        peer = str((transport.get_extra_info("peername") or ("",))[0])
        if self._door.admits(peer):
            self._peer, self._address = peer, self._door.address_of_peer(peer)
            super().connection_made(transport)  # type: ignore[no-untyped-call]  # Sanic has it untyped
        else:
            self._door.cut["connection"] += 1
            self._is_cut = True
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._peer is None:
            return  # it had not begun
        self._door.leaves(self._peer)
        self._peer = None
        self._leave_unanswered()
        super().connection_lost(exc)  # type: ignore[no-untyped-call]  # Sanic has it untyped

    def data_received(self, data: bytes) -> None:
        """Take in bytes, unless they are too many, or too many frames."""
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
        """Do what Sanic does, once it is known that there is no frame too many."""
        frames = websocket.ws_proto
        frames.receive_data(data)
        if self._is_cut:
            self.cut("frames")
            return
        answers, events = frames.data_to_send(), frames.events_received()
        if answers or events:
            task = self.loop.create_task(_answered(websocket, answers, events))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    def cut(self, what_for: str) -> None:
        """Close the connection at once."""
        self._door.cut_off(self._address, what_for)
        self._is_cut = True
        self.abort()

    def abort(self) -> None:
        """Close the connection at once; Sanic would forget the transport, and fail where it is asked for later."""
        self._leave_unanswered()
        if self.transport is not None:
            self.transport.abort()

    def close_if_idle(self) -> bool:
        """Ask it to go when the server stops: a request that has not come whole will not be answered."""
        if self.websocket is None and self.http is not None and self.http.stage is Stage.REQUEST:
            self.abort()
            return True
        return bool(super().close_if_idle())  # type: ignore[no-untyped-call]  # Sanic has it untyped

    async def websocket_handshake(self, request: Any, subprotocols: Sequence[str] | None = None) -> Any:
        """Make a websocket of the connection: from now on each of its frames counts, and none is kept."""
        websocket = await super().websocket_handshake(request, subprotocols)
        self._address = self._door.address_of(request)
        websocket.assembler = Forgetful()
        websocket.ws_proto.recv_frame = self._counting(websocket.ws_proto.recv_frame)
        return websocket

    def _counting(self, receive: Callable[[Frame], None]) -> Callable[[Frame], None]:
        a_minute = self.app.ctx.hub.settings.max_messages_per_minute
        allowance = Allowance(a_minute / 60, a_minute)

        def counted(frame: Frame) -> None:
            if not allowance.take():
                self._is_cut = True
                raise ProtocolError("too many frames")  # the parser looks at nothing that follows
            receive(frame)

        return counted

    def _leave_unanswered(self) -> None:
        """Drop a request that has not come whole without an answer: there is nobody to take one."""
        if self.http is not None and self.http.stage is Stage.REQUEST:
            self.http.stage = Stage.FAILED

    @property
    def _door(self) -> Door:
        door: Door = self.app.ctx.door
        return door


async def _answered(websocket: WebsocketImplProtocol, answers: list[bytes], events: list[Any]) -> None:
    """Send pongs and take in frames; a client may be gone before it has taken its pongs."""
    with contextlib.suppress(RequestCancelled):
        await websocket.async_data_received(answers, events)  # type: ignore[no-untyped-call]  # Sanic has it untyped
