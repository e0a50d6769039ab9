"""The feeds of a server while it runs: started, opened anew where one has failed, and stopped."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from runtime.engine.pipeline import Pipeline
from runtime.web.served_feed import ServedFeed, SharedParts, StartedFeed, served_feed, start_feed
from runtime.web.server_setup import FeedSetup, ServerSetup, first_pipeline
from vpharness.errors import VpharnessError


class RunningFeeds:
    """The feeds of a server, by name.

    Attributes:
        served: the feeds as they are served now.
    """

    def __init__(self, server: ServerSetup, pipelines: Mapping[str, Pipeline], shared: SharedParts) -> None:
        """Make all feeds, with the first pipeline of each; none of them is started."""
        self._server, self._shared = server, shared
        self.served = {each.name: served_feed(server, each, pipelines[each.name], shared) for each in server.feeds}
        self._started: dict[str, StartedFeed] = {}
        self._reopened: dict[str, contextlib.ExitStack] = {}
        self._reopening: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start all feeds."""
        for name, feed in self.served.items():
            self._started[name] = start_feed(feed, self._shared.stop)

    def check_now(self) -> None:
        """Look at what is promoted, and open those of several feeds anew that have failed."""
        for feed in self.served.values():
            feed.rollout.check_now()
        if self._reopening is None or self._reopening.done():
            self._reopening = asyncio.create_task(self._reopen_failed())

    async def _reopen_failed(self) -> None:
        for name, feed in list(self.served.items()):
            if name and feed.stream.health.state == "ended" and feed.stream.health.problem is not None:
                await self._reopen(feed)

    async def _reopen(self, feed: ServedFeed) -> None:
        """Open a feed anew and serve it in place of the one that has failed, whose clients are asked to come again."""
        if feed.setup.reopen is None:
            return
        held = contextlib.ExitStack()
        try:
            setup: FeedSetup = await asyncio.to_thread(held.enter_context, feed.setup.reopen())
            pipeline = await asyncio.to_thread(first_pipeline, setup)
        except VpharnessError as error:
            held.close()
            feed.stream.log(f"it cannot be opened again: {error}")
            return
        if self._shared.stop.is_set():
            held.close()
            return
        await self._end(feed.name)
        self._reopened.pop(feed.name, contextlib.ExitStack()).close()
        feed.stream.retire()
        self._reopened[feed.name] = held
        self.served[feed.name] = anew = served_feed(self._server, setup, pipeline, self._shared)
        self._started[feed.name] = start_feed(anew, self._shared.stop)
        anew.stream.log("opened again")

    async def _end(self, name: str) -> None:
        """End the tasks of a feed, whose engine has ended."""
        for task in self._started[name].tasks:
            task.cancel()
        await asyncio.gather(*self._started[name].tasks, return_exceptions=True)
        self.served[name].rollout.shadows.abandon()

    async def end_tasks(self) -> None:
        """End all that runs in the event loop; `stop` is set, so that the engines end by themselves."""
        tasks: list[asyncio.Task[Any]] = [task for each in self._started.values() for task in each.tasks]
        if self._reopening is not None:
            tasks.append(self._reopening)
        for task in tasks:
            task.cancel()
        for feed in self.served.values():
            feed.rollout.shadows.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def join(self, seconds: float) -> None:
        """Wait for the engines: they are daemons, and may wait for their feeds."""
        await asyncio.gather(*(asyncio.to_thread(each.thread.join, seconds) for each in self._started.values()))
        for held in self._reopened.values():
            held.close()
