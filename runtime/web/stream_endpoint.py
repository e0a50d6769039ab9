"""The websocket endpoint `/v1/stream`: which clients are admitted, and how one is refused."""

import asyncio
from collections.abc import Mapping
from typing import Final, NoReturn

from sanic import Request, Websocket

from runtime.stream.client import Client, serve_client
from runtime.stream.limits import TooManyError
from runtime.stream.query import StreamQuery, parse_query
from runtime.stream.stream_messages import error
from runtime.web.admission import AdmissionControl
from runtime.web.sanic_adapter import CLIENT_IS_GONE, close_websocket, cut_stuck
from runtime.web.served_feed import ServedFeed, feed_named
from vpharness.errors import VpharnessError

POLICY: Final = 1008
"""The close code of RFC 6455 for a request that breaks the server's rules, such as an unknown key."""

TRY_LATER: Final = 1013
"""The registered close code for a server that is too busy now."""

_FAREWELL_SECONDS: Final = 2.0
_LONGEST_REASON_BYTES: Final = 120


async def serve_stream(request: Request, socket: Websocket) -> None:
    """Serve the stream to a client until it goes."""
    try:
        await _serve(request, socket)
    except TooManyError as problem:
        await _refuse(socket, str(problem), TRY_LATER)
    except VpharnessError as problem:
        await _refuse(socket, str(problem), POLICY)
    except CLIENT_IS_GONE:
        return


async def _serve(request: Request, socket: Websocket) -> NoReturn:
    """Admit a client to the stream for as long as it stays; TooManyError where there is no room for it."""
    feeds: Mapping[str, ServedFeed] = request.app.ctx.feeds
    admission: AdmissionControl = request.app.ctx.admission
    address = admission.address_of(request)
    if not admission.openings.take(address):
        raise TooManyError("too many streams are being opened; try again in a few seconds")
    most_history = max(each.setup.settings.buffer_bins for each in feeds.values())
    query = parse_query(request.query_string, request.app.ctx.settings.max_query_bytes, most_history)
    feed = feed_named(feeds, query.feed)
    if not admission.streams.take(address):
        raise TooManyError(_no_room(admission))
    try:
        await _serve_asked(request, socket, feed, query, address)
    finally:
        admission.streams.give_back(address)


def _no_room(admission: AdmissionControl) -> str:
    """Return why there is no slot for a stream: all are taken, or those that one address may have."""
    streams = admission.streams
    if streams.taken < streams.capacity:
        return f"{streams.taken} clients are connected; the remaining places are reserved for other addresses"
    return f"{streams.taken} clients are connected, which is the maximum"


async def _serve_asked(
    request: Request, socket: Websocket, feed: ServedFeed, query: StreamQuery, address: str
) -> NoReturn:
    """Serve what a query asks for, scored by a model of the client's own where it gives overrides."""
    stream, shadows = feed.stream, feed.rollout.shadows
    model = None
    if query.parameters or query.threshold is not None:
        model = await shadows.model_for(query, address, request.app.ctx.admission.shadow_requests)
    client = Client(stream, socket, lambda: cut_stuck(socket), query, model)
    scored = None if model is None else shadows.acquire(model, address)
    stream.clients.add(client)
    try:
        await serve_client(client, scored)
    finally:
        stream.clients.discard(client)
        if model is not None:
            shadows.release(model.name)


async def _refuse(socket: Websocket, reason: str, code: int) -> None:
    """Send a client the reason, and close; one that is gone already, or takes nothing, is left."""
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await socket.send(error(reason))
    except (*CLIENT_IS_GONE, TimeoutError):
        return
    close_websocket(socket, code, reason.encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore"))
