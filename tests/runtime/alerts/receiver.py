"""A receiver of notices on loopback, which answers as a test wants it to."""

import contextlib
import http.server
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

SECRET: Final = "a secret of the test's own"  # noqa: S105  # it opens nothing


@dataclass(frozen=True)
class Received:
    """A request: its headers in lower case, and its body."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class LoopbackReceiver:
    """What has come, and the statuses of the next answers; 200 once there are none left.

    Attributes:
        port: where it listens.
        statuses: of the next answers.
        received: requests, in their order.
        gate: answers wait for it.
    """

    port: int
    statuses: list[int]
    received: "queue.SimpleQueue[Received]" = field(default_factory=queue.SimpleQueue)
    gate: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def receiver(statuses: Sequence[int] = (), *, is_open: bool = True) -> Iterator[LoopbackReceiver]:
    """Listen for notices as long as the context lasts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that is called
            """Note the request, and answer."""
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.received.put(Received(self.path, headers, body))
            found.gate.wait()
            self.send_response(found.statuses.pop(0) if found.statuses else 200)
            self.send_header("location", f"http://127.0.0.1:{found.port}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = LoopbackReceiver(listening.server_port, list(statuses))
    if is_open:
        found.gate.set()
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.gate.set()
        listening.shutdown()
        listening.server_close()
        thread.join()
