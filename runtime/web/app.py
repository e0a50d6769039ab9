"""The server: its feeds, each with a stream, behind one Sanic application."""

import asyncio
import contextlib
import signal
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from sanic import Sanic

from runtime.alerts.webhook import Webhook
from runtime.engine.pipeline import Pipeline
from runtime.rollout.shadow_pool import ShadowPool
from runtime.stream.limits import ThrottledLock
from runtime.web.admission import new_admission_control
from runtime.web.auth import AccessPolicy
from runtime.web.endpoints import add_endpoints
from runtime.web.metrics import registry_of
from runtime.web.running_feeds import RunningFeeds
from runtime.web.sanic_adapter import start_server, stop_server
from runtime.web.served_feed import SharedParts
from runtime.web.server_setup import ServerSetup
from vpharness.errors import ConfigError

_BACKLOG: Final = 256
_SEND_BUFFER_BYTES: Final = 262_144
"""By default the system would buffer megabytes for a slow client, all of them stale once it reads them."""


def create_app(serving: ServerSetup) -> Sanic[Any, Any]:
    """Return the application without its feeds, which belong to the running event loop."""
    settings = serving.settings
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
    access = AccessPolicy(serving.token, frozenset(settings.allowed_origins), settings.is_loopback)
    app.ctx.access, app.ctx.admission = access, new_admission_control(settings)
    app.ctx.lake, app.ctx.settings = serving.lake, settings
    add_endpoints(app)
    return app


@contextlib.asynccontextmanager
async def running(
    serving: ServerSetup, pipelines: Mapping[str, Pipeline]
) -> AsyncIterator[tuple[Sanic[Any, Any], socket.socket]]:
    """Run the server in this event loop while the block is running; yields the application and its socket.

    `pipelines` has that of each feed, by the feed's name. Raises ConfigError where it cannot listen.
    """
    app, stop, settings = create_app(serving), threading.Event(), serving.settings
    webhook = None if serving.receiver is None else Webhook(serving.receiver, settings.alerts.timeout_s, _log)
    shared = SharedParts(ShadowPool(settings), ThrottledLock(), webhook, stop)
    feeds = RunningFeeds(serving, pipelines, shared)
    app.ctx.running, app.ctx.feeds = feeds, feeds.served
    app.ctx.registry = registry_of(
        lambda: [each.stream for each in feeds.served.values()], app.ctx.admission, settings, webhook
    )
    listening = listen(settings.host, settings.port)
    server = await start_server(app, listening)
    feeds.start()
    try:
        yield app, listening
    finally:
        stop.set()
        app.ctx.board.close()
        if webhook is not None:
            webhook.close()
        await feeds.end_tasks()
        await stop_server(server, settings.stop_s)
        await feeds.join(settings.stop_s)


def _log(line: str) -> None:
    print(f"runtime: {line}", flush=True)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises ConfigError where there can be none."""
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


def stop_on_signals(nudge: Callable[[], object]) -> asyncio.Event:
    """Return the event that SIGINT and SIGTERM set from now on; SIGHUP calls `nudge`."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, nudge)
    return stopped
