"""The websocket of the stream: who is let in, and how a client is sent away."""

import asyncio
import hashlib
from typing import Any, Final

from sanic import Request, Websocket
from sanic.exceptions import WebsocketClosed
from websockets.exceptions import ConnectionClosed

from runtime.client import Client, Ignored, served_until
from runtime.feeds.feed import FeedFacts
from runtime.guard import Allowance
from runtime.hub import Hub
from runtime.messages import SHADOW_PREFIX, error
from runtime.models import ServedModel, misfits, served
from runtime.overrides import from_texts, overridden
from runtime.query import StreamQuery, parse_query
from runtime.shadows import TooManyError
from runtime.switching import Switchboard
from vpharness.errors import ConfigError, VpharnessError
from vpharness.frames import encode_json
from vpharness.promotion.record import PromotedRecord

POLICY: Final = 1008
TRY_LATER: Final = 1013
_FAREWELL_SECONDS: Final = 2.0
_LONGEST_REASON_BYTES: Final = 120


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
    model = await asyncio.to_thread(_shadow, hub.champion.record, hub.facts, query)
    _require_room(hub)  # others may have come meanwhile
    client = Client(hub, socket, _aborting(socket), query, model, ignored)
    asked = None if model is None else switchboard.shadows.want(model)
    hub.clients.add(client)
    try:
        return await served_until(client, asked)
    finally:
        hub.clients.discard(client)
        if model is not None:
            switchboard.shadows.release(model.name)


def _require_room(hub: Hub) -> None:
    if len(hub.clients) >= hub.settings.max_clients:
        raise TooManyError(f"{len(hub.clients)} clients are connected, which is all that there is room for")


def _shadow(champion: PromotedRecord, facts: FeedFacts, query: StreamQuery) -> ServedModel | None:
    """Return the model that a client's overrides make; a ConfigError says what is wrong with them."""
    if not query.parameters and query.threshold is None:
        return None
    record = overridden(champion, from_texts(query.parameters), query.threshold)
    if found := misfits(record, facts):
        raise ConfigError("; ".join(found))
    names = ("signal_target", "parameters", "threshold", "evaluation", "lattice")
    key = encode_json({name: getattr(record, name) for name in names})
    return served(record, SHADOW_PREFIX + hashlib.sha256(key.encode()).hexdigest()[:16])


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
