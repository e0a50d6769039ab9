"""Promotions and rollbacks while the stream goes on: only verified models are served, and no client misses a bin."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.feeds.feed import NO_EVENTS, FeedStep
from runtime.stream.status import status
from tests.runtime.market import ScriptedFeed, batch, minute, steps_of
from tests.runtime.records import point_at, promote, record_of, with_radius
from tests.runtime.serving import Client, Server, server
from vpharness.datasets.manifest import CHECKSUMS_FILE
from vpharness.promotion.bundle import RECORD_FILE, SCORES_FILE
from vpharness.storage.checksums import file_sha256

STEPS = steps_of(minute())[:140]
ADVANCED = 60
"""Bins before anything is promoted."""


async def until_served(running: Server, feed: ScriptedFeed, version: str) -> None:
    """Wait until a version is served, on a feed that goes on without saying anything."""

    def is_served() -> bool:
        feed.nudge()
        return running.stream.champion.record.version == version

    await running.wait_until(is_served)


async def refusal(running: Server, version: str) -> str:
    """Wait until a version is refused; return why."""
    await running.wait_until(lambda: version in running.stream.refusals)
    return running.stream.refusals[version]


async def all_bins(client: Client, count: int) -> list[dict[str, Any]]:
    """Return the next bins; none has been missed."""
    found = await client.bins(count)
    assert not any(each["missed"] for each in found)
    return found


def test_a_promotion_takes_effect_between_two_bins_as_if_it_had_always_been_served(tmp_path: Path) -> None:
    """The new model knows the bins of before, from the first one on, and every client is told."""

    async def scenario() -> None:
        feed, old, new = ScriptedFeed(), record_of(), record_of("msd", threshold=50.0)
        before, after = batch(old, STEPS), batch(new, STEPS)
        async with server(tmp_path, feed, old) as running, running.client("fields=") as client:
            await client.hello()
            feed.put(*STEPS[:ADVANCED])
            first = len(await all_bins(client, ADVANCED))
            promote(running.lake, new, "v0001")
            await until_served(running, feed, "v0001")
            feed.put(*STEPS[ADVANCED:])
            rest = await all_bins(client, len(before) - first)
        place = next(n for n, each in enumerate(rest) if each["version"] == "v0001") + first
        assert [each["score"] for each in rest[: place - first]] == [each.score for each in before[first:place]]
        assert [each["score"] for each in rest[place - first :]] == [each.score for each in after[place:]]
        assert [each["fire"] for each in rest[place - first :]] == [each.fires[0] for each in after[place:]]
        assert [each["seq"] for each in rest] == list(range(first, len(before)))
        told = client.configs[-1]
        assert (told["reason"], told["reset"], told["model"]["version"]) == ("promotion", False, "v0001")

    asyncio.run(scenario())


def test_another_lattice_joins_the_feed_and_is_served_once_it_is_ready(tmp_path: Path) -> None:
    """With the book as it stands, its own bins from then on, and the same best prices as the old lattice had."""

    async def scenario() -> None:
        feed, old = ScriptedFeed(), record_of()
        new = with_radius(record_of(), 12)
        wanted = {int(each.row["bin_end_ns"][0]): each for each in batch(old, STEPS)}
        async with (
            server(tmp_path, feed, old) as running,
            running.client("fields=bid_depth,ask_depth&history=200") as client,
        ):
            await client.hello()
            feed.put(*STEPS[:ADVANCED])
            await all_bins(client, ADVANCED)
            promote(running.lake, new, "v0001")
            await running.wait_until(lambda: running.stream.is_expecting)
            feed.put(*STEPS[ADVANCED:])
            await running.wait_until(lambda: running.stream.champion.record.version == "v0001")
            await running.wait_until(lambda: running.stream.ring.next_seq - running.stream.ring.first_seq > 60)
            found: list[dict[str, Any]] = []
            while sum(each["version"] == "v0001" for each in found) < 60:
                found += await client.some_bins()
        told = client.configs[-1]
        assert (told["reason"], told["reset"], told["radius"]) == ("promotion", True, 12)
        own = [each for each in found if each["version"] == "v0001"]
        for each in own:
            old_bin = wanted[int(each["bin_end_ns"])]
            assert each["mid_price"] == old_bin.row["mid_price"][0]
            for name in ("bid_depth", "ask_depth"):
                np.testing.assert_array_equal(each["grid"][name], old_bin.grid[name][8:33])
        assert [each["seq"] for each in own] == list(range(own[0]["seq"], own[0]["seq"] + len(own)))

    asyncio.run(scenario())


def test_a_rollback_is_a_switch_like_any_other(tmp_path: Path) -> None:
    """The pointer decides, and SIGHUP has it looked at without waiting."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        lake = tmp_path
        async with server(lake, feed, record_of(), watch_s=60.0) as running, running.client("fields=") as client:
            await client.hello()
            feed.put(*STEPS[:ADVANCED])
            await all_bins(client, ADVANCED)
            for version in ("v0001", "v0002"):
                promote(running.lake, record_of(threshold=0.3 + int(version[-1])), version)
                running.rollout.check_now()
                await until_served(running, feed, version)
            point_at(running.lake, "SYN", "v0001")
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, running.rollout.check_now)
            os.kill(os.getpid(), signal.SIGHUP)
            await until_served(running, feed, "v0001")
            feed.put(*STEPS[ADVANCED : ADVANCED + 2])
            await all_bins(client, 2)
        assert client.configs[-1]["reason"] == "rollback"

    asyncio.run(scenario())


