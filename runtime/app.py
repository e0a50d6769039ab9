"""The application: a hub, its engine and its switchboard, behind Sanic."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from sanic import Sanic

from runtime.connection import Connection
from runtime.door import door_of
from runtime.endpoints import add_endpoints
from runtime.engine import Engine
from runtime.feeds.feed import Feed
from runtime.feeds.recorder import RecordedFeed
from runtime.feeds.recording import incomplete
from runtime.guard import Guard
from runtime.handover import handing_over
from runtime.hub import Hub
from runtime.lane import Lane, lane_of, watched
from runtime.metrics import registry_of
from runtime.models import ServedModel, compiled
from runtime.settings import RuntimeParameters
from runtime.switching import Switchboard
from runtime.telling import look_after
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError
from vpharness.modules import PermittedModules

_BACKLOG: Final = 256
_SEND_BUFFER_BYTES: Final = 262_144
"""The system would let megabytes pile up for a client that is slow, all of them old when it comes to read them."""


@dataclass(frozen=True)
class Serving:
    """Everything that is served, checked and made before the first client can come.

    Attributes:
        settings: how the server listens and what it allows.
        token: what clients must show; None where nothing.
        lake: where promotions lie.
        instrument: whose pointer is followed.
        follows: whether the pointer is followed at all; a fixed version is served otherwise.
        feed: the opened feed.
        champion, challengers: the models.
        modules: those that the signals of promotions may come from.
    """

    settings: RuntimeParameters
    token: str | None
    lake: Lake
    instrument: str
    follows: bool
    feed: Feed
    champion: ServedModel
    challengers: tuple[ServedModel, ...]
    modules: PermittedModules


def first_lane(serving: Serving) -> Lane:
    """Return the lane that is served at first; its code has been compiled when this returns."""
    facts, champion = serving.feed.facts, serving.champion
    lane = lane_of(0, champion, compiled(champion, facts), facts)
    lane.beside = {each.name: watched(each, compiled(each, facts), facts) for each in serving.challengers}
    return lane


def create_app(serving: Serving) -> Sanic[Any, Any]:
    """Return the application without its hub, which belongs to the running event loop."""
    settings = serving.settings
    _be_quiet()
    # Applications are registered by name for the whole process, and there may be several in one.
    app: Sanic[Any, Any] = Sanic(f"vpharness-{uuid.uuid4().hex}", configure_logging=False)
    app.config.update(
        {
            "ACCESS_LOG": False,  # addresses may hold a token
            "FALLBACK_ERROR_FORMAT": "text",
            "GRACEFUL_SHUTDOWN_TIMEOUT": settings.stop_s,
            "KEEP_ALIVE_TIMEOUT": 30,
            "REQUEST_MAX_SIZE": 16_384,
            "TOUCHUP": False,  # it rewrites methods of classes, once, and there may be several servers
            "REQUEST_TIMEOUT": 10,
            "RESPONSE_TIMEOUT": 30,
            "WEBSOCKET_MAX_SIZE": settings.max_message_bytes,
        }
    )
    guard = Guard(serving.token, frozenset(settings.allowed_origins), settings.is_loopback)
    app.ctx.guard, app.ctx.door = guard, door_of(settings)
    app.ctx.lake, app.ctx.instrument = serving.lake, serving.instrument
    add_endpoints(app)
    return app


@contextlib.asynccontextmanager
async def running(serving: Serving, lane: Lane) -> AsyncIterator[tuple[Sanic[Any, Any], socket.socket]]:
    """Run the server in this event loop while the block is running; yields the application and its socket.

    Raises ConfigError where it cannot listen.
    """
    app, stop, loop = create_app(serving), threading.Event(), asyncio.get_running_loop()
    hub = Hub(serving.settings, serving.feed.facts, serving.champion, serving.challengers)
    feed = serving.feed
    hub.condition.problem = incomplete(feed)
    if isinstance(feed, RecordedFeed):
        hub.recording = lambda: feed.stopped
    engine = Engine(serving.feed, lane, handing_over(loop, hub.accept, stop))
    switchboard = Switchboard(hub, engine, serving.lake, serving.instrument, serving.challengers, serving.modules)
    app.ctx.hub, app.ctx.switchboard, app.ctx.registry = hub, switchboard, registry_of(hub, app.ctx.door)
    listening = listen(serving.settings.host, serving.settings.port)
    server = await app.create_server(sock=listening, return_asyncio_server=True, access_log=False, protocol=Connection)
    assert server is not None  # noqa: S101  # it is asked for
    await server.startup()  # type: ignore[no-untyped-call]  # Sanic has it untyped
    await server.before_start()  # type: ignore[no-untyped-call]  # see above
    thread = threading.Thread(target=engine.run, args=(stop,), name="engine", daemon=True)
    tasks = [_supervised(look_after(hub), hub, "telling clients how things stand")]
    if serving.follows:
        tasks.append(_supervised(switchboard.watch(), hub, "following what is promoted"))
    thread.start()
    try:
        yield app, listening
    finally:
        stop.set()
        for task in tasks:
            task.cancel()
        switchboard.shadows.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _close(server, serving.settings.stop_s)
        await asyncio.to_thread(thread.join, serving.settings.stop_s)  # it is a daemon, and may wait for the feed


def _supervised(work: Coroutine[Any, Any, None], hub: Hub, what: str) -> "asyncio.Task[None]":
    """Run work for as long as the server runs; where it fails, the log says why and the stream is not ready."""

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            hub.troubles.append(f"{what} has failed")
            asyncio.get_running_loop().call_exception_handler({"message": what, "exception": problem})

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task


def _be_quiet() -> None:
    """Have Sanic say nothing of clients that are gone while it closes their connections: that is what clients do."""
    logging.getLogger("sanic.websockets").setLevel(logging.CRITICAL)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; a ConfigError says why there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)  # connections inherit it
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except (OSError, UnicodeError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"cannot listen at {host}, port {port}: {reason}; choose another runtime.host or runtime.port"
        ) from error
    return listening


def heed_signals(nudge: Callable[[], object]) -> asyncio.Event:
    """Return what SIGINT and SIGTERM set from now on; SIGHUP calls `nudge`."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, nudge)
    return stopped


async def _close(server: Any, seconds: float) -> None:
    """Take no new clients, tell those that there are, and wait until they have gone or their time is over."""
    server.server.close()
    for connection in list(server.connections):
        connection.close_if_idle()
    deadline = asyncio.get_running_loop().time() + seconds
    while server.connections and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
    for connection in list(server.connections):
        connection.abort()
    await server.before_stop()
    await server.after_stop()
