"""Switches that meet one another, loops of the feed, and clients that come or stand still meanwhile."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from runtime.feeds.feed import NO_EVENTS, FeedStep
from runtime.stream.client import Client as ReadingClient
from tests.runtime.market import ScriptedFeed, batch
from tests.runtime.records import point_at, promote, record_of, with_radius
from tests.runtime.rollout.test_rollout import ADVANCED, STEPS, promote_changed, refusal, until_served
from tests.runtime.serving import PATIENCE_S, Server, server
from vpharness.promotion.pointer import pointer_path


def is_given_up(running: Server, feed: ScriptedFeed) -> bool:
    """Whether no pipeline is on its way any more, on a feed that says nothing."""
    feed.nudge()
    return not running.stream.is_expecting


def test_the_configuration_is_the_first_message_even_for_a_client_that_wants_bins_of_before(tmp_path: Path) -> None:
    """Of before the last promotion, too: it cannot read them without."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running:
            feed.put(*STEPS[:ADVANCED])
            await running.wait_until(lambda: running.stream.ring.next_seq == ADVANCED)
            promote(running.lake, record_of(threshold=0.5), "v0001")
            await until_served(running, feed, "v0001")
            async with running.client("fields=v_add&history=30") as client:
                assert (await client.hello())["model"]["version"] == "v0001"
                assert [each["seq"] for each in await client.bins(30)] == list(range(ADVANCED - 30, ADVANCED))

    asyncio.run(scenario())


def test_a_client_that_stands_still_through_a_loop_and_a_promotion_goes_on_with_what_is_there(tmp_path: Path) -> None:
    """Each bin once: the configuration comes before them, however many changes there were."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running, running.client("fields=") as client:
            await client.hello()
            feed.put(*STEPS[:20])
            await client.bins(20)
            (reader,) = running.stream.clients
            assert isinstance(reader, ReadingClient)
            held = asyncio.Event()
            send = reader._send

            async def wait_and_send(message: str | bytes) -> None:
                await held.wait()
                await send(message)

            reader._send = wait_and_send  # type: ignore[method-assign]  # as if the connection took nothing
            feed.put(STEPS[20])
            await running.wait_until(lambda: running.stream.ring.next_seq == 21)
            feed.put(FeedStep(NO_EVENTS, None, "restarted"), *STEPS[:ADVANCED])
            await running.wait_until(lambda: running.stream.ring.next_seq == 21 + ADVANCED)
            promote(running.lake, record_of(threshold=0.5), "v0001")
            await until_served(running, feed, "v0001")
            held.set()
            feed.put(*STEPS[ADVANCED : ADVANCED + 10])
            found = [each["seq"] for each in await client.bins(11)]
            assert found == sorted(set(found))
            assert found[-1] == 21 + ADVANCED + 9

    asyncio.run(scenario())


@pytest.mark.parametrize("history", [0, 600])
def test_a_client_behind_several_switches_is_told_of_each_before_its_bins(tmp_path: Path, history: int) -> None:
    """Whether it lags behind or reads bins of before: each bin's version is what it was told last."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with (
            server(tmp_path, feed, backlog_bins=600) as running,
            running.client(f"fields=&history={history}") as client,
        ):
            await client.hello()
            feed.put(*STEPS[:30])
            await client.bins(30)
            (reader,) = running.stream.clients
            assert isinstance(reader, ReadingClient)
            held, send = asyncio.Event(), reader._send

            async def wait_and_send(message: str | bytes) -> None:
                await held.wait()
                await send(message)

            reader._send = wait_and_send  # type: ignore[method-assign]  # as if the connection took nothing
            for number, start in enumerate((30, 50, 70), start=1):
                feed.put(*STEPS[start : start + 20])
                await running.wait_until(lambda start=start: running.stream.ring.next_seq == start + 20)  # type: ignore[misc]  # bound now
                promote(running.lake, record_of(threshold=0.3 + number / 10), f"v000{number}")
                await until_served(running, feed, f"v000{number}")
            held.set()
            feed.put(*STEPS[90:100])
            told = []
            for _ in range(70):
                (each,) = await client.some_bins()
                told.append((client.config["model"]["version"], each["version"]))
        assert all(said == version for said, version in told)
        assert [config["model"]["version"] for config in client.configs] == ["v0000", "v0001", "v0002", "v0003"]

    asyncio.run(scenario())


