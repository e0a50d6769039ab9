"""ShadowModels: what clients may ask for beside the champion, how often, and that nobody else waits for it."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.engine.models import ServedModel, new_session, served_model
from runtime.engine.pipeline import running_model
from runtime.engine.ring_buffer import BinRingBuffer
from runtime.rollout.shadow_models import STRUCTURES_KEPT, judged_bins
from runtime.rollout.shadow_overrides import CAPACITIES, LONGEST_LIST, beside_champion, shadow_model
from runtime.stream.query import StreamQuery
from tests.runtime.market import ScriptedFeed, batch, minute, steps_of
from tests.runtime.records import record_of, with_radius
from tests.runtime.serving import Server, server
from tests.runtime.stream.test_stream import is_shadowed
from tests.runtime.web.test_auth import ask
from tests.source_scorer import source_scorer
from vpharness.errors import ConfigError

STEPS = steps_of(minute())[:110]
FACTS = ScriptedFeed().facts
ADS = with_radius(record_of("ads", signal_digest=None), 25)


def asking(**parameters: Any) -> StreamQuery:
    """Return a query with overrides of a signal's parameters."""
    return StreamQuery(parameters={name: json.dumps(value) for name, value in parameters.items()})


def ads_with(count: int, window: int = 10) -> StreamQuery:
    """Return a query for so many slopes of ads."""
    return asking(slope_windows=[window + 3 * place for place in range(count)], blend_weights=[1.0] * count)


def test_what_clients_ask_for_beside_the_champion_is_limited(tmp_path: Path) -> None:
    """Equal overrides share one shadow; one more than allowed is refused."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with (
            server(tmp_path, feed, max_shadows=1) as running,
            running.client("fields=&threshold=0.7") as first,
            running.client("fields=&threshold=0.7") as same,
        ):
            assert (await first.hello())["shadow"]["name"] == (await same.hello())["shadow"]["name"]
            async with running.client("fields=&threshold=0.8") as other:
                assert "which is the maximum" in (await other.message())["message"]

    asyncio.run(scenario())


def test_one_address_leaves_a_shadow_for_another(tmp_path: Path) -> None:
    """It is told so, and the other is served."""

    async def scenario() -> None:
        async with (
            server(tmp_path, max_shadows=2) as running,
            running.client("fields=&threshold=0.7") as first,
            running.client("fields=&threshold=0.8") as second,
            running.client("fields=&threshold=0.8", local_addr=("127.0.0.2", 0)) as other,
        ):
            await first.hello()
            assert (await second.message())["message"] == (
                "clients have asked for 1 overrides already, which is the maximum for clients of this address"
            )
            assert (await other.hello())["shadow"]["threshold"] == 0.8

    asyncio.run(scenario())


def test_overrides_are_asked_for_no_more_often_than_allowed(tmp_path: Path) -> None:
    """By one address; it is told why, and the stream without overrides is there for it."""

    async def scenario() -> None:
        async with server(tmp_path, shadows_per_minute=4.0) as running:
            answers = []
            for _ in range(3):
                async with running.client("fields=&threshold=0.7") as client:
                    answers.append(await client.message())
            assert [each["type"] for each in answers] == ["runtime_config", "runtime_config", "error"]
            assert answers[-1]["message"] == (
                "clients may ask for overrides 4 times a minute in total, and a single one less often; try again in a "
                "minute"
            )
            async with running.client("fields=") as client:
                await client.hello()

    asyncio.run(scenario())


def test_a_model_stops_being_shown_bins_at_the_next_one_once_nobody_wants_it() -> None:
    """Each costs as much as the others."""
    record = record_of()
    bins = [(each.row, dict(each.grid)) for each in batch(record, STEPS[:20])]
    session = new_session(served_model(record), FACTS)
    each = running_model(served_model(record), session, FACTS)
    texts = judged_bins(each, 100, bins, lambda: session.bins_taken < 7)
    assert session.bins_taken == 7
    assert list(texts) == [*range(100, 107)]


def test_nothing_else_waits_for_shadows_and_they_are_left_when_their_clients_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is being made ready, others wait for their turn, and `/v1/promotion` is answered."""
    going, entered, made = threading.Event(), threading.Event(), list[str]()

    def slowly(model: ServedModel, *_rest: Any) -> Any:
        made.append(model.name)
        entered.set()
        going.wait(30)
        return new_session(model, FACTS)

    monkeypatch.setattr("runtime.rollout.shadow_models.compiled_session", slowly)

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, max_shadows=8, shadows_per_minute=60.0) as running:
            async with running.client("fields=&threshold=0.7") as first:
                await first.hello()
                await asyncio.to_thread(entered.wait, 30)
                others = [asyncio.create_task(until_closed(running, f"fields=&threshold={n}")) for n in (1, 2, 3)]
                for _ in range(5):
                    assert (await ask(running, "/v1/promotion")).status == 200
                feed.put(*STEPS[:20])
                await first.bins(20)
                assert len(made) == 1
                for other in others:
                    other.cancel()
                await asyncio.gather(*others, return_exceptions=True)
            await running.wait_until(lambda: not running.stream.clients)
            going.set()
            async with running.client("fields=&threshold=0.9") as last:
                name = (await last.hello())["shadow"]["name"]
                await running.wait_until(lambda: is_shadowed(running, feed))
            assert made == [made[0], name]

    try:
        asyncio.run(scenario())
    finally:
        going.set()


