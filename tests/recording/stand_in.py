"""A stand-in for Coinbase Exchange on loopback: its websocket and its order book in one server, following a script."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from vpharness.recording.exchange_recorder import RecorderProgress

Script = Callable[["StandIn", ServerConnection], Awaitable[None]]


@dataclass
class StandIn:
    """What the exchange says next, and what it was asked.

    Attributes:
        book: the answer to the next request for a snapshot; None: it has none (HTTP status 503).
        status: the status of that answer.
        progress: how far the recorder has come.
        redirects: the status of the answer to a websocket that is sent elsewhere, `redirected` times by now.
        asked: how often a snapshot was asked for; `asking` is set at each.
    """

    book: Any = None
    status: HTTPStatus = HTTPStatus.OK
    redirects: HTTPStatus | None = None
    redirected: int = 0
    asked: int = 0
    asking: asyncio.Event = field(default_factory=asyncio.Event)
    headers: list[dict[str, str]] = field(default_factory=list)
    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    progress: RecorderProgress = field(default_factory=RecorderProgress)

    @property
    def url(self) -> str:
        """The address of the websocket."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        """The address of the order book."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request for the order book; leave all others to the websocket."""
        if not request.path.startswith("/products/"):
            return self._redirected(connection) if self.redirects else None
        assert request.path == "/products/BTC-USD/book?level=3"
        self.asked += 1
        self.headers.append(dict(request.headers.raw_items()))
        self.asking.set()
        if self.book is None:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "")
        response = connection.respond(self.status, json.dumps(self.book))
        if self.status == HTTPStatus.FOUND:
            response.headers["Location"] = f"{self.rest_url}/products/elsewhere"
        return response

    def _redirected(self, connection: ServerConnection) -> Response:
        """Send a websocket elsewhere: to the same server, under a name that is another host's for its client."""
        self.redirected += 1
        response = connection.respond(self.redirects or HTTPStatus.FOUND, "")
        response.headers["Location"] = f"ws://localhost:{self.port}/elsewhere"
        return response

    async def asked_again(self) -> None:
        """Wait for the next request for a snapshot."""
        await self.asking.wait()
        self.asking.clear()


@asynccontextmanager
async def exchange(*scripts: Script, redirects: HTTPStatus | None = None) -> AsyncIterator[StandIn]:
    """Serve connections with these scripts, one after another; the last one serves all that follow."""
    stand_in = StandIn(redirects=redirects)
    left = list(scripts)

    async def handle(connection: ServerConnection) -> None:
        stand_in.subscriptions.append(json.loads(await connection.recv()))
        await (left.pop(0) if len(left) > 1 else left[0])(stand_in, connection)

    async with serve(handle, "127.0.0.1", 0, process_request=stand_in.answer, close_timeout=0.1) as server:
        stand_in.port = next(iter(server.sockets)).getsockname()[1]
        yield stand_in


async def until_written(stand_in: StandIn, connection: ServerConnection, snapshots: int) -> None:
    """Send heartbeats, as the exchange does each second, until the recorder has written so many snapshots."""
    while stand_in.progress.snapshots < snapshots:
        await send(connection, {"type": "heartbeat", "product_id": "BTC-USD", "sequence": 1})
        await asyncio.sleep(0.005)


async def send(connection: ServerConnection, *messages: Any) -> None:
    """Send messages as JSON."""
    for message in messages:
        await connection.send(json.dumps(message))
