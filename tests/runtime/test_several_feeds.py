"""Several feeds of one server: each is served as if it were alone, and the limits on clients hold over all of them."""

import asyncio
import contextlib
import dataclasses
import functools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosedError

from runtime.config.server_parameters import RuntimeParameters
from runtime.engine.models import served_model
from runtime.feeds.feed import NO_EVENTS, Feed, FeedStep
from runtime.stream.status import reasons_not_ready
from runtime.web.server_setup import FeedSetup
from tests.runtime.market import ScriptedFeed, batch, minute, steps_of
from tests.runtime.records import promote, record_of
from tests.runtime.serving import PATIENCE_S, Server, serving_feeds
from tests.runtime.stream.test_stream import assert_same
from tests.runtime.web.test_auth import ask
from vpharness.errors import SourceError
from vpharness.events.synthetic import SyntheticSource
from vpharness.promotion.serving import PromotedRecord

COLUMNS = ("v_add", "spectrum_score")
QUERY = f"fields={','.join(COLUMNS)}"


@functools.lru_cache(maxsize=1)
def other_minute() -> NDArray[np.void]:
    """Return the events of a minute of another market."""
    with SyntheticSource(seed=6, minutes=1).open() as stream:
        return np.concatenate(list(stream.chunks))


STEPS = steps_of(minute())[:60]
OTHER_STEPS = steps_of(other_minute())[:60]
ES, NQ = record_of(instrument="ES"), record_of(threshold=0.5, instrument="NQ")


@dataclasses.dataclass
class BreakingFeed(ScriptedFeed):
    """A feed that hands out what it has, and then cannot go on."""

    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield what is put in; once ended, fail."""
        yield from super().steps(stop)
        if not stop.is_set():
            raise SourceError("es.dbn: byte 4,096: expected a record, found zeros")


def feed_of(instrument: str, kind: type[ScriptedFeed] = ScriptedFeed) -> ScriptedFeed:
    """Return a feed of an instrument."""
    return kind(dataclasses.replace(ScriptedFeed().facts, instrument=instrument))


def setup_of(name: str, record: PromotedRecord, feed: Feed, **settings: Any) -> FeedSetup:
    """Return a feed with its champion, whose pointer is followed."""
    chosen = RuntimeParameters(**{"port": 0, "buffer_bins": 600, "watch_s": 0.05, "stop_s": 1.0, **settings})
    return FeedSetup(chosen, str(record.instrument), True, feed, served_model(record), (), name)


def nudged(feed: ScriptedFeed) -> bool:
    """Let the engine do what it was asked for; return True."""
    feed.nudge()
    return True


async def answered(running: Server, path: str) -> Any:
    """Return what the server answers, decoded."""
    return json.loads((await ask(running, path)).body)


async def refusal(running: Server, query: str) -> str:
    """Return why the stream is refused."""
    async with running.client(query) as client:
        message = await client.message()
        with pytest.raises(ConnectionClosedError):
            await client.socket.recv()
    assert message["type"] == "error"
    return str(message["message"])


def test_each_feed_is_served_what_it_would_be_served_alone(tmp_path: Path) -> None:
    """With a champion of its own, value by value; what is promoted for one instrument changes that one alone."""

    async def scenario() -> None:
        es, nq = feed_of("ES"), feed_of("NQ")
        async with (
            serving_feeds(tmp_path, [setup_of("es", ES, es), setup_of("nq", NQ, nq)]) as running,
            running.client(f"feed=es&{QUERY}") as of_es,
            running.client(f"feed=nq&{QUERY}") as of_nq,
            running.client(QUERY) as of_first,
        ):
            for client, name, record in ((of_es, "es", ES), (of_nq, "nq", NQ), (of_first, "es", ES)):
                hello = await client.hello()
                assert (hello["feed"]["name"], hello["instrument"]) == (name, record.instrument)
                assert hello["model"]["threshold"] == record.threshold
            for step, other in zip(STEPS, OTHER_STEPS, strict=True):
                es.put(step)
                nq.put(other)
            for client, record, steps in ((of_es, ES, STEPS), (of_nq, NQ, OTHER_STEPS), (of_first, ES, STEPS)):
                wanted = batch(record, steps)
                for update, each in zip(await client.bins(len(wanted)), wanted, strict=True):
                    assert_same(update, each, COLUMNS)
            assert of_nq.statuses == [] or of_nq.statuses[-1]["feed"]["name"] == "nq"
            await what_the_endpoints_say(running)
            promote(running.lake, dataclasses.replace(NQ, threshold=0.4), "v0001")
            await running.wait_until(
                lambda: nudged(nq) and running.feed("nq").stream.champion.record.version == "v0001"
            )
            assert (await answered(running, "/v1/config?feed=nq"))["model"]["threshold"] == 0.4
            assert (await answered(running, "/v1/config?feed=es"))["model"]["version"] == ES.version
            assert len((await answered(running, "/v1/promotion?feed=nq"))["history"]) == 1
            assert (await answered(running, "/v1/promotion?feed=es"))["history"] == []

    asyncio.run(scenario())


async def what_the_endpoints_say(running: Server) -> None:
    """The list of feeds, labels of metrics, and the refusal of a name that is no feed's."""
    listed = (await answered(running, "/v1/feeds"))["feeds"]
    assert [(each["name"], each["instrument"], each["bins"]) for each in listed] == [
        (name, name.upper(), running.feed(name).stream.health.bins) for name in ("es", "nq")
    ]
    metrics = (await ask(running, "/metrics")).body
    for line in ('vpharness_clients{feed="es"} 2.0', 'vpharness_clients{feed="nq"} 1.0', "vpharness_connections 4.0"):
        assert line in metrics
    unknown = "feed is 'cl'; the feeds are es, nq"
    assert (await ask(running, "/v1/config?feed=cl")).status == 404
    assert (await ask(running, "/v1/config?feed=cl")).body == unknown
    assert await refusal(running, "feed=cl") == unknown


