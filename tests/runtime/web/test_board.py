"""The board on the live server: answered by a process of its own, whose end or delay costs one answer."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.config.server_parameters import RuntimeParameters
from runtime.web.auth import HEADERS
from runtime.web.board import ANSWERS, MOST_BYTES, WAITING, BoardError, BoardProcess
from runtime.web.memory_bound import most_bytes
from tests.runtime.market import ScriptedFeed, minute, steps_of
from tests.runtime.serving import PATIENCE_S, Server, server
from tests.runtime.web.test_auth import TOKEN, ask
from vpharness.board.answers import MOST_BYTES as MOST_OF_A_PAGE

STAND_IN = """
import json, os, socket, sys, time
with socket.socket(fileno=os.dup(0)) as asking, asking.makefile("rwb") as lines:
    while line := lines.readline():
        asked = json.loads(line)
        if asked["path"] == "die":
            os._exit(1)
        if asked["path"] == "hang":
            time.sleep(600)
        size = int(asked["query"]) if asked["path"] == "size" else 0
        body = b"x" * size or json.dumps({**asked, "pid": os.getpid(), "lake": sys.argv[1]}).encode()
        head = {"status": 404 if asked["path"] == "none" else 200, "content_type": "text/plain", "bytes": len(body)}
        lines.write(json.dumps({**head, "headers": {"x-board": "yes"}}).encode() + b"\\n" + body)
        lines.flush()
"""
"""What answers at once, dies, hangs or sends much, as it is asked to."""


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have processes answer that need no second to start."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "stand_in_for_the_board.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{os.environ.get('PYTHONPATH', '')}")


@contextlib.asynccontextmanager
async def process(tmp_path: Path, answer_s: float = PATIENCE_S) -> AsyncIterator[BoardProcess]:
    """Yield a process that answers, and end it."""
    made = BoardProcess(tmp_path, answer_s, "stand_in_for_the_board")
    try:
        yield made
    finally:
        made.close()


def test_one_process_answers_one_after_the_other(tmp_path: Path) -> None:
    """It is started by the first request, and told what is asked as it was asked."""

    async def scenario() -> None:
        async with process(tmp_path) as made:
            found = await asyncio.gather(*(made.ask("page", f"number={number}") for number in range(5)))
            told = [json.loads(each.body) for each in found]
            assert [each["query"] for each in told] == [f"number={number}" for number in range(5)]
            assert len({each["pid"] for each in told}) == 1
            assert told[0]["lake"] == str(tmp_path)
            assert (await made.ask("none", "")).status == 404

    asyncio.run(scenario())


def test_the_end_of_the_process_costs_one_answer(tmp_path: Path) -> None:
    """The next request starts another, also where it was killed while nobody asked."""

    async def scenario() -> None:
        async with process(tmp_path) as made:
            first = json.loads((await made.ask("page", "")).body)["pid"]
            with pytest.raises(BoardError, match="the next request starts another"):
                await made.ask("die", "")
            second = json.loads((await made.ask("page", "")).body)["pid"]
            assert second != first
            os.kill(second, signal.SIGKILL)
            with contextlib.suppress(BoardError):  # its end may not have been seen yet
                await made.ask("page", "")
            assert json.loads((await made.ask("page", "")).body)["pid"] != second

    asyncio.run(scenario())


def test_an_answer_that_takes_too_long_is_given_up_and_its_process_with_it(tmp_path: Path) -> None:
    """Nothing of it is taken for the answer to the next request."""

    async def scenario() -> None:
        async with process(tmp_path) as made:
            pid = json.loads((await made.ask("page", "")).body)["pid"]
            made.answer_s = 0.2
            with pytest.raises(BoardError, match=r"took longer than 0\.2 s"):
                await made.ask("hang", "")
            made.answer_s = PATIENCE_S
            found = json.loads((await made.ask("page", "after")).body)
            assert (found["query"], found["pid"] == pid) == ("after", False)

    asyncio.run(scenario())


def test_more_than_can_wait_are_refused(tmp_path: Path) -> None:
    """A few hold an answer, some wait, and the rest are told to come back; a place is free once an answer is taken."""

    async def scenario() -> None:
        async with process(tmp_path) as made, contextlib.AsyncExitStack() as held:
            for _ in range(ANSWERS):
                await held.enter_async_context(made.slot())
            waiting = [asyncio.create_task(made.slot().__aenter__()) for _ in range(WAITING)]
            await asyncio.sleep(0)
            with pytest.raises(BoardError, match="more than it can answer"):
                async with made.slot():
                    pass
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await held.aclose()
            async with made.slot():
                pass

    asyncio.run(scenario())


def test_an_answer_larger_than_is_allowed_is_none(tmp_path: Path) -> None:
    """The memory that answers take is bounded, and the bound is part of the server's."""

    async def scenario() -> None:
        async with process(tmp_path) as made:
            assert len((await made.ask("size", str(MOST_BYTES))).body) == MOST_BYTES
            with pytest.raises(BoardError):
                await made.ask("size", str(MOST_BYTES + 1))

    asyncio.run(scenario())
    assert MOST_OF_A_PAGE <= MOST_BYTES


