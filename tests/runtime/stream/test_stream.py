"""What a client of the stream is told is what a session without a server says."""

import asyncio
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError

from runtime.engine.models import served_model
from tests.runtime.market import ScriptedFeed, batch, minute, steps_of
from tests.runtime.records import PROJECTION, record_of
from tests.runtime.serving import Server, server
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.live import ScoredBin

STEPS = steps_of(minute())[:110]


def assert_same(update: dict[str, Any], wanted: ScoredBin, columns: tuple[str, ...]) -> None:
    """A bin of the stream holds the values of a scored bin."""
    row = wanted.row[0]
    assert (update["bin_seq"], int(update["bin_end_ns"])) == (row["bin_seq"], row["bin_end_ns"])
    assert update["mid_price"] == row["mid_price"]
    assert update["spot_tick"] == round(row["spot_ref_price_int"] / 250_000_000)
    score = math.nan if update["score"] is None else update["score"]
    np.testing.assert_equal(score, wanted.score)
    assert update["fire"] == wanted.fires[0]
    for name in columns:
        np.testing.assert_array_equal(update["grid"][name], wanted.grid[name])


def test_every_bin_comes_as_a_session_without_a_server_has_it(tmp_path: Path) -> None:
    """In order, without a gap, with all cells of all columns, the score, the fire, and the projection from it."""

    async def scenario() -> None:
        feed, record = ScriptedFeed(), record_of()
        async with server(tmp_path, feed, record) as running, running.client() as client:
            hello = await client.hello()
            assert hello["fields"] == list(GRID_COLUMNS)
            feed.put(*STEPS)
            wanted = batch(record, STEPS)
            found = await client.bins(len(wanted))
        assert [each["seq"] for each in found] == list(range(len(wanted)))
        assert {each["version"] for each in found} == {record.version}
        for update, each in zip(found, wanted, strict=True):
            assert_same(update, each, tuple(GRID_COLUMNS))
        warm = found[record.evaluation["warmup_bins"] + 1 :]
        assert all(each["ready"] for each in warm)
        bands = PROJECTION.bands_many([each["score"] for each in warm])
        np.testing.assert_allclose([each["projection"] for each in warm], bands, atol=1e-4)
        assert any(each["fire"] for each in warm)
        resolved = [outcome for each in found for outcome in each["outcomes"]]
        fired = {each["seq"]: each["fire"] for each in found if each["fire"]}
        assert resolved
        assert all(fired[outcome["seq"]] == outcome["direction"] for outcome in resolved)
        assert {outcome["outcome"] for outcome in resolved} <= {"tp", "sl", "timeout"}

    asyncio.run(scenario())


def test_a_client_chooses_its_columns_and_how_much_of_before_it_is_sent(tmp_path: Path) -> None:
    """`fields` names the columns, in its order, or none at all; `history` sends the last bins at once."""

    async def scenario() -> None:
        feed, record = ScriptedFeed(), record_of()
        wanted = batch(record, STEPS)
        async with server(tmp_path, feed, record) as running:
            feed.put(*STEPS[:50])
            await running.wait_until(lambda: running.stream.ring.next_seq == len(wanted) - 60)
            columns = ("v_pull", "perm_state5_code")
            async with running.client(f"fields={','.join(columns)}&history=30") as client:
                assert (await client.hello())["fields"] == list(columns)
                feed.put(*STEPS[50:])
                found = await client.bins(90)
                for update, each in zip(found, wanted[-90:], strict=True):
                    assert list(update["grid"]) == list(columns)
                    assert_same(update, each, columns)
            async with running.client("fields=&history=5") as client:
                assert (await client.hello())["schema"] is None
                assert [each["seq"] for each in await client.bins(5)] == [
                    each.row["bin_seq"][0] for each in wanted[-5:]
                ]

    asyncio.run(scenario())