async def until_closed(running: Server, query: str) -> None:
    """Read until the server or the test ends it."""
    async with running.client(query) as client:
        while True:
            await client.message()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (ads_with(1, 601), "looks 601 bins back, but the capacity given is 600: the server keeps 600 bins"),
        (ads_with(1, 5_000), "shorten the windows, or start it with a larger runtime.buffer_bins"),
        (ads_with(LONGEST_LIST + 1), f"slope_windows has {LONGEST_LIST + 1} items; a client may give at most"),
    ],
)
def test_overrides_that_cost_more_than_a_client_is_given_are_refused(query: StreamQuery, said: str) -> None:
    """Windows longer than the bins that are kept could never be warmed up."""
    with pytest.raises(ConfigError, match=said):
        shadow_model(served_model(ADS), FACTS, query, 600)
    assert (
        shadow_model(served_model(ADS), FACTS, ads_with(LONGEST_LIST, 570), 600).live.scorer.capacity == CAPACITIES[0]
    )


def test_numbers_alone_are_scored_by_the_champions_machine_code() -> None:
    """And whatever reaches further back by that of one of few capacities."""
    champion = served_model(ADS)
    found = [shadow_model(champion, FACTS, ads_with(3, window), 6_000) for window in (2, 5, 20, 900, 2_000, 5_900)]
    own = source_scorer(champion.live)
    assert all(source_scorer(each.live).structure == own.structure for each in found)
    assert {each.live.scorer.capacity for each in found} == {own.capacity, *CAPACITIES, 6_144}


def test_a_shadow_goes_along_to_another_lattice() -> None:
    """With its own numbers on the champion's cells."""
    champion = served_model(with_radius(ADS, 30))
    found = beside_champion(shadow_model(served_model(ADS), FACTS, ads_with(2), 600), champion, 600)
    assert found.live.scorer.radius == 30
    assert found.record.parameters["slope_windows"] == [10, 13]


def test_machine_code_that_nobody_wants_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the last few, and never that of the champion."""
    forgotten = list[int]()
    monkeypatch.setattr(
        "runtime.rollout.shadow_models.forget_compiled", lambda each: forgotten.append(len(each.params.slope_windows))
    )
    monkeypatch.setattr("runtime.rollout.shadow_models.compiled_session", new_session)  # no bin comes to be scored

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, ADS, shadows_per_minute=60.0) as running:
            for count in (1, 2, 3, 4, 5, 6):
                given = ads_with(count).parameters
                query = "&".join(f"signal.{name}={value.replace(' ', '')}" for name, value in given.items())
                async with running.client(f"fields=&{query}") as client:
                    await client.hello()
                    await running.wait_until(lambda: is_shadowed(running, feed))
                await running.wait_until(lambda: not running.stream.shadow_models)

    asyncio.run(scenario())
    assert STRUCTURES_KEPT == 2
    assert forgotten == [1, 2]  # 3 is the champion's


def test_bins_are_copied_a_piece_at_a_time() -> None:
    """From the first that is left."""
    ring = BinRingBuffer(8, 20)
    for each in batch(record_of(), STEPS[:12]):
        ring.append(each, "", {})
    places = [int(row["bin_seq"][0]) for row, _ in ring.copies(0, ("v_add",), 3)]
    assert len(places) == 3
    np.testing.assert_array_equal(places, places[0] + np.arange(3))
    assert len(ring.copies(10, ("v_add",), 3)) == 2
