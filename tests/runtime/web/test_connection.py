"""A connection: every frame counts, what is too much is cut off at once, and what is no request is answered rightly."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError

from runtime.stream.limits import TokenBucket
from tests.runtime.market import ScriptedFeed, minute, steps_of
from tests.runtime.serving import PATIENCE_S, Client, Server, server
from tests.runtime.web.hostile import BINARY, CONTINUATION, FINAL, PING, PONG, TEXT, frame
from tests.runtime.web.test_auth import ask

ALLOWED = 12
STEPS = steps_of(minute())[:20]
UPGRADE = (
    b"GET /v1/stream?fields= HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@contextlib.asynccontextmanager
async def raw(running: Server, *said: bytes) -> AsyncIterator[socket.socket]:
    """Connect without any protocol, and say something."""
    loop, link = asyncio.get_running_loop(), socket.socket()
    link.setblocking(False)
    with link:
        await loop.sock_connect(link, ("127.0.0.1", running.port))
        for each in said:
            await loop.sock_sendall(link, each)
        yield link


async def answer(link: socket.socket, most: int = 4_096) -> bytes:
    """Return what comes next."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.get_running_loop().sock_recv(link, most)


def cut(running: Server, cause: str) -> Callable[[], bool]:
    """Return whether a connection has been cut off for a cause."""
    return lambda: running.app.ctx.admission.cut[cause] > 0