def test_a_record_with_another_evaluation_is_refused(tmp_path: Path) -> None:
    """Before it comes near the feed."""

    async def scenario() -> None:
        feed, record = ScriptedFeed(), record_of()
        async with server(tmp_path, feed) as running:
            feed.put(*STEPS[:ADVANCED])
            promote_changed(running, {"evaluation": {**record.evaluation, "unheard_of": 1}})
            assert "its evaluation is of another vpharness" in await refusal(running, "v0001")
            feed.put(*STEPS[ADVANCED:])
            await running.wait_until(lambda: running.stream.ring.next_seq == len(STEPS))

    asyncio.run(scenario())


def test_a_pointer_that_is_rubbish_for_a_while_does_not_end_the_watch(tmp_path: Path) -> None:
    """What it names afterwards is served."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running:
            feed.put(*STEPS[:ADVANCED])
            promote(running.lake, record_of(threshold=0.5), "v0001")
            await until_served(running, feed, "v0001")
            path = pointer_path(running.lake, "SYN")
            good = path.read_bytes()
            path.write_bytes(b"\xff\xfe{")
            await asyncio.sleep(0.2)  # a few looks: nothing shows that they were taken
            path.write_bytes(good)
            promote(running.lake, record_of(threshold=0.6), "v0002")
            await until_served(running, feed, "v0002")

    asyncio.run(scenario())


def test_a_loop_while_a_model_is_warmed_up_has_it_warmed_up_anew(tmp_path: Path) -> None:
    """What it says of the new time is what it says of it alone."""

    async def scenario() -> None:
        feed, new = ScriptedFeed(), record_of("msd", threshold=50.0)
        async with server(tmp_path, feed) as running, running.client("fields=&history=600") as client:
            await client.hello()
            feed.put(*STEPS[:ADVANCED])
            await client.bins(ADVANCED)
            promote(running.lake, new, "v0001")
            await running.wait_until(lambda: bool(running.stream.pending_commands))
            feed.put(FeedStep(NO_EVENTS, None, "restarted"), *STEPS)
            await until_served(running, feed, "v0001")
            found: dict[int, dict[str, Any]] = {}
            last = ADVANCED + len(STEPS) - 1
            async with asyncio.timeout(PATIENCE_S):
                while last not in found:
                    found |= {each["seq"]: each for each in await client.some_bins() if each["version"] == "v0001"}
            wanted = batch(new, STEPS)
            for seq, each in found.items():
                assert each["score"] == wanted[seq - ADVANCED].score
                assert each["fire"] == wanted[seq - ADVANCED].fires[0]

    asyncio.run(scenario())


def test_hours_count_from_where_a_model_that_was_warm_began(tmp_path: Path) -> None:
    """A champion that was warmed up before has no warm-up left to be taken off."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running:
            feed.put(*STEPS[:ADVANCED])
            await running.wait_until(lambda: running.stream.ring.next_seq == ADVANCED)
            promote(running.lake, record_of(threshold=0.5), "v0001")
            await until_served(running, feed, "v0001")
            feed.put(*STEPS[ADVANCED : ADVANCED + 36])

            def is_counted() -> bool:
                feed.nudge()
                return bool(running.stream.statistics["champion"]["bins"] == 36)

            await running.wait_until(is_counted)
            assert running.stream.statistics["champion"]["hours"] == pytest.approx(36 * 0.1 / 3600)

    asyncio.run(scenario())


def test_a_promotion_that_is_taken_back_while_it_is_prepared_is_never_served(tmp_path: Path) -> None:
    """A pipeline that waits to be ready is given up once the pointer names something else."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, record_of()) as running:
            feed.put(*STEPS[:ADVANCED])
            promote(running.lake, record_of(threshold=0.5), "v0001")
            await running.wait_until(lambda: running.stream.ring.next_seq == ADVANCED)
            await until_served(running, feed, "v0001")
            promote(running.lake, with_radius(record_of(), 12), "v0002")
            await running.wait_until(lambda: running.stream.is_expecting)
            point_at(running.lake, "SYN", "v0001")
            await running.wait_until(lambda: is_given_up(running, feed))
            feed.put(*STEPS[ADVANCED:])
            await running.wait_until(lambda: running.stream.ring.next_seq >= len(STEPS))
            assert running.stream.champion.record.version == "v0001"

    asyncio.run(scenario())


def test_a_promotion_after_the_feed_has_ended_is_refused(tmp_path: Path) -> None:
    """With that, instead of waiting for ever."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running:
            feed.put(*STEPS[:5])
            await running.wait_until(lambda: running.stream.ring.next_seq == 5)
            feed.end()
            await running.wait_until(lambda: running.stream.health.state == "ended")
            promote(running.lake, record_of(threshold=0.5), "v0001")
            assert await refusal(running, "v0001") == "the feed has ended"

    asyncio.run(scenario())