def test_a_client_that_comes_back_goes_on_where_it_was(tmp_path: Path) -> None:
    """From the buffer without a gap, with a gap that is told where the buffer has forgotten, and anew elsewhere."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running:
            last = len(batch(record_of(), STEPS))
            feed.put(*STEPS)
            await running.wait_until(lambda: running.stream.ring.next_seq == last)
            stream = running.stream.stream_id
            async with running.client(f"fields=&stream={stream}&from_seq={last - 7}") as client:
                assert (await client.hello())["resumed"] == "whole"
                assert [each["seq"] for each in await client.bins(7)] == list(range(last - 7, last))
            running.stream.ring.first_seq = last - 5
            async with running.client(f"fields=&stream={stream}&from_seq={last - 7}") as client:
                assert (await client.hello())["resumed"] == "gap"
                found = await client.bins(5)
                assert (found[0]["seq"], found[0]["missed"]) == (last - 5, 2)
                assert [each["missed"] for each in found[1:]] == [0] * 4
            async with running.client(f"fields=&stream=another&from_seq={last - 3}&history=2") as client:
                hello = await client.hello()
                assert (hello["resumed"], hello["reset"]) == ("other_stream", True)
                assert [each["seq"] for each in await client.bins(2)] == [last - 2, last - 1]

    asyncio.run(scenario())


def test_overrides_are_scored_beside_the_champion_whose_score_stays_untouched(tmp_path: Path) -> None:
    """A client's own parameters are checked, scored in a shadow of its own, and gone when it goes."""

    async def scenario() -> None:
        feed, record = ScriptedFeed(), record_of()
        wanted = batch(record, STEPS)
        other = record_of(parameters={**record.parameters, "norm_alpha": 0.5}, signal_digest=None)
        shadow = batch(other, STEPS)
        async with server(tmp_path, feed, record) as running:
            feed.put(*STEPS[:30])
            await running.wait_until(lambda: running.stream.ring.next_seq == 30)
            async with running.client("fields=&signal.norm_alpha=0.5") as client, running.client("fields=") as plain:
                hello = await client.hello()
                assert hello["shadow"]["parameters"]["norm_alpha"] == 0.5
                assert hello["model"]["parameters"] == record.parameters
                await running.wait_until(lambda: is_shadowed(running, feed))
                feed.put(*STEPS[30:])
                last: dict[str, Any] = {"seq": 0}
                while last["seq"] < len(STEPS) - 1:
                    last = (await client.some_bins())[-1]
                assert last["score"] == wanted[last["bin_seq"]].score
                assert last["shadow"]["score"] == pytest.approx(shadow[last["bin_seq"]].score, abs=1e-9)
                await plain.hello()
                assert "shadow" not in (await plain.some_bins())[0]
            await running.wait_until(lambda: not running.stream.shadow_models)

    asyncio.run(scenario())


def is_shadowed(running: Server, feed: ScriptedFeed) -> bool:
    """Whether a shadow is scored; the feed says nothing, so that the engine looks for what it is asked."""
    feed.nudge()
    return bool(running.stream.shadow_models)


def test_challengers_are_scored_on_the_same_bins(tmp_path: Path) -> None:
    """Another signal beside the champion has the score that it has alone, and statistics of its own."""

    async def scenario() -> None:
        feed, record, other = ScriptedFeed(), record_of(), record_of("msd", threshold=50.0)
        wanted = batch(other, STEPS)
        async with (
            server(tmp_path, feed, record, challengers=[served_model(other, "flow")]) as running,
            running.client("fields=") as client,
        ):
            hello = await client.hello()
            assert [each["name"] for each in hello["challengers"]] == ["flow"]
            feed.put(*STEPS)
            found = await client.bins(len(wanted))
            assert [each["challengers"][0]["score"] for each in found] == [each.score for each in wanted]
            assert [each["challengers"][0]["fire"] for each in found] == [each.fires[0] for each in wanted]
            await running.wait_until(lambda: bool(running.stream.statistics))
            feed.nudge()
            assert set(running.stream.statistics) == {"champion", "flow"}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("fields=v_add,nothing", "fields names 'nothing'"),
        ("fields=v_add,v_add", "names a column twice"),
        ("history=-1", "history is '-1'"),
        ("history=1e3", "it must be a whole number from 0 to"),
        ("nothing=1", "'nothing' is not a key here"),
        ("history=1&history=2", "a key stands twice"),
        ("threshold=nan", "threshold is 'nan'"),
        ("signal.nothing=1", "the keys are norm_alpha, norm_floor"),
        ("signal.norm_alpha=2", "signal.norm_alpha is 2"),
        ("signal.norm_alpha=[1]", "signal"),
        ("fields=" + "v_add," * 400, "at most 2048 are read"),
        ("%ff%fe", "the query cannot be read"),
        ("signal.norm_alpha=${threshold}", "it must be a value"),
        ("signal.norm_alpha=" + "[" * 1500, "nested too deeply"),
    ],
)
def test_a_query_that_makes_no_sense_is_answered_in_one_line_and_the_socket_closed(
    tmp_path: Path, query: str, said: str
) -> None:
    """The stream of others is not touched by it."""

    async def scenario(running: Server) -> None:
        async with running.client(query) as client:
            message = await client.message()
            assert message["type"] == "error"
            assert said in message["message"]
            assert "\n" not in message["message"]
            with pytest.raises(ConnectionClosedError) as closed:
                await client.message()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008
        assert not running.stream.clients

    async def serve() -> None:
        async with server(tmp_path) as running:
            await scenario(running)

    asyncio.run(serve())
