"""The websocket of the stream: who is let in, and how a client is sent away."""

import asyncio
from typing import Final, NoReturn

from sanic import Request, Websocket
from sanic.exceptions import WebsocketClosed
from websockets.exceptions import ConnectionClosed

from runtime.client import Client, served_until
from runtime.connection import Connection
from runtime.door import Door
from runtime.hub import Hub
from runtime.messages import error
from runtime.query import StreamQuery, parse_query
from runtime.shadows import Shadows, TooManyError
from vpharness.errors import VpharnessError

POLICY: Final = 1008
TRY_LATER: Final = 1013
_FAREWELL_SECONDS: Final = 2.0
_LONGEST_REASON_BYTES: Final = 120


async def stream(request: Request, socket: Websocket) -> None:
    """Serve the stream to a client until it goes."""
    try:
        await _serve(request, socket)
    except TooManyError as problem:
        await _send_away(socket, str(problem), TRY_LATER)
    except VpharnessError as problem:
        await _send_away(socket, str(problem), POLICY)
    except (ConnectionClosed, WebsocketClosed):
        return


async def _serve(request: Request, socket: Websocket) -> NoReturn:
    hub: Hub = request.app.ctx.hub
    door: Door = request.app.ctx.door
    address = door.address_of(request)
    if not door.openings.take(address):
        raise TooManyError("too many streams are being opened; try again in a few seconds")
    query = parse_query(request.query_string, hub.settings.max_query_bytes, hub.settings.buffer_bins)
    if not door.streams.take(address):
        raise TooManyError(_no_room(door))
    try:
        await _serve_asked(request, socket, query, address)
    finally:
        door.streams.give_back(address)


def _no_room(door: Door) -> str:
    streams = door.streams
    if streams.taken < streams.capacity:
        return f"{streams.taken} clients are connected, and what room there is is for those at other addresses"
    return f"{streams.taken} clients are connected, which is all that there is room for"


async def _serve_asked(request: Request, socket: Websocket, query: StreamQuery, address: str) -> NoReturn:
    hub: Hub = request.app.ctx.hub
    shadows: Shadows = request.app.ctx.switchboard.shadows
    connection: Connection = socket.io_proto  # type: ignore[assignment]  # the server makes no others
    model = None
    if query.parameters or query.threshold is not None:
        model = await shadows.asked(query, address, request.app.ctx.door)
    client = Client(hub, socket, lambda: connection.cut("stuck"), query, model)
    scored = None if model is None else shadows.want(model, address)
    hub.clients.add(client)
    try:
        await served_until(client, scored)
    finally:
        hub.clients.discard(client)
        if model is not None:
            shadows.release(model.name)


async def _send_away(socket: Websocket, said: str, code: int) -> None:
    """Tell a client why, and close; one that is gone already, or takes nothing, is left."""
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await socket.send(error(said))
    except (ConnectionClosed, WebsocketClosed, TimeoutError):
        return
    # It would wait for the client to hang up first, and clients wait for the server to.
    socket.end_connection(code, said.encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore"))  # type: ignore[no-untyped-call]  # Sanic has it untyped
