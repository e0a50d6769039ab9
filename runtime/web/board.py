"""The board at `/board`: pages of the lake's research, made in a process of their own that costs no bin anything.

The process is started when the first page is asked for. It runs where nobody else wants to, answers one request at a
time, and is killed where an answer takes too long: that costs this answer, and the next request starts another. Here
are only the bytes of a few answers, at most `ANSWERS` of them, until each has been taken.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sanic import HTTPResponse, Request, Sanic, redirect

from runtime.web.sanic_adapter import abort_connection, close_after_answer
from vpharness.errors import VpharnessError

WORKER: Final = "vpharness.board.page_worker"
ANSWERS: Final = 3
"""Answers that are being made or sent at once; one of them is made, the others wait or are on their way."""

WAITING: Final = 16
"""Requests beyond these that wait for one of them; any more are refused."""

ANSWER_S: Final = 25.0
"""How long an answer may take, its wait for the process included."""

SENDING_S: Final = 30.0
"""How long a client may take to read its answer."""

MOST_BYTES: Final = 4_000_000
"""The longest answer that is taken from the process."""

_PIECE: Final = 65_536
_MOST_HEAD: Final = 65_536


class BoardError(VpharnessError):
    """The board could not answer; the next request may be answered."""


@dataclass(frozen=True)
class BoardAnswer:
    """What the process answered."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class BoardProcess:
    """The process that answers, and who waits for it.

    Attributes:
        lake: whose pages it makes.
        answer_s: how long an answer may take.
        module: what is run.
    """

    lake: Path
    answer_s: float = ANSWER_S
    module: str = WORKER
    _running: "subprocess.Popen[bytes] | None" = None
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ANSWERS))
    _waiting: int = 0

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the few places for answers. Raises BoardError where too many wait for one."""
        if self._waiting >= WAITING:
            raise BoardError("the board is asked for more than it can answer; try again in a few seconds")
        self._waiting += 1
        try:
            async with asyncio.timeout(self.answer_s):
                await self._slots.acquire()
        except TimeoutError:
            raise BoardError("the board has been busy for too long; try again in a few seconds") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    async def ask(self, path: str, query: str) -> BoardAnswer:
        """Return the answer to one request. Raises BoardError where the process dies, or takes too long."""
        try:
            async with asyncio.timeout(self.answer_s), self._turn:
                try:
                    return await self._asked(path, query)
                except BaseException:
                    # Half of an answer may be on its way: nobody may take it for the next one's.
                    self.close()
                    raise
        except TimeoutError:
            raise BoardError(
                f"the board took longer than {self.answer_s:g} s: it gives way to the stream; try again, or look at "
                "python -m vpharness board"
            ) from None
        except (OSError, EOFError, ValueError) as error:
            raise BoardError("the board's process has ended; the next request starts another") from error

    async def _asked(self, path: str, query: str) -> BoardAnswer:
        reader, writer = await self._opened()
        writer.write(json.dumps({"path": path, "query": query}).encode() + b"\n")
        await writer.drain()
        line = await reader.readuntil(b"\n")
        head: dict[str, Any] = json.loads(line)
        count = int(head["bytes"])
        if not 0 <= count <= MOST_BYTES:
            raise ValueError(f"the board's process announced an answer of {count} bytes")
        body = await reader.readexactly(count)
        return BoardAnswer(int(head["status"]), {**head["headers"], "content-type": head["content_type"]}, body)

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._running is not None and self._running.poll() is not None:
            self.close()
        if self._reader is None or self._writer is None:
            ours, theirs = socket.socketpair()
            with theirs:
                # Starting takes a few milliseconds: what it does is done by the process itself.
                self._running = self._start(theirs)
            self._reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=_MOST_HEAD)
        return self._reader, self._writer

    def _start(self, asked: socket.socket) -> "subprocess.Popen[bytes]":
        """Start the process, which gives way by itself (`vpharness.board.page_worker.give_way`)."""
        return subprocess.Popen(  # noqa: S603  # this interpreter, and a module of ours
            [sys.executable, "-m", self.module, str(self.lake)],
            stdin=asked.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self) -> None:
        """End the process, if there is one; another is started when somebody asks again."""
        if self._writer is not None:
            self._writer.close()
        if self._running is not None:
            self._running.kill()
            # A process that gives way to all others may take a while to be gone: nobody waits for it but this thread.
            threading.Thread(target=self._running.wait, name="end of the board", daemon=True).start()
        self._running = self._reader = self._writer = None


def add_board(app: Sanic[Any, Any], lake: Path) -> None:
    """Register the board's routes on an application, and end its process with it."""
    app.ctx.board = BoardProcess(lake)
    app.add_route(get_board, "/board")
    app.add_route(get_board_page, "/board/<path:path>")


async def get_board(request: Request) -> HTTPResponse | None:
    """Send the leaderboard, at an address below which its links lead to the other pages."""
    if not request.path.endswith("/"):
        query = f"?{request.query_string}" if request.query_string else ""
        return redirect(f"board/{query}")  # relative: a proxy may serve all of this below a path of its own
    return await get_board_page(request, "")


async def get_board_page(request: Request, path: str) -> HTTPResponse | None:
    """Send a page of the board, as fast as its client takes it. Raises BoardError where there is no answer."""
    process: BoardProcess = request.app.ctx.board
    async with process.slot():
        await _send(request, await process.ask(path, request.query_string))
    return None


async def _send(request: Request, found: BoardAnswer) -> None:
    """Send an answer in pieces, each when the one before has been taken; who takes too long is cut off."""
    headers = {**found.headers, "content-length": str(len(found.body))}
    content_type = headers.pop("content-type")
    response = await request.respond(status=found.status, headers=headers, content_type=content_type)
    try:
        async with asyncio.timeout(SENDING_S):
            for start in range(0, len(found.body), _PIECE):
                await response.send(found.body[start : start + _PIECE])
            await response.eof()
    except TimeoutError:
        close_after_answer(request)
        abort_connection(request)
