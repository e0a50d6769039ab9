"""The server: a stream with its engine and rollout, behind a Sanic application."""

import asyncio
import contextlib
import signal
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from sanic import Sanic

from runtime.alerts.claim_watch import ClaimWatch
from runtime.alerts.webhook import Receiver, Webhook
from runtime.config.server_parameters import RuntimeParameters
from runtime.engine.bridge import bridge_to
from runtime.engine.models import ServedModel, compiled_session
from runtime.engine.pipeline import Pipeline, new_pipeline, running_model
from runtime.engine.scoring_engine import ScoringEngine
from runtime.feeds.feed import Feed
from runtime.feeds.recorder import RecordedFeed
from runtime.feeds.recording_feed import incomplete
from runtime.rollout.rollout import Rollout
from runtime.stream.live_stream import LiveStream
from runtime.stream.status import broadcast_status
from runtime.web.admission import new_admission_control
from runtime.web.auth import AccessPolicy
from runtime.web.endpoints import add_endpoints
from runtime.web.metrics import registry_of
from runtime.web.sanic_adapter import start_server, stop_server
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError
from vpharness.modules import PermittedModules

_BACKLOG: Final = 256
_SEND_BUFFER_BYTES: Final = 262_144
"""By default the system would buffer megabytes for a slow client, all of them stale once it reads them."""


@dataclass(frozen=True)
class ServerSetup:
    """Everything that a server needs, checked and made before the first client can connect.

    Attributes:
        settings: how the server listens and what it allows.
        token: what clients must show; None where nothing.
        lake: where promotions lie.
        instrument: whose pointer is followed.
        follows: whether the pointer is followed at all; a fixed version is served otherwise.
        feed: the opened feed.
        champion, challengers: the models.
        modules: those that the signals of promotions may come from.
        receiver: whom changes of what may be claimed are told; None where nobody.
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
    receiver: Receiver | None = None


def first_pipeline(serving: ServerSetup) -> Pipeline:
    """Return the pipeline that is served first, with all of its machine code compiled."""
    facts, champion = serving.feed.facts, serving.champion
    allows_what_ifs = serving.settings.max_shadows > 0
    pipeline = new_pipeline(0, champion, compiled_session(champion, facts), facts, allows_what_ifs=allows_what_ifs)
    pipeline.others = {
        each.name: running_model(each, compiled_session(each, facts), facts) for each in serving.challengers
    }
    return pipeline


def create_app(serving: ServerSetup) -> Sanic[Any, Any]:
    """Return the application without its stream, which belongs to the running event loop."""
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
    app.ctx.lake, app.ctx.instrument = serving.lake, serving.instrument
    add_endpoints(app)
    return app


@contextlib.asynccontextmanager
async def running(serving: ServerSetup, pipeline: Pipeline) -> AsyncIterator[tuple[Sanic[Any, Any], socket.socket]]:
    """Run the server in this event loop while the block is running; yields the application and its socket.

    Raises ConfigError where it cannot listen.
    """
    app, stop, loop = create_app(serving), threading.Event(), asyncio.get_running_loop()
    stream = LiveStream(serving.settings, serving.feed.facts, serving.champion, serving.challengers)
    feed = serving.feed
    stream.health.problem = incomplete(feed)
    if isinstance(feed, RecordedFeed):
        stream.recording = lambda: feed.stopped
    engine = ScoringEngine(serving.feed, pipeline, bridge_to(loop, stream.handle, stop))
    rollout = Rollout(stream, engine, serving.lake, serving.instrument, serving.challengers, serving.modules)
    webhook = None
    if serving.receiver is not None:
        webhook = Webhook(serving.receiver, serving.settings.alerts.timeout_s, _log)
    watch = ClaimWatch(stream, serving.lake, serving.instrument, serving.modules, webhook, follows=serving.follows)
    app.ctx.stream, app.ctx.rollout = stream, rollout
    app.ctx.registry = registry_of(stream, app.ctx.admission, webhook)
    listening = listen(serving.settings.host, serving.settings.port)
    server = await start_server(app, listening)
    thread = threading.Thread(target=engine.run, args=(stop,), name="engine", daemon=True)
    tasks = [_supervised(broadcast_status(stream), stream, "telling clients how things stand")]
    tasks.append(_supervised(watch.follow(), stream, "watching what may be claimed of the models"))
    if serving.follows:
        tasks.append(_supervised(rollout.follow_pointer(), stream, "following what is promoted"))
    thread.start()
    try:
        yield app, listening
    finally:
        stop.set()
        for task in tasks:
            task.cancel()
        rollout.shadows.close()
        app.ctx.board.close()
        if webhook is not None:
            webhook.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        await stop_server(server, serving.settings.stop_s)
        await asyncio.to_thread(thread.join, serving.settings.stop_s)  # it is a daemon, and may wait for the feed


def _log(line: str) -> None:
    print(f"runtime: {line}", flush=True)


def _supervised(work: Coroutine[Any, Any, None], stream: LiveStream, what: str) -> "asyncio.Task[None]":
    """Run work as long as the server runs; where it fails, the reason is logged and the stream is not ready."""

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            stream.troubles.append(f"{what} has failed")
            asyncio.get_running_loop().call_exception_handler({"message": what, "exception": problem})

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task


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