@contextlib.asynccontextmanager
async def running(tmp_path: Path, **settings: Any) -> AsyncIterator[Server]:
    """Serve with a board that the stand-in answers for."""
    async with server(tmp_path, **settings) as found:
        found.app.ctx.board.module = "stand_in_for_the_board"
        yield found


def test_pages_come_with_their_own_headers_and_the_servers_beside_them(tmp_path: Path) -> None:
    """At an address below which relative links lead on; large ones whole; unknown names with their status."""

    async def scenario() -> None:
        async with running(tmp_path) as found:
            moved = await ask(found, "/board?kind=all")
            assert (moved.status, moved.headers["location"]) == (302, "board/?kind=all")
            page = await ask(found, "/board/candidate?id=a%20b")
            assert (page.status, page.headers["x-board"]) == (200, "yes")
            assert page.headers["x-content-type-options"] == HEADERS["x-content-type-options"]
            assert json.loads(page.body)["path"] == "candidate"
            assert json.loads(page.body)["query"] == "id=a%20b"
            first = await ask(found, "/board/")
            assert json.loads(first.body)["path"] == ""
            assert (await ask(found, "/board/none")).status == 404
            large = await ask(found, "/board/size?3000000")
            assert len(large.body) == 3_000_000
            gone = await ask(found, "/board/die")
            assert (gone.status, gone.body) == (503, "the board's process has ended; the next request starts another")
            assert (await ask(found, "/board/again")).status == 200

    asyncio.run(scenario())


def test_the_board_is_behind_the_servers_token(tmp_path: Path) -> None:
    """Without it nothing is started."""

    async def scenario() -> None:
        async with running(tmp_path, token=TOKEN) as found:
            assert (await ask(found, "/board/")).status == 401
            assert found.app.ctx.board._running is None
            assert (await ask(found, "/board/", authorization=f"Bearer {TOKEN}")).status == 200

    asyncio.run(scenario())


def test_bins_go_on_while_the_board_hangs(tmp_path: Path) -> None:
    """A client of the stream is sent every bin, and the server stops at once though an answer is still being made."""

    async def scenario() -> None:
        feed, steps = ScriptedFeed(), steps_of(minute())[:40]
        async with running(tmp_path, feed=feed) as found, found.client("fields=") as client:
            await client.hello()
            hanging = asyncio.create_task(ask(found, "/board/hang"))
            await found.wait_until(lambda: found.app.ctx.board._running is not None)
            feed.put(*steps)
            assert len(await client.bins(len(steps))) == len(steps)
        begun = time.monotonic()
        with contextlib.suppress(Exception):
            await hanging
        assert time.monotonic() - begun < PATIENCE_S

    asyncio.run(scenario())


def test_the_real_process_gives_way_and_shows_the_lake(tmp_path: Path) -> None:
    """It runs only where nobody else wants to, and answers for an empty lake."""

    async def scenario() -> None:
        made = BoardProcess(tmp_path / "lake", 10 * PATIENCE_S)
        try:
            found = await made.ask("campaigns", "")
            assert found.status == 200
            assert b"There is no campaign yet" in found.body
            assert "form-action 'self'" in found.headers["content-security-policy"]
            assert made._running is not None
            if sys.platform == "linux":
                assert os.sched_getscheduler(made._running.pid) == os.SCHED_IDLE
        finally:
            made.close()

    asyncio.run(scenario())


def test_what_answers_may_hold_is_part_of_the_memory_bound() -> None:
    """Each of them once as it came and once on its way."""
    assert most_bytes(RuntimeParameters(), 50, 0)["board"] == 2 * ANSWERS * MOST_BYTES
