"""The webhook: signed notices to one address, sent by a thread of their own so that nothing waits for the receiver.

A notice is a POST of a JSON object. Its headers::

    X-Vpharness-Timestamp: 1795765309                     when it was sent, seconds since the Unix epoch
    X-Vpharness-Signature: sha256=HEX                     HMAC-SHA256 of "TIMESTAMP.BODY" with the secret
    X-Vpharness-Delivery: HEX                             the same in every attempt of one notice

A receiver computes the signature anew from the bytes of the body, compares the two in constant time, and refuses an old
timestamp: so a notice can neither be forged nor be sent again later.
"""

import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import json
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from runtime.config.server_parameters import ALERTS_SECRET_VARIABLE, AlertParameters
from vpharness.errors import ConfigError

LEAST_SECRET: Final = 16
MOST_WAITING: Final = 100
"""Notices that wait for the receiver; of more, the newest are dropped and counted."""
_ATTEMPTS: Final = 6
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


@dataclass(frozen=True)
class Receiver:
    """A receiver that may be sent notices: its address in parts, and the secret shared with it."""

    scheme: str
    host: str
    port: int | None
    path: str
    secret: bytes


def receiver_of(alerts: AlertParameters) -> Receiver | None:
    """Return the configured receiver; None where no address is configured.

    Raises ConfigError where the address is not one of http or https on loopback or a named host, and where the secret
    is missing or too short.
    """
    if alerts.url is None:
        return None
    parts = _parts(alerts.url)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None or parts.fragment:
        raise ConfigError(
            f"runtime.alerts.url is {_shown(parts)}; it must be http(s)://HOST[:PORT]/PATH, without a user name"
        )
    if not (_is_loopback(host) or host in {each.lower() for each in alerts.hosts}):
        raise ConfigError(
            f"runtime.alerts.url has the host {host}, which is not this machine: name it in runtime.alerts.hosts"
        )
    secret = os.environ.get(ALERTS_SECRET_VARIABLE, "")
    if len(secret) < LEAST_SECRET:
        raise ConfigError(
            f"runtime.alerts.url needs a secret of at least {LEAST_SECRET} characters in {ALERTS_SECRET_VARIABLE}, "
            "with which notices are signed"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Receiver(parts.scheme, host, parts.port, path, secret.encode())


def signature_of(secret: bytes, timestamp: str, body: bytes) -> str:
    """Return the signature of a body that is sent at a time."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class Webhook:
    """Sends notices to a receiver, one after another; those that cannot be delivered are given up and counted.

    Attributes:
        sent, failed, dropped: notices delivered, given up after the last attempt, and left out as too many waited.
    """

    def __init__(
        self,
        receiver: Receiver,
        timeout_s: float,
        report: Callable[[str], None],
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        """Begin to send; `report` takes a line where a notice is given up, in the webhook's thread.

        Args:
            receiver: whom to send to.
            timeout_s: how long an attempt may take to connect, and to be answered.
            report: see above.
            first_pause_s: pause before the second attempt; each further one is twice as long.
        """
        self.sent = self.failed = self.dropped = 0
        self._receiver, self._timeout_s, self._report, self._pause_s = receiver, timeout_s, report, first_pause_s
        self._waiting: queue.Queue[Mapping[str, Any] | None] = queue.Queue(MOST_WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def send(self, notice: Mapping[str, Any]) -> None:
        """Send a notice as soon as those before it are done with. Never waits."""
        try:
            self._waiting.put_nowait(dict(notice))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Stop sending; an attempt under way ends by itself, and is not waited for."""
        self._stop.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)  # wakes the thread where nothing waits

    def _run(self) -> None:
        while not self._stop.is_set():
            notice = self._waiting.get()
            if notice is not None:
                self._deliver(json.dumps(notice, allow_nan=False).encode())

    def _deliver(self, body: bytes) -> None:
        delivery, pause_s, problem = secrets.token_hex(16), self._pause_s, ""
        for attempt in range(_ATTEMPTS):
            if attempt and self._stop.wait(min(pause_s * 2 ** (attempt - 1), _LONGEST_PAUSE_S)):
                return
            problem, is_final = self._attempt(body, delivery)
            if not problem:
                self.sent += 1
                return
            if is_final:
                break
        self.failed += 1
        self._report(f"a notice to {self._receiver.host} was given up: {problem}")

    def _attempt(self, body: bytes, delivery: str) -> tuple[str, bool]:
        """Send once; return why it was not delivered, if so, and whether another attempt is of no use."""
        receiver, timestamp = self._receiver, str(int(time.time()))
        secure = receiver.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(receiver.host, receiver.port, timeout=self._timeout_s)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "vpharness",
            "X-Vpharness-Timestamp": timestamp,
            "X-Vpharness-Signature": signature_of(receiver.secret, timestamp, body),
            "X-Vpharness-Delivery": delivery,
        }
        try:
            connection.request("POST", receiver.path, body, headers)
            status = connection.getresponse().status  # a redirection is not followed, and what is answered not read
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}", False
        finally:
            connection.close()
        if 200 <= status < 300:
            return "", False
        return f"it answered {status}", status < 500 and status not in {408, 425, 429}


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"runtime.alerts.url is no address: {error}") from error
    return parts


def _shown(parts: SplitResult) -> str:
    """Return an address without what may be secret in it."""
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
