"""One session with Databento's live gateway, through Databento's own client, from connecting to the cut.

The client connects in a thread of its own, which may take as long as its time-outs, and hands over records in another.
Neither holds up the feed, which looks at what has come when it likes.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

MOST_HELD_BYTES: Final = 64_000_000
"""Records, a million of them, that may wait to be taken: a reader that falls further behind has to begin anew."""


@dataclass(frozen=True)
class Subscription:
    """A subscription to one instrument: a snapshot of its whole book, and every change from then on."""

    dataset: str
    symbol: str

    def send(self, client: Any) -> None:
        """Connect, subscribe and start; the client's exceptions say what is wrong."""
        client.subscribe(self.dataset, "mbo", symbols=[self.symbol], stype_in="raw_symbol", snapshot=True)
        client.start()


class GatewaySession:
    """A session that is being connected, is up, or is over."""

    def __init__(self, make_client: Callable[[], Any], subscription: Subscription, errors: tuple[type[Exception], ...]):
        """Begin to connect. `errors` are the exceptions with which the client says that it cannot."""
        self._make_client, self._subscription, self._errors = make_client, subscription, errors
        self._lock = threading.Lock()
        self._held = bytearray()
        self._client: Any = None
        self._is_closed = self._has_overflown = False
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._connect, name="gateway", daemon=True)
        self._thread.start()

    @property
    def is_connecting(self) -> bool:
        """Whether the session is neither up nor over yet."""
        return self._thread.is_alive()

    def failure(self) -> str | None:
        """Return why the session is over; None where it is not."""
        if self._thread.is_alive():
            return None
        if self._has_overflown:
            return f"records were not taken in time: more than {MOST_HELD_BYTES // 1_000_000} MB were waiting"
        if self._failure is None and self._client is None:
            self._failure = "the client failed"
        if self._failure is None and not self._client.is_connected():
            self._failure = self._reason()
        return self._failure

    def take(self) -> bytes:
        """Return the DBN bytes received since the last call; every record in them is whole."""
        with self._lock:
            taken, self._held = bytes(self._held), bytearray()
        return taken

    def close(self) -> None:
        """End the session; a connection that is still being made is closed as soon as it is there."""
        with self._lock:
            self._is_closed = True
            client = self._client
        if client is not None:
            client.terminate()

    def _connect(self) -> None:
        try:
            client = self._make_client()
            client.add_stream(self)
            self._subscription.send(client)
        except self._errors as error:
            self._failure = _one_line(error)
            return
        with self._lock:
            self._client = client
            is_closed = self._is_closed
        if is_closed:
            client.terminate()

    def _reason(self) -> str:
        """Return the client's reason for the end of its connection."""
        try:
            self._client.block_for_close(timeout=1.0)
        except self._errors as error:
            return _one_line(error)
        return "the gateway closed the connection"

    # What the client asks of a stream that it writes records to.

    closed = False

    def writable(self) -> bool:
        """Return True: the client may write records to this object."""
        return True

    def write(self, data: bytes) -> int:
        """Take the metadata, or one record."""
        with self._lock:
            if len(self._held) + len(data) > MOST_HELD_BYTES:
                self._has_overflown = True
            if not self._has_overflown:
                self._held += data
        return len(data)

    def flush(self) -> None:
        """Do nothing: every write is complete at once."""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
