"""A server in the test's own event loop, and clients that read it as any program would."""

import asyncio
import base64
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sanic import Sanic
from websockets.asyncio.client import ClientConnection, connect

from runtime.alerts.webhook import Receiver
from runtime.config.server_parameters import TOKEN_VARIABLE, RuntimeParameters
from runtime.engine.models import ServedModel, served_model
from runtime.feeds.feed import Feed
from runtime.rollout.rollout import Rollout
from runtime.serve import main
from runtime.stream.live_stream import LiveStream
from runtime.web.app import running
from runtime.web.served_feed import ServedFeed, feed_named
from runtime.web.server_setup import FeedSetup, ServerSetup, first_pipelines
from tests.runtime.market import ScriptedFeed
from tests.runtime.records import record_of
from vpharness.datasets.lake import Lake
from vpharness.modules import PermittedModules
from vpharness.promotion.serving import PromotedRecord

PATIENCE_S = 30.0
"""How long a test waits for what must come: far longer than it takes."""


def assert_refused(
    words: Sequence[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Start the server with some words, and see that it says in one line what is wrong, and serves nothing."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    port = [] if any(word.startswith("runtime.port=") for word in words) else ["runtime.port=0"]
    assert main([*port, *words]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that is running."""

    app: Sanic[Any, Any]
    port: int
    lake: Lake

    @property
    def stream(self) -> LiveStream:
        """Its stream."""
        return self.feed().stream

    @property
    def rollout(self) -> Rollout:
        """Its rollout."""
        return self.feed().rollout

    def feed(self, name: str | None = None) -> ServedFeed:
        """Return a feed, or the only one."""
        return feed_named(self.app.ctx.feeds, name)

    def url(self, query: str = "") -> str:
        """Return the address of the stream."""
        return f"ws://127.0.0.1:{self.port}/v1/stream" + (f"?{query}" if query else "")

    @contextlib.asynccontextmanager
    async def client(self, query: str = "", **options: Any) -> AsyncIterator["Client"]:
        """Open the stream."""
        async with connect(self.url(query), max_size=None, max_queue=None, proxy=None, **options) as socket:
            yield Client(socket)

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that the engine's and the loop's threads make true."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def server(
    folder: Path,
    feed: Feed | None = None,
    record: PromotedRecord | None = None,
    *,
    challengers: Iterable[ServedModel] = (),
    token: str | None = None,
    receiver: Receiver | None = None,
    **settings: Any,
) -> AsyncIterator[Server]:
    """Serve a record on a feed, at a free port."""
    chosen = RuntimeParameters(**{"port": 0, "buffer_bins": 600, "watch_s": 0.05, "stop_s": 1.0, **settings})
    served = FeedSetup(
        settings=chosen,
        instrument="SYN",
        follows=True,
        feed=feed or ScriptedFeed(),
        champion=served_model(record or record_of()),
        challengers=tuple(challengers),
    )
    async with serving_feeds(folder, [served], token=token, receiver=receiver) as running_server:
        yield running_server


@contextlib.asynccontextmanager
async def serving_feeds(
    folder: Path, feeds: Sequence[FeedSetup], *, token: str | None = None, receiver: Receiver | None = None
) -> AsyncIterator[Server]:
    """Serve some feeds, with the settings of the first of them."""
    lake = Lake(folder)
    modules = PermittedModules(folder, ("tests.runtime",), "runtime.signal_modules")
    setup = ServerSetup(feeds[0].settings, token, lake, tuple(feeds), modules, receiver)
    async with running(setup, first_pipelines(setup)) as (app, listening):
        yield Server(app, listening.getsockname()[1], lake)


@dataclasses.dataclass
class Client:
    """One reader of the stream; bins come with their cells, whatever else comes between."""

    socket: ClientConnection
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    statuses: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    configs: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    pasts: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)  # of its shadow, by the bin's seq
    ahead: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # a history may hold more than was asked for

    async def message(self) -> dict[str, Any]:
        """Return the next text message."""
        async with asyncio.timeout(PATIENCE_S):
            text = await self.socket.recv()
        assert isinstance(text, str)
        found: dict[str, Any] = json.loads(text)
        return found

    async def hello(self) -> dict[str, Any]:
        """Return the first message."""
        self._configure(await self.message())
        return self.config

    async def bins(self, count: int) -> list[dict[str, Any]]:
        """Return the next bins, each with its grid under "grid"."""
        found, self.ahead = self.ahead, []
        async with asyncio.timeout(PATIENCE_S):
            while len(found) < count:
                found += await self.some_bins()
        found, self.ahead = found[:count], found[count:]
        return found

    async def some_bins(self) -> list[dict[str, Any]]:
        """Return the next bin, or bins of history, and remember what comes before."""
        while True:
            message = await self.message()
            if message["type"] == "status":
                self.statuses.append(message)
            elif message["type"] == "runtime_config":
                self._configure(message)
            elif message["type"] == "shadow_history":
                self.pasts |= {each["seq"]: each for each in message["updates"]}
            elif message["type"] == "grid_update":
                return await self._with_cells([message])
            elif message["type"] == "grid_history":
                return await self._with_cells(message["updates"])
            else:
                raise AssertionError(message)

    def _configure(self, config: dict[str, Any]) -> None:
        assert config["type"] == "runtime_config"
        self.config = config
        self.configs.append(config)

    async def _with_cells(self, updates: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not self.config["fields"]:
            return updates
        async with asyncio.timeout(PATIENCE_S):
            binary = await self.socket.recv()
        assert isinstance(binary, bytes)
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.config["schema"])))
        batch = pa.ipc.read_record_batch(pa.py_buffer(binary), schema)
        cells = 2 * self.config["radius"] + 1
        assert batch.num_rows == cells * len(updates)
        return [
            {**update, "grid": {name: batch[name].to_numpy()[n * cells : (n + 1) * cells] for name in schema.names}}
            for n, update in enumerate(updates)
        ]