@pytest.mark.parametrize(
    "one",
    [
        frame(FINAL | PING),
        frame(FINAL | PING, b"data"),
        frame(FINAL | PONG),
        frame(FINAL | TEXT, b"hello"),
        frame(FINAL | BINARY, b"\0"),
        frame(TEXT) + frame(CONTINUATION) * 100 + frame(FINAL | CONTINUATION),
    ],
    ids=["ping", "ping with data", "pong", "text", "binary", "fragments"],
)
def test_a_client_that_sends_one_frame_too_many_is_cut_off_though_it_reads_nothing(
    tmp_path: Path, one: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, and nobody who sends what is allowed; nothing is logged."""

    async def scenario() -> None:
        async with server(tmp_path, max_messages_per_minute=ALLOWED) as running, raw(running, UPGRADE) as link:
            await running.wait_until(lambda: len(running.stream.clients) == 1)
            async with running.client("fields=") as honest:
                await honest.hello()
                await asyncio.get_running_loop().sock_sendall(link, one * (ALLOWED + 1))
                await running.wait_until(cut(running, "frames"))
                await running.wait_until(lambda: len(running.stream.clients) == 1)
                with contextlib.suppress(ConnectionResetError):
                    while await answer(link):  # what had been sent before
                        pass
                running.stream.set_status('{"type":"status"}')
                assert await honest.message()

    asyncio.run(scenario())
    assert caplog.text == ""


def test_what_follows_a_frame_too_many_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of pings costs as much as the first few."""
    seen = 0
    take = TokenBucket.take

    def counted(self: TokenBucket) -> bool:
        nonlocal seen
        seen += 1
        return take(self)

    monkeypatch.setattr(TokenBucket, "take", counted)

    async def scenario() -> None:
        async with server(tmp_path, max_messages_per_minute=ALLOWED) as running, raw(running, UPGRADE) as link:
            await running.wait_until(lambda: len(running.stream.clients) == 1)
            with contextlib.suppress(ConnectionError):
                await asyncio.get_running_loop().sock_sendall(link, frame(FINAL | PING) * 150_000)
            await running.wait_until(cut(running, "frames"))

    asyncio.run(scenario())
    assert seen == ALLOWED + 1


def test_as_many_pings_as_are_allowed_are_answered(tmp_path: Path) -> None:
    """Each with its pong, and the stream goes on."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with (
            server(tmp_path, feed, max_messages_per_minute=ALLOWED) as running,
            running.client("fields=") as client,
        ):
            await client.hello()
            for _ in range(ALLOWED):
                async with asyncio.timeout(PATIENCE_S):
                    await (await client.socket.ping())
            feed.put(*STEPS)
            assert len(await client.bins(len(STEPS))) == len(STEPS)

    asyncio.run(scenario())


def test_a_message_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """By its size, with the code for that."""

    async def scenario() -> None:
        async with server(tmp_path, max_message_bytes=200) as running, running.client("fields=") as client:
            await client.hello()
            await client.socket.send("x" * 201)
            assert await closed_with(client) == 1009

    asyncio.run(scenario())


async def closed_with(client: Client) -> int | None:
    """Read until the server closes; return its code."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await client.socket.recv()
    except ConnectionClosedError as closed:
        return None if closed.rcvd is None else closed.rcvd.code


def test_a_request_that_is_larger_than_any_is_cut_off(tmp_path: Path) -> None:
    """Whether it is one long head, or many requests before the first is answered."""

    async def scenario() -> None:
        async with server(tmp_path) as running:
            for said in (b"x" * 50_000, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 2_000):
                running.app.ctx.admission.cut.clear()
                async with raw(running) as link:
                    with contextlib.suppress(ConnectionError):
                        await asyncio.get_running_loop().sock_sendall(link, said)
                    await running.wait_until(cut(running, "unread"))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: abc\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello", b"413"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 9_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/9\r\nHost: 127.0.0.1\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n", b"417"),
        (b"NONE / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"421"),
        (b"GET / HTTP/1.1\r\n\r\n", b"421"),
    ],
)
def test_what_is_wrong_with_a_request_is_what_is_answered(
    tmp_path: Path, said: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """And not that it has no name of a server, as what is no request has none; nothing is logged."""

    async def scenario() -> None:
        async with server(tmp_path) as running, raw(running, said) as link:
            assert (await answer(link)).split()[1] == status

    asyncio.run(scenario())
    assert caplog.text == ""


def test_more_requests_than_allowed_are_answered_so_and_the_connection_closed(tmp_path: Path) -> None:
    """By the time they come in; another address goes on."""

    async def scenario() -> None:
        async with server(tmp_path, requests_per_second=10.0) as running:
            link = socket.socket()
            link.bind(("127.0.0.2", 0))
            link.setblocking(False)
            with link:
                loop = asyncio.get_running_loop()
                await loop.sock_connect(link, ("127.0.0.1", running.port))
                await loop.sock_sendall(link, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 12)
                found = b""
                while said := await answer(link):
                    found += said
            assert (found.count(b"HTTP/1.1 200"), found.count(b"HTTP/1.1 429")) == (9, 1)
            assert (await ask(running, "/healthz")).status == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "said",
    [b"", b"GET /v1/con", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", UPGRADE[:-2], b"\x16\x03\x01"],
    ids=["nothing", "half a line", "half a head", "half a handshake", "rubbish"],
)
@pytest.mark.parametrize("vanishes", [True, False], ids=["gone", "there"])
def test_half_a_request_neither_holds_up_a_stop_nor_is_told_of(
    tmp_path: Path, said: bytes, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], vanishes: bool
) -> None:
    """Whether its client has gone or waits."""
    caplog.set_level(logging.DEBUG, "sanic.error")

    async def scenario() -> float:
        async with contextlib.AsyncExitStack() as stack:
            async with server(tmp_path, stop_s=20.0) as running:
                link = await stack.enter_async_context(raw(running, said))
                await running.wait_until(lambda: running.app.ctx.admission.connections.taken == 1)
                await asyncio.sleep(0.05)  # nothing shows that what was said has come
                if vanishes:
                    link.close()
                    await running.wait_until(lambda: running.app.ctx.admission.connections.taken == 0)
                begun = time.monotonic()
            return time.monotonic() - begun

    assert asyncio.run(scenario()) < 5
    assert caplog.text == ""
    assert "Traceback" not in capsys.readouterr().err
