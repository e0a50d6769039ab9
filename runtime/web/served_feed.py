"""A feed while it is served: its stream with the engine, the rollout and the watch that belong to it.

Each feed has an engine's thread, a pipeline, buffers and tasks of its own, and shares none of them: what fails in one
ends or stops that one alone. Common to all feeds are the event loop, which sends, and the limits on clients.
"""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.alerts.claim_watch import ClaimWatch
from runtime.alerts.webhook import Webhook
from runtime.engine.bridge import MOST_PENDING_EVENTS, PENDING_BESIDE_OTHERS, bridge_to
from runtime.engine.pipeline import Pipeline
from runtime.engine.scoring_engine import ScoringEngine
from runtime.feeds.feed_recorder import RecordedFeed
from runtime.feeds.recording_feed import incomplete
from runtime.rollout.rollout import Rollout
from runtime.rollout.shadow_pool import ShadowPool
from runtime.stream.limits import ThrottledLock
from runtime.stream.live_stream import LiveStream
from runtime.stream.status import broadcast_status
from runtime.web.server_setup import FeedSetup, ServerSetup
from vpharness.errors import ConfigError


@dataclass(frozen=True)
class ServedFeed:
    """A feed that is served, with everything of its own."""

    setup: FeedSetup
    stream: LiveStream
    engine: ScoringEngine
    rollout: Rollout
    watch: ClaimWatch

    @property
    def name(self) -> str:
        """What it is called; empty for the only feed of a server, which needs no name."""
        return self.setup.name


@dataclass(frozen=True)
class SharedParts:
    """What all feeds of a server share.

    Attributes:
        shadows: the limits on shadow models.
        history_lock: throttles the encoding of past bins, which keeps the event loop busy.
        webhook: where changes of what may be claimed are told; None where nowhere.
        stop: set when the server stops.
    """

    shadows: ShadowPool
    history_lock: ThrottledLock
    webhook: Webhook | None
    stop: threading.Event


def served_feed(server: ServerSetup, setup: FeedSetup, pipeline: Pipeline, shared: SharedParts) -> ServedFeed:
    """Return a feed that is ready to be served in the running event loop, before its first step."""
    feed, loop = setup.feed, asyncio.get_running_loop()
    stream = LiveStream(setup.settings, feed.facts, setup.champion, setup.challengers, setup.name, shared.history_lock)
    stream.health.problem = incomplete(feed)
    if isinstance(feed, RecordedFeed):
        stream.recording = lambda: feed.stopped
    has_neighbours = len(server.feeds) > 1
    most_pending = PENDING_BESIDE_OTHERS if has_neighbours else MOST_PENDING_EVENTS
    emit = bridge_to(loop, stream.handle, shared.stop, most_pending)
    engine = ScoringEngine(feed, pipeline, emit, has_neighbours=has_neighbours)
    of = server.lake, setup.instrument
    rollout = Rollout(stream, engine, *of, setup.challengers, server.modules, shared.shadows)
    watch = ClaimWatch(stream, *of, server.modules, shared.webhook, follows=setup.follows)
    return ServedFeed(setup, stream, engine, rollout, watch)


@dataclass(frozen=True)
class StartedFeed:
    """The thread of a feed's engine, and the tasks beside it."""

    thread: threading.Thread
    tasks: "tuple[asyncio.Task[None], ...]"


def start_feed(feed: ServedFeed, stop: threading.Event) -> StartedFeed:
    """Begin to follow a feed, and what belongs to it, until `stop` is set and the tasks are cancelled."""
    stream = feed.stream
    works: list[tuple[Coroutine[Any, Any, None], str]] = [
        (broadcast_status(stream), "telling clients how things stand"),
        (feed.watch.follow(), "watching what may be claimed of the models"),
    ]
    if feed.setup.follows:
        works.append((feed.rollout.follow_pointer(), "following what is promoted"))
    name = f"engine {feed.name}".rstrip()
    thread = threading.Thread(target=feed.engine.run, args=(stop,), name=name, daemon=True)
    tasks = tuple(_supervised(work, stream, what) for work, what in works)
    thread.start()
    return StartedFeed(thread, tasks)


def feed_named(feeds: Mapping[str, ServedFeed], name: str | None) -> ServedFeed:
    """Return the feed of a name, or the first one where none is given; a ConfigError names those that there are."""
    if name is None:
        return next(iter(feeds.values()))
    if name and name in feeds:
        return feeds[name]
    names = ", ".join(feeds)
    raise ConfigError(
        f"feed is {name[:40]!r}; the feeds are {names}" if names else "the server has one feed: leave out feed="
    )


def _supervised(work: Coroutine[Any, Any, None], stream: LiveStream, what: str) -> "asyncio.Task[None]":
    """Run work as long as the server runs; where it fails, the reason is logged and the stream is not ready."""

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            stream.troubles.append(f"{what} has failed")
            asyncio.get_running_loop().call_exception_handler({"message": what, "exception": problem})

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task
