"""Notices are signed, tried again, never waited for, and go nowhere but where the configuration says."""

import contextlib
import hashlib
import hmac
import json
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.alerts.webhook import MOST_WAITING, Receiver, Webhook, receiver_of
from runtime.config.server_parameters import ALERTS_SECRET_VARIABLE, AlertParameters
from tests.runtime.alerts.receiver import SECRET, receiver
from vpharness.errors import ConfigError

PATIENCE_S = 30.0


@contextlib.contextmanager
def webhook_to(port: int, reports: "queue.SimpleQueue[str] | None" = None) -> Iterator[Webhook]:
    """Yield a webhook to a port of this machine that pauses for hardly any time between attempts."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue() if reports is None else reports
    to = Receiver("http", "127.0.0.1", port, "/hook?a=b", SECRET.encode())
    webhook = Webhook(to, PATIENCE_S, lines.put, first_pause_s=1e-4)
    try:
        yield webhook
    finally:
        webhook.close()


def test_a_notice_comes_with_a_signature_of_its_body_and_time() -> None:
    """Which nobody makes who does not know the secret."""
    with receiver() as to, webhook_to(to.port) as webhook:
        webhook.send({"says": "worse than promised", "mean": None})
        came = to.received.get(timeout=PATIENCE_S)
    assert json.loads(came.body) == {"says": "worse than promised", "mean": None}
    assert came.path == "/hook?a=b"
    signed = came.headers["x-vpharness-timestamp"].encode() + b"." + came.body
    wanted = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert came.headers["x-vpharness-signature"] == f"sha256={wanted}"
    assert came.headers["content-type"] == "application/json"
    assert SECRET not in str(came)


def test_a_notice_is_sent_again_until_it_is_taken_and_the_next_one_after_it() -> None:
    """In their order; every attempt names the same delivery."""
    with receiver([500, 503, 429, 200]) as to, webhook_to(to.port) as webhook:
        webhook.send({"n": 1})
        webhook.send({"n": 2})
        came = [to.received.get(timeout=PATIENCE_S) for _ in range(5)]
    assert [json.loads(each.body)["n"] for each in came] == [1, 1, 1, 1, 2]
    deliveries = [each.headers["x-vpharness-delivery"] for each in came]
    assert len(set(deliveries[:4])) == 1
    assert deliveries[4] != deliveries[0]


@pytest.mark.parametrize(("statuses", "attempts", "why"), [([302], 1, "302"), ([403], 1, "403"), ([500] * 6, 6, "500")])
def test_a_notice_that_nobody_takes_is_given_up(statuses: list[int], attempts: int, why: str) -> None:
    """A redirection is not followed, and what is refused for good not tried again."""
    reports: queue.SimpleQueue[str] = queue.SimpleQueue()
    with receiver(statuses) as to, webhook_to(to.port, reports) as webhook:
        webhook.send({"n": 1})
        assert reports.get(timeout=PATIENCE_S) == f"a notice to 127.0.0.1 was given up: it answered {why}"
        assert (webhook.sent, webhook.failed) == (0, 1)
        came = [to.received.get(timeout=PATIENCE_S) for _ in range(attempts)]
        assert to.received.empty()
    assert {each.path for each in came} == {"/hook?a=b"}


def test_a_receiver_that_is_not_there_is_reported() -> None:
    """After the last attempt, in a line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        reports: queue.SimpleQueue[str] = queue.SimpleQueue()
        with webhook_to(taken.getsockname()[1], reports) as webhook:
            webhook.send({})
            assert "ConnectionRefusedError" in reports.get(timeout=PATIENCE_S)


def test_nothing_waits_for_a_receiver_that_does_not_answer() -> None:
    """What is more than can wait is dropped and counted, and closing returns at once."""
    with receiver(is_open=False) as to, webhook_to(to.port) as webhook:
        webhook.send({"n": 0})
        to.received.get(timeout=PATIENCE_S)  # the first is on its way, and is not answered
        for n in range(MOST_WAITING + 7):
            webhook.send({"n": n})
        assert (webhook.dropped, webhook.sent) == (7, 0)
        done = threading.Thread(target=webhook.close)
        done.start()
        done.join(PATIENCE_S)
        assert not done.is_alive()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"url": "ftp://127.0.0.1/x"}, "must be http"),
        ({"url": "file:///etc/passwd"}, "must be http"),
        ({"url": "http://user:word@127.0.0.1/x"}, "without a user name"),
        ({"url": "http:///x"}, "must be http"),
        ({"url": "http://127.0.0.1:port/x"}, "is no address"),
        ({"url": "https://alerts.example/x"}, "name it in runtime.alerts.hosts"),
        ({"url": "http://127.0.0.1.alerts.example/x"}, "name it in runtime.alerts.hosts"),
        ({"url": "http://10.0.0.8/x", "hosts": ["10.0.0.9"]}, "name it in runtime.alerts.hosts"),
    ],
)
def test_another_address_than_the_configuration_allows_is_refused(
    given: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, before anything is served."""
    monkeypatch.setenv(ALERTS_SECRET_VARIABLE, SECRET)
    with pytest.raises(ConfigError, match=why) as found:
        receiver_of(AlertParameters(**given))
    assert "word" not in str(found.value)


def test_this_machine_and_named_hosts_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a secret alone; and without an address there is nobody to tell."""
    monkeypatch.delenv(ALERTS_SECRET_VARIABLE, raising=False)
    assert receiver_of(AlertParameters()) is None
    with pytest.raises(ConfigError, match=ALERTS_SECRET_VARIABLE):
        receiver_of(AlertParameters(url="http://localhost:8000/x"))
    monkeypatch.setenv(ALERTS_SECRET_VARIABLE, SECRET)
    for url in ("http://localhost:8000/x", "http://[::1]/x", "http://127.0.0.9", "https://Alerts.Example/x"):
        found = receiver_of(AlertParameters(url=url, hosts=["alerts.example"]))
        assert found is not None
        assert found.secret == SECRET.encode()
