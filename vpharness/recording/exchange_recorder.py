"""A recorder: from a websocket into files, with snapshots, sequence checks and reconnections.

Every message is written as it came, in an envelope with the time it was received. A snapshot of the book is asked for
when the first message of a connection, of a file, or after a gap in the sequence numbers has come, so that no message
lies between the two; it is written when it arrives. A file can therefore be read by itself.
"""

import asyncio
import contextlib
import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from vpharness.errors import FeedError
from vpharness.recording.coinbase_protocol import VARIABLES, Key, heard, is_loopback, snapshot_request, subscription
from vpharness.recording.message_file import MessageFile, disk_errors, new_message_file

SILENT_S: Final = 30.0
"""A connection without any message for so long, heartbeats included, is taken for dead."""
_TIMEOUT_S: Final = 20.0
_REDIRECTIONS: Final = frozenset({300, 301, 302, 303, 307, 308})
_REFUSED: Final = _REDIRECTIONS | {400, 401, 403, 404}
"""HTTP statuses after which asking again is in vain; redirections are among them, for a key goes to one host alone."""
_PART_BYTES: Final = 1 << 20
_SETTLED_S: Final = 60.0
"""After a connection of so long the next wait is the shortest again."""


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """Takes a redirection for an error: the headers with the key would be sent along."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request to go on with."""


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Return what opens an address: without redirections, and for this machine's own without a proxy."""
    direct = [urllib.request.ProxyHandler({})] if is_loopback(url) else []
    return urllib.request.build_opener(_NoRedirection, *direct)


class _Connect(connect):
    """Takes a redirection for an error: the subscription, which holds the key, would be sent to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return the error as it is, for there is no address to go on with."""
        return exc


@dataclass(frozen=True)
class RecorderSettings:
    """What is recorded, from where, into which files."""

    symbol: str
    folder: Path
    url: str
    rest_url: str
    key: Key | None = None
    compression: str = "zstd"
    rotate_bytes: int = 1 << 30
    rotate_seconds: float = 86_400.0
    largest_message_bytes: int = 60 << 20
    shortest_backoff_s: float = 1.0
    longest_backoff_s: float = 60.0


@dataclass
class RecorderProgress:
    """How far a recording has come: one object, updated as it goes on."""

    messages: int = 0
    snapshots: int = 0
    gaps: int = 0
    connections: int = 0
    bytes_written: int = 0
    files: list[Path] = field(default_factory=list)
    state: str = "connecting"


