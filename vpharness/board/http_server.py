"""The board over HTTP on this machine alone, for a browser beside it: GET and HEAD, no token, no other hosts' pages.

Beyond loopback the live server shows the same pages behind its token. One answer is made at a time.
"""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from vpharness.board.answers import HEADERS, Board, PageAnswer, answer
from vpharness.errors import ConfigError

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
PREFIX: Final = "/board/"
_TIMEOUT_S: Final = 10.0
_TEXT: Final = "text/plain; charset=utf-8"


class BoardServer(ThreadingHTTPServer):
    """A server of one board."""

    daemon_threads = True

    def __init__(self, board: Board, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.board = board
        self.one_at_a_time = threading.Lock()
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Where the board's first page is."""
        host, port = self.server_address[:2]
        name = host.decode() if isinstance(host, bytes | bytearray) else str(host)
        return f"http://{f'[{name}]' if ':' in name else name}:{port}{PREFIX}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a browser that has gone away be gone; everything else is an error of this program."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: BoardServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "vpharness", ""
    timeout = _TIMEOUT_S

    def do_GET(self) -> None:  # the name that the base class looks for
        """Answer a request with its body."""
        self._send(self._found(), with_body=True)

    def do_HEAD(self) -> None:  # the name that the base class looks for
        """Answer a request with the head alone."""
        self._send(self._found(), with_body=False)

    def log_message(self, *_: Any) -> None:
        """Log nothing: addresses say what somebody looks at."""

    def _found(self) -> PageAnswer | str:
        """Return the answer, or the address that it is at."""
        if _host_of(self.headers.get("host", "")) not in LOOPBACK:
            # A page from elsewhere whose name has been pointed at this machine is kept out by this.
            return _plain(HTTPStatus.MISDIRECTED_REQUEST, "the board is asked for by a name that is not this machine's")
        asked = urlsplit(self.path)
        if asked.path in {"/", PREFIX.rstrip("/")}:
            return PREFIX
        if not asked.path.startswith(PREFIX):
            return _plain(HTTPStatus.NOT_FOUND, f"there is nothing here but {PREFIX}")
        with self.server.one_at_a_time:
            return answer(self.server.board, unquote(asked.path.removeprefix(PREFIX)), asked.query)

    def _send(self, found: PageAnswer | str, *, with_body: bool) -> None:
        if isinstance(found, str):
            self.send_response(HTTPStatus.SEE_OTHER)
            self.send_header("location", found)
            found = PageAnswer(HTTPStatus.SEE_OTHER, _TEXT, b"")
        else:
            self.send_response(found.status)
        for name, value in {
            **HEADERS,
            "content-type": found.content_type,
            "content-length": str(len(found.body)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(found.body)


def _host_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _plain(status: int, text: str) -> PageAnswer:
    return PageAnswer(status, _TEXT, f"{text}\n".encode())


@contextmanager
def serving_board(board: Board, host: str, port: int) -> Iterator[BoardServer]:
    """Serve a board while the block runs, in a thread. Raises ConfigError where it cannot listen there."""
    if host not in LOOPBACK:
        raise ConfigError(
            f"host is {host!r}; the board has no token and is for this machine alone: give one of "
            f"{', '.join(LOOPBACK)}, or look at /board of the live server, which asks for its token"
        )
    try:
        server = BoardServer(board, host, port)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"cannot listen at {host}, port {port}: {reason}; choose another port=, or 0 for any"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="board", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