def test_what_was_promoted_unsafely_is_marked_for_as_long_as_it_is_served(tmp_path: Path) -> None:
    """In the configuration, and in the status once a second."""

    async def scenario() -> None:
        feed, unsafe = ScriptedFeed(), record_of(unsafe=("audit",), forced="a drill")
        async with server(tmp_path, feed, unsafe) as running, running.client("fields=") as client:
            assert (await client.hello())["model"]["unsafe"] == ["audit"]
            feed.put(*STEPS[:ADVANCED])
            await all_bins(client, ADVANCED)
            assert status(running.stream)["unsafe"] == ["audit"]
            promote(running.lake, record_of(threshold=0.5), "v0001")
            await until_served(running, feed, "v0001")
            feed.put(*STEPS[ADVANCED : ADVANCED + 2])
            await all_bins(client, 2)
            assert client.configs[-1]["model"]["unsafe"] == status(running.stream)["unsafe"] == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"signal_digest": "0" * 64}, "the code of vpharness.signals.svac.svac has changed"),
        ({"lattice_version": 1}, "lattice_version is 1"),
        ({"signal_target": "lake.promoted.planted.signal"}, "set runtime.signal_modules=[lake.promoted.planted]"),
    ],
)
def test_what_is_no_longer_what_was_promoted_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """With what has changed; what was served is served on, and clients are told of no other configuration."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running, running.client("fields=") as client:
            await client.hello()
            feed.put(*STEPS[:ADVANCED])
            await all_bins(client, ADVANCED)
            promote_changed(running, change)
            assert said in await refusal(running, "v0001")
            feed.put(*STEPS[ADVANCED:])
            found = await all_bins(client, 50)
            assert {each["version"] for each in found} == {"v0000"}
        assert len(client.configs) == 1

    asyncio.run(scenario())


def promote_changed(running: Server, change: dict[str, Any]) -> None:
    """Promote a record, and write it down otherwise than it is, with checksums that fit."""
    folder = promote(running.lake, record_of(), "v0001")
    folder.chmod(0o755)
    record, sums = folder / RECORD_FILE, folder / CHECKSUMS_FILE
    for path in (record, sums):
        path.chmod(0o644)
    record.write_text(json.dumps({**json.loads(record.read_text()), **change}))
    sums.write_text(json.dumps({name: file_sha256(folder / name) for name in json.loads(sums.read_text())}))


def test_a_record_for_another_feed_is_refused(tmp_path: Path) -> None:
    """With what differs: here its tick size."""

    async def scenario() -> None:
        async with server(tmp_path, watch_s=60.0) as running:
            promote(running.lake, record_of(tick_size=0.5), "v0001")
            running.rollout.check_now()
            said = await refusal(running, "v0001")
            assert said == "the tick size of the feed is 0.25, v0001 is made for 0.5"

    asyncio.run(scenario())


def test_one_changed_byte_of_a_bundle_is_refused(tmp_path: Path) -> None:
    """By the name of its file."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, watch_s=60.0) as running:
            folder = promote(running.lake, record_of(), "v0001")
            path = folder / SCORES_FILE
            path.chmod(0o644)
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)
            running.rollout.check_now()
            assert f"{SCORES_FILE} is not as it was promoted" in await refusal(running, "v0001")
            assert running.stream.champion.record.version == "v0000"

    asyncio.run(scenario())


def test_a_loop_of_the_feed_begins_anew_with_the_models_that_are_served(tmp_path: Path) -> None:
    """Clients are told that time begins anew, and the scores are those of the first time."""

    async def scenario() -> None:
        feed, record = ScriptedFeed(), record_of()
        async with server(tmp_path, feed, record) as running, running.client("fields=&history=600") as client:
            await client.hello()
            feed.put(*STEPS[:40])
            first = await all_bins(client, 40)
            feed.put(FeedStep(NO_EVENTS, None, "restarted"), *STEPS[:40])
            second = await all_bins(client, 40)
        assert [each["score"] for each in second] == [each["score"] for each in first]
        assert [each["seq"] for each in second] == list(range(40, 80))
        assert (client.configs[-1]["reason"], client.configs[-1]["reset"]) == ("feed", True)

    asyncio.run(scenario())