class Recorder:
    """A recording that goes on until it is cancelled; `close` ends its file, whatever happened."""

    def __init__(self, settings: RecorderSettings, report: Callable[[RecorderProgress], None]) -> None:
        """Start without a connection, and without a file."""
        self.settings, self.report = settings, report
        self.progress = RecorderProgress()
        self.file: MessageFile | None = None
        self.sequence: int | None = None
        self.wanted_from: int | None = None
        """The number of the message that a snapshot must join on to: of the first that stands without one."""
        self._snapshot: asyncio.Task[None] | None = None
        self._closed_bytes = 0

    async def run(self) -> None:
        """Connect, record, and connect again after every failure, waiting longer each time in vain.

        Raises FeedError where the exchange refuses what is asked, or the disk cannot be written.
        """
        wait = self.settings.shortest_backoff_s
        while True:
            begun = time.monotonic()
            try:
                await self._one_connection()
            except (OSError, WebSocketException, msgspec.DecodeError, UnicodeDecodeError) as error:
                _refuse_redirection(error, self.settings.url)
                self.progress.state = f"{_in_words(error)}; connecting again in {wait:.0f} s"
            if time.monotonic() - begun > _SETTLED_S:
                wait = self.settings.shortest_backoff_s
            self.report(self.progress)
            await asyncio.sleep(wait * random.uniform(0.75, 1.0))  # noqa: S311  # spreads clients, hides nothing
            wait = min(2 * wait, self.settings.longest_backoff_s)

    def close(self) -> None:
        """End the file that is being written and give it its name."""
        if self.file is None:
            return
        file, self.file = self.file, None
        with disk_errors(self.settings.folder):
            path = file.close()
        self._closed_bytes += file.bytes_written if path else 0
        self.progress.bytes_written = self._closed_bytes
        if path is not None:
            self.progress.files.append(path)

    async def _one_connection(self) -> None:
        """Record one connection until it ends; the snapshot that is being asked for ends with it."""
        settings = self.settings
        self.sequence = self.wanted_from = None
        async with _Connect(
            settings.url,
            proxy=None if is_loopback(settings.url) else True,
            max_size=settings.largest_message_bytes,
            open_timeout=_TIMEOUT_S,
            close_timeout=1.0,
            user_agent_header="vpharness",
        ) as socket:
            self.progress.connections += 1
            await socket.send(subscription(settings.symbol, settings.key, str(int(time.time()))))
            try:
                await self._receive(socket)
            finally:
                await self._end_snapshot()

    async def _receive(self, socket: ClientConnection) -> None:
        while True:
            async with asyncio.timeout(SILENT_S):
                message = await socket.recv(decode=False)
            self._take(bytes(message), time.time_ns())
            if self._snapshot is not None and self._snapshot.done():
                done, self._snapshot = self._snapshot, None
                done.result()
            self.report(self.progress)

    def _take(self, message: bytes, received_ns: int) -> None:
        """Write a message, and look whether all before it have come."""
        told = heard(message)
        if told.type == "error":
            reason = ": ".join(filter(None, (told.message, told.reason))) or "without a reason"
            raise FeedError(f"the exchange refuses the subscription: {reason[:300]}; {_advice(self.settings)}")
        self._rotate()
        self._write(message, received_ns, None)
        self.progress.messages += 1
        if told.sequence is None or told.product_id != self.settings.symbol or told.type == "heartbeat":
            return
        self.progress.state = "recording"
        if self.sequence is not None and told.sequence > self.sequence + 1:
            self.progress.gaps += 1
            self.wanted_from = told.sequence
        elif self.sequence is None or self.wanted_from == 0:
            self.wanted_from = told.sequence
        self.sequence = max(told.sequence, self.sequence or 0)
        if self.wanted_from and self._snapshot is None:
            self._snapshot = asyncio.create_task(self._take_snapshot())

    async def _take_snapshot(self) -> None:
        """Ask for the book until an answer joins on to the messages recorded, and write it."""
        wait = self.settings.shortest_backoff_s
        while self.wanted_from:
            try:
                body = await _in_thread(self._fetch)
                sequence = heard(body).sequence
            except (OSError, http.client.HTTPException, msgspec.DecodeError, UnicodeDecodeError) as error:
                self.progress.state = f"no snapshot yet: {_in_words(error)}"
                sequence = None
            if sequence is not None and self.wanted_from and sequence >= self.wanted_from - 1:
                self._write(body, time.time_ns(), self.settings.symbol)
                self.progress.snapshots += 1
                self.wanted_from = None
                return
            await asyncio.sleep(wait)
            wait = min(2 * wait, self.settings.longest_backoff_s)

    async def _end_snapshot(self) -> None:
        task, self._snapshot = self._snapshot, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _fetch(self) -> bytes:
        """Return the exchange's answer to a request for the whole book; FeedError where it refuses."""
        settings = self.settings
        url, headers = snapshot_request(settings.rest_url, settings.symbol, settings.key, str(int(time.time())))
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  # check_urls knows its scheme
        try:
            with _opener(settings.rest_url).open(request, timeout=_TIMEOUT_S) as answer:
                parts, length = [], 0
                while part := answer.read(_PART_BYTES):
                    parts.append(part)
                    length += len(part)
                    if length > settings.largest_message_bytes:
                        raise FeedError(
                            f"the snapshot has more than {settings.largest_message_bytes >> 20} MB; raise "
                            "largest_message_mb"
                        )
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _REFUSED:
                raise FeedError(
                    f"the exchange refuses the snapshot with HTTP status {error.code}; {_advice(settings)}"
                ) from error
            raise
        except ValueError:  # says what cannot be sent, which may be the key
            raise FeedError(f"the snapshot cannot be asked for: {_advice(settings)}") from None
        return b"".join(parts)

    def _rotate(self) -> None:
        """Begin a new file where there is none, or the old one is large or old enough; it needs a snapshot."""
        file, settings = self.file, self.settings
        if file is not None:
            self.progress.bytes_written = self._closed_bytes + file.bytes_written
            age = time.monotonic() - file.started
            if file.bytes_written < settings.rotate_bytes and age < settings.rotate_seconds:
                return
            self.close()
        with disk_errors(settings.folder):
            self.file = new_message_file(settings.folder, f"coinbase-{settings.symbol}", settings.compression)
        self.wanted_from = 0  # from the next message with a number on

    def _write(self, message: bytes, received_ns: int, symbol: str | None) -> None:
        """Write a line; between the parts of a JSON text a line's end is a space."""
        named = "" if symbol is None else f'"symbol":{json.dumps(symbol)},'
        head = f'{{"received_ns":{received_ns},{named}"message":'.encode()
        assert self.file is not None  # noqa: S101  # _rotate comes first
        with disk_errors(self.settings.folder):
            self.file.write(head + message.replace(b"\n", b" ").replace(b"\r", b" ") + b"}")


def _advice(settings: RecorderSettings) -> str:
    if settings.key is None:
        return f"a key in {', '.join(VARIABLES)} may be needed"
    return f"look at source.symbol, and at the key in {', '.join(VARIABLES)}"


def _refuse_redirection(error: Exception, url: str) -> None:
    """Raise FeedError where an error is an answer that sends a websocket elsewhere."""
    if isinstance(error, InvalidStatus) and (status := error.response.status_code) in _REDIRECTIONS:
        raise FeedError(
            f"{url} redirects (HTTP status {status}), which is not followed; give url= the address of the exchange's "
            "websocket itself"
        ) from error


def _in_words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = " ".join(str(error).split())
    return f"the connection failed: {said[:200] or type(error).__name__}"


async def _in_thread(function: Callable[[], bytes]) -> bytes:
    """Return what a function returns in a thread that an interruption need not wait for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bytes] = loop.create_future()

    def settle(setter: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            setter(value)

    def work() -> None:
        try:
            result: Any = function()
            setter: Callable[[Any], None] = future.set_result
        except Exception as error:
            result, setter = error, future.set_exception
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(settle, setter, result)

    threading.Thread(target=work, daemon=True).start()
    return await future
