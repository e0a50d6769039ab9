"""The websocket of the stream: who is let in, and how a client is sent away."""

import asyncio
import hashlib
from typing import Any, Final

from sanic import Request, Websocket
from sanic.exceptions import WebsocketClosed
from websockets.exceptions import ConnectionClosed

from runtime.client import Client, Ignored, served_until
from runtime.guard import Allowance
from runtime.hub import Hub
from runtime.messages import SHADOW_PREFIX, error
from runtime.models import ServedModel, served
from runtime.overrides import from_texts, overridden
from runtime.query import StreamQuery, parse_query
from runtime.switching import Switchboard
from vpharness.errors import VpharnessError
from vpharness.frames import encode_json

POLICY: Final = 1008
TRY_LATER: Final = 1013
_FAREWELL_SECONDS: Final = 2.0
_LONGEST_REASON_BYTES: Final = 120


class TooManyError(VpharnessError):
    """There is no room for a client now."""


async def stream(request: Request, socket: Websocket) -> None:
    """Serve the stream to a client until it goes."""
    hub: Hub = request.app.ctx.hub
    ignored = Ignored(hub.settings.max_messages_per_minute)
    socket.assembler = ignored  # type: ignore[assignment]  # it has what Sanic calls of one
    try:
        said = await _serve(request, socket, hub, ignored)
        code = POLICY
    except TooManyError as problem:
        said, code = str(problem), TRY_LATER
    except VpharnessError as problem:
        said, code = str(problem), POLICY
    except (ConnectionClosed, WebsocketClosed):
        return
    if said is not None:
        await _send_away(socket, said, code)


async def _serve(request: Request, socket: Websocket, hub: Hub, ignored: Ignored) -> str | None:
    allowance: Allowance = request.app.ctx.allowance
    if not allowance.take():
        raise TooManyError("too many streams are being opened; try again in a few seconds")
    _require_room(hub)
    query = parse_query(request.query_string, hub.settings.max_query_bytes, hub.settings.buffer_bins)
    switchboard: Switchboard = request.app.ctx.switchboard
    model = await asyncio.to_thread(_shadow, hub, query)
    _require_room(hub)  # others may have come meanwhile
    client = Client(hub, socket, _aborting(socket), query, model, ignored)
    asked = None
    hub.clients.add(client)
    try:
        if model is not None and model.name not in hub.shadow_models:
            asked = asyncio.create_task(switchboard.add_shadow(model))
        return await served_until(client, asked)
    finally:
        hub.clients.discard(client)
        if model is not None and all(other.shadow != model.name for other in hub.clients):
            switchboard.drop_shadow(model.name)


def _require_room(hub: Hub) -> None:
    if len(hub.clients) >= hub.settings.max_clients:
        raise TooManyError(f"{len(hub.clients)} clients are connected, which is all that there is room for")


def _shadow(hub: Hub, query: StreamQuery) -> ServedModel | None:
    """Return the model that a client's overrides make; a ConfigError says what is wrong with them."""
    if not query.parameters and query.threshold is None:
        return None
    record = overridden(hub.champion.record, from_texts(query.parameters), query.threshold)
    key = encode_json({"signal": record.signal_target, **record.parameters, "threshold": record.threshold})
    name = SHADOW_PREFIX + hashlib.sha256(key.encode()).hexdigest()[:16]
    others = {client.shadow for client in hub.clients} - {None, name}
    if len(others) >= hub.settings.max_shadows:
        raise TooManyError(f"clients have asked for {len(others)} overrides already, which is all that are scored")
    return served(record, name)


def _aborting(socket: Any) -> Any:
    """Return what closes a websocket's connection at once, whatever waits to be sent."""

    def abort() -> None:
        if socket.io_proto is not None and socket.io_proto.transport is not None:
            socket.io_proto.transport.abort()

    return abort


async def _send_away(socket: Websocket, said: str, code: int) -> None:
    """Tell a client why, and close; one that is gone already, or takes nothing, is left."""
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await socket.send(error(said))
    except (ConnectionClosed, WebsocketClosed, TimeoutError):
        return
    # It would wait for the client to hang up first, and clients wait for the server to.
    socket.end_connection(code, said.encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore"))  # type: ignore[no-untyped-call]  # Sanic has it untyped
