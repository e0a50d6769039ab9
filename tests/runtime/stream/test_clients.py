"""Clients that are slow, stuck, rude or gone: none of them delays the feed, another client, or makes memory grow."""

import asyncio
import contextlib
import dataclasses
import itertools
import socket
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError

from tests.runtime.market import ScriptedFeed, minute, steps_of
from tests.runtime.serving import PATIENCE_S, Client, Server, server

STEPS = steps_of(minute())[:300]


def stop_reading(client: Client) -> None:
    """Stop a client from taking anything more from its connection, as a process that has been stopped does."""
    client.socket.transport.pause_reading()


def small_buffer() -> socket.socket:
    """Return a socket that holds little, so that a reader who stops is felt soon."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    small.setblocking(False)
    return small


async def stopped_client(running: Server, stack: Any) -> Client:
    """Return a client of all columns that has read its first message, and reads no more."""
    small = small_buffer()
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", running.port))
    client: Client = await stack.enter_async_context(running.client(sock=small, close_timeout=0.1))
    await client.hello()
    stop_reading(client)
    return client


def test_a_slow_client_gets_the_newest_state_and_a_count_of_what_it_missed(tmp_path: Path) -> None:
    """A good one beside it has no gap, and nothing is queued for the slow one."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, backlog_bins=20) as running, contextlib.AsyncExitStack() as stack:
            slow = await stopped_client(running, stack)
            good = await stack.enter_async_context(running.client("fields="))
            await good.hello()
            for start in range(0, 300, 10):
                feed.put(*STEPS[start : start + 10])
                assert [each["seq"] for each in await good.bins(10)] == list(range(start, start + 10))
            slow.socket.transport.resume_reading()
            found: list[dict[str, Any]] = []
            while not found or found[-1]["seq"] < 299:
                found += await slow.some_bins()
        missed = sum(each["missed"] for each in found)
        assert missed > 50
        assert len(found) + missed == 300
        for before, after in itertools.pairwise(found):
            assert after["seq"] == before["seq"] + after["missed"] + 1

    asyncio.run(scenario())


def test_a_span_that_is_stepped_through_is_sent_whole(tmp_path: Path) -> None:
    """Hundreds of bins that a replay does not wait for come as history, in order, with none left out."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, backlog_bins=5) as running, running.client("fields=") as client:
            await client.hello()
            feed.put(*(dataclasses.replace(step, is_stepped=True) for step in STEPS))
            await running.wait_until(lambda: running.stream.ring.next_seq == 300)
            found = await client.bins(300)
        assert [each["seq"] for each in found] == list(range(300))
        assert not any(each["missed"] for each in found)

    asyncio.run(scenario())


def test_a_client_that_takes_nothing_is_cut_off_in_time(tmp_path: Path) -> None:
    """Its place is free again then."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, send_timeout_s=1.0) as running, contextlib.AsyncExitStack() as stack:
            await stopped_client(running, stack)
            feed.put(*STEPS)
            await running.wait_until(lambda: running.stream.ring.next_seq == 300)
            await running.wait_until(lambda: running.app.ctx.admission.cut["stuck"] == 1)
            await running.wait_until(lambda: not running.stream.clients)

    asyncio.run(scenario())


async def closed_with(socket: ClientConnection) -> int | None:
    """Read until the server closes; return its code."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await socket.recv()
    except ConnectionClosedError as closed:
        return None if closed.rcvd is None else closed.rcvd.code


def test_there_is_room_for_so_many_clients_and_no_more(tmp_path: Path) -> None:
    """The next one is told to try later, and has its place once one has gone."""

    async def scenario() -> None:
        async with server(tmp_path, max_clients=2, address_share=1.0) as running:
            async with running.client("fields=") as first, running.client("fields=") as second:
                await first.hello()
                await second.hello()
                async with running.client("fields=") as third:
                    assert "which is the maximum" in (await third.message())["message"]
                    assert await closed_with(third.socket) == 1013
            await running.wait_until(lambda: not running.stream.clients)
            async with running.client("fields=") as third:
                await third.hello()

    asyncio.run(scenario())


def test_one_address_leaves_room_for_another(tmp_path: Path) -> None:
    """It is told so; the other is let in."""

    async def scenario() -> None:
        async with server(tmp_path, max_clients=4) as running, contextlib.AsyncExitStack() as stack:
            for _ in range(2):
                await (await stack.enter_async_context(running.client("fields="))).hello()
            third = await stack.enter_async_context(running.client("fields="))
            assert (await third.message())["message"] == (
                "2 clients are connected; the remaining places are reserved for other addresses"
            )
            other = await stack.enter_async_context(running.client("fields=", local_addr=("127.0.0.2", 0)))
            await other.hello()

    asyncio.run(scenario())


def test_streams_are_opened_no_faster_than_allowed(tmp_path: Path) -> None:
    """A client that comes back again and again is told to wait."""

    async def scenario() -> None:
        async with server(tmp_path, connections_per_second=0.2, address_share=1.0) as running:
            answers = []
            for _ in range(3):
                async with running.client("fields=") as client:
                    answers.append((await client.message())["type"])
            assert answers == ["runtime_config", "runtime_config", "error"]

    asyncio.run(scenario())


def test_a_client_that_vanishes_leaves_nothing_behind(tmp_path: Path) -> None:
    """Without a word, in the middle of the stream."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running:
            async with running.client() as client:
                await client.hello()
                feed.put(*STEPS[:30])
                await client.bins(10)
                client.socket.transport.abort()
            await running.wait_until(lambda: not running.stream.clients)
            async with running.client("fields=&history=5") as other:
                await other.hello()
                feed.put(*STEPS[30:40])
                assert len(await other.bins(15)) == 15

    asyncio.run(scenario())
