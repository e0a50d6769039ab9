"""What monitors are told: configuration, promotion, health, readiness and figures."""

import asyncio
import dataclasses
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.feeds.feed import NO_EVENTS, FeedStep
from tests.runtime.market import ScriptedFeed, minute, steps_of
from tests.runtime.records import promote, record_of
from tests.runtime.serving import Server, server
from tests.runtime.web.test_auth import ask
from vpharness.errors import FeedError

STEPS = steps_of(minute())[:110]


def test_readiness_says_what_is_missing(tmp_path: Path) -> None:
    """A model that warms up, and a feed that is silent or has ended."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running:
            answer = await ask(running, "/readyz")
            assert answer.status == 503
            assert json.loads(answer.body)["reasons"] == [
                "the model is warming up, for 20 bins",
                "the feed is connecting",
            ]
            feed.put(*STEPS)
            await running.wait_until(lambda: running.stream.ring.next_seq == len(STEPS))
            await running.wait_until(lambda: _is_warm(running, feed))
            assert json.loads((await ask(running, "/readyz")).body) == {"ready": True, "reasons": []}
            for state in ("silent", "disconnected"):
                feed.put(FeedStep(NO_EVENTS, None, state))
                await running.wait_until(lambda state=state: running.stream.health.state == state)  # type: ignore[misc]  # bound now
                assert json.loads((await ask(running, "/readyz")).body)["reasons"] == [f"the feed is {state}"]
            feed.nudge()
            await running.wait_until(lambda: running.stream.health.state == "live")
            assert (await ask(running, "/readyz")).status == 200
            assert json.loads((await ask(running, "/healthz")).body) == {"healthy": True}

    asyncio.run(scenario())


def _is_warm(running: Server, feed: ScriptedFeed) -> bool:
    feed.nudge()
    return bool(running.stream.statistics.get("champion", {}).get("warm"))


def test_configuration_and_promotion_can_be_asked_for(tmp_path: Path) -> None:
    """The record with its evidence, the history, and what has been refused."""

    async def scenario() -> None:
        record = record_of()
        async with server(tmp_path, record=record, watch_s=60.0) as running:
            config = json.loads((await ask(running, "/v1/config")).body)
            assert config["model"]["version"] == record.version
            assert config["promised"] == {"test": {"tp_rate": 0.4}}
            promote(running.lake, record_of(tick_size=0.5), "v0001")
            running.rollout.check_now()
            await running.wait_until(lambda: "v0001" in running.stream.refusals)
            promotion = json.loads((await ask(running, "/v1/promotion")).body)
            assert promotion["record"]["parameters"] == record.parameters
            assert [entry["version"] for entry in promotion["history"]] == ["v0001"]
            assert "tick size" in promotion["refusals"]["v0001"]

    asyncio.run(scenario())


def test_figures_are_those_of_the_stream(tmp_path: Path) -> None:
    """In the text format of Prometheus."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running, running.client("fields=") as client:
            await client.hello()
            feed.put(*STEPS)
            fires = sum(abs(each["fire"]) for each in await client.bins(len(STEPS)))
            assert fires > 0

            def are_counted() -> bool:
                feed.nudge()
                figures, warmup_bins = running.stream.statistics, record_of().evaluation["warmup_bins"]
                return bool(figures) and figures["champion"]["bins"] == len(STEPS) - warmup_bins

            await running.wait_until(are_counted)
            lines = (await ask(running, "/metrics")).body.splitlines()
            assert f"vpharness_bins_total {len(STEPS)}.0" in lines
            assert "vpharness_clients 1.0" in lines
            assert 'vpharness_champion_info{signal="svac",version="v0000"} 1.0' in lines
            assert f'vpharness_fires_total{{model="champion"}} {fires}.0' in lines

    asyncio.run(scenario())


@pytest.mark.parametrize("is_live", [True, False])
def test_bins_of_a_replay_that_are_late_alarm_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_live: bool
) -> None:
    """They are counted by a name of their own; those of a live feed keep the stream from being ready."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        feed.facts = dataclasses.replace(feed.facts, live=is_live, speed=None if is_live else 10.0)
        async with server(tmp_path, feed) as running, running.client("fields=") as client:
            await client.hello()
            handle = running.stream._add_bin
            monkeypatch.setattr(
                running.stream, "_add_bin", lambda each, _late_s, is_stepped: handle(each, 0.2, is_stepped=is_stepped)
            )
            feed.put(*STEPS[:30])
            await client.bins(30)
            lines = (await ask(running, "/metrics")).body.splitlines()
            misses, late = (30.0, 0.0) if is_live else (0.0, 30.0)
            assert f"vpharness_deadline_misses_total {misses}" in lines
            assert f"vpharness_replay_late_bins_total {late}" in lines
            said = json.loads((await ask(running, "/readyz")).body)["reasons"]
            assert any("deadlines were missed" in each for each in said) is is_live

    asyncio.run(scenario())


def test_the_status_comes_once_a_second_even_when_no_bin_does(tmp_path: Path) -> None:
    """With the state of the feed and the reasons why the stream is not ready."""

    async def scenario() -> None:
        async with server(tmp_path) as running, running.client("fields=") as client:
            await client.hello()
            first, second = await client.message(), await client.message()
            assert first["type"] == second["type"] == "status"
            seconds = (int(second["server_time_ns"]) - int(first["server_time_ns"])) / 1e9
            assert 0.5 < seconds < 10
            assert second["feed"]["state"] == "connecting"
            assert not second["ready"]

    asyncio.run(scenario())


class _Failing(ScriptedFeed):
    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        del stop  # it ends by itself
        yield STEPS[0]
        raise FeedError("the gateway is gone for good")


def test_a_feed_that_cannot_go_on_is_said_and_the_server_stays(tmp_path: Path) -> None:
    """Clients are told why no bin comes any more."""

    async def scenario() -> None:
        async with server(tmp_path, _Failing()) as running, running.client("fields=") as client:
            await client.hello()
            await running.wait_until(lambda: running.stream.health.state == "ended")
            assert "the feed is ended: the gateway is gone for good" in (await ask(running, "/readyz")).body
            statuses = [await client.message() for _ in range(3)]
            assert statuses[-1]["feed"]["problem"] == "the gateway is gone for good"
            assert (await ask(running, "/healthz")).status == 200

    asyncio.run(scenario())