def test_a_feed_that_fails_or_begins_anew_leaves_the_others_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its status has the reason; bins of the others go on without a gap, and nobody else is told to begin again."""

    async def scenario() -> None:
        es, nq = feed_of("ES", BreakingFeed), feed_of("NQ")
        async with (
            serving_feeds(tmp_path, [setup_of("es", ES, es), setup_of("nq", NQ, nq)]) as running,
            running.client(f"feed=es&{QUERY}&history=60") as of_es,
            running.client(f"feed=nq&{QUERY}") as of_nq,
        ):
            await of_es.hello()
            await of_nq.hello()
            nq.put(*OTHER_STEPS[:20])
            first = batch(ES, STEPS[:20])
            for before in ((), (FeedStep(NO_EVENTS, None, "restarted"),)):
                es.put(*before, *STEPS[:20])
                for update, each in zip(await of_es.bins(len(first)), first, strict=True):
                    assert_same(update, each, COLUMNS)
            assert [each["reason"] for each in of_es.configs] == ["hello", "feed"]
            es.end()
            await running.wait_until(lambda: running.feed("es").stream.health.state == "ended")
            nq.put(*OTHER_STEPS[20:])
            wanted = batch(NQ, OTHER_STEPS)
            for update, each in zip(await of_nq.bins(len(wanted)), wanted, strict=True):
                assert_same(update, each, COLUMNS)
            assert [each["reason"] for each in of_nq.configs] == ["hello"]
            failed, sound = (await answered(running, "/v1/feeds"))["feeds"]
            assert (failed["state"], failed["problem"]) == (
                "ended",
                "es.dbn: byte 4,096: expected a record, found zeros",
            )
            assert (sound["state"], sound["problem"]) == ("live", None)
            reason = f"the feed is ended: {failed['problem']}"
            assert reason in (await answered(running, "/readyz?feed=es"))["reasons"]
            assert f"es: {reason}" in (await answered(running, "/readyz"))["reasons"]
            await running.wait_until(lambda: nudged(nq) and not reasons_not_ready(running.feed("nq").stream))
            assert (await answered(running, "/readyz?feed=nq")) == {"ready": True, "reasons": []}

    asyncio.run(scenario())
    assert "runtime: es: the feed has ended: es.dbn: byte 4,096" in capsys.readouterr().out


def test_a_feed_that_has_failed_is_opened_again_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By SIGHUP: its clients are asked to connect again, the others notice nothing; what still fails says why."""

    async def scenario() -> None:
        broken, sound, nq = feed_of("ES", BreakingFeed), feed_of("ES"), feed_of("NQ")
        tries = [SourceError("es.dbn: still damaged"), None]

        @contextlib.contextmanager
        def reopened() -> Iterator[FeedSetup]:
            if (problem := tries.pop(0)) is not None:
                raise problem
            yield setup_of("es", ES, sound)

        first = dataclasses.replace(setup_of("es", ES, broken), reopen=reopened)
        async with (
            serving_feeds(tmp_path, [first, setup_of("nq", NQ, nq)]) as running,
            running.client("feed=es&fields=") as of_es,
            running.client("feed=nq&fields=") as of_nq,
        ):
            before = (await of_es.hello())["stream"]
            await of_nq.hello()
            broken.end()
            await running.wait_until(lambda: running.feed("es").stream.health.problem is not None)
            failed = running.feed("es")
            running.app.ctx.running.check_now()
            await running.wait_until(lambda: len(tries) == 1 and running.app.ctx.running._reopening.done())
            assert running.feed("es") is failed
            running.app.ctx.running.check_now()
            await running.wait_until(lambda: running.feed("es") is not failed)
            async with asyncio.timeout(PATIENCE_S):
                await of_es.socket.wait_closed()
            assert of_es.socket.close_code == 1013
            async with running.client("feed=es&fields=") as again:
                assert (await again.hello())["stream"] != before
                sound.put(*STEPS[:20])
                wanted = batch(ES, STEPS[:20])
                for update, each in zip(await again.bins(len(wanted)), wanted, strict=True):
                    assert_same(update, each, ())
            assert f'vpharness_bins_total{{feed="es"}} {len(wanted)}.0' in (await ask(running, "/metrics")).body
            nq.put(*OTHER_STEPS[:20])
            assert [each["seq"] for each in await of_nq.bins(5)] == [0, 1, 2, 3, 4]
            assert len(of_nq.configs) == 1

    asyncio.run(scenario())
    assert "runtime: es: it cannot be opened again: es.dbn: still damaged" in capsys.readouterr().out


def test_the_limits_on_clients_hold_over_all_feeds_together(tmp_path: Path) -> None:
    """On streams and on overrides; machine code that some feed uses is kept for all of them."""

    async def scenario() -> None:
        es, nq = feed_of("ES"), feed_of("NQ")
        limits = {"max_clients": 2, "max_shadows": 1, "address_share": 1.0}
        feeds = [setup_of("es", ES, es, **limits), setup_of("nq", NQ, nq, **limits)]
        async with serving_feeds(tmp_path, feeds) as running:
            async with running.client("feed=es&fields=&threshold=0.2") as overriding:
                assert (await overriding.hello())["shadow"]["threshold"] == 0.2
                assert "asked for 1 overrides already" in await refusal(running, "feed=nq&threshold=0.2")
                async with running.client("feed=nq&fields="):
                    await running.wait_until(lambda: len(running.feed("nq").stream.clients) == 1)
                    assert "2 clients are connected" in await refusal(running, "feed=nq")
                    assert "2 clients are connected" in await refusal(running, "feed=es")
            pools = {id(running.feed(name).rollout.shadows._pool) for name in ("es", "nq")}
            assert len(pools) == 1
            pool = running.feed("es").rollout.shadows._pool
            champions = [running.feed(name).stream.champion.live.scorer for name in ("es", "nq")]
            assert all(any(scorer is each for each in pool.in_use()) for scorer in champions)

    asyncio.run(scenario())
