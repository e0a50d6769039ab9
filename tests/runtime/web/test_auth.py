"""Who is let in: on loopback whoever names the server rightly, beyond it who shows the token."""

import asyncio
import dataclasses
import http.client
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from runtime.config.server_parameters import TOKEN_VARIABLE, RuntimeParameters
from runtime.web.auth import COOKIE, HEADERS, AccessPolicy, required_token
from tests.runtime.serving import Server, server
from vpharness.errors import ConfigError

TOKEN = "a secret of twenty letters"  # noqa: S105  # a test's own


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: str


async def ask(running: Server, path: str, **headers: str) -> Answer:
    """Ask the server over HTTP."""

    def request() -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
        connection.close()
        return found

    return await asyncio.to_thread(request)


def test_without_a_token_nobody_is_let_in_but_to_ask_whether_it_lives(tmp_path: Path) -> None:
    """Over HTTP, for the stream, and with a wrong one."""

    async def scenario() -> None:
        async with server(tmp_path, token=TOKEN) as running:
            for path in ("/", "/v1/config", "/v1/promotion", "/readyz", "/metrics"):
                assert (await ask(running, path)).status == 401
                assert (await ask(running, path, authorization="Bearer " + TOKEN[:-1])).status == 401
            assert (await ask(running, "/healthz")).status == 200
            assert (await ask(running, "/v1/config", authorization=f"Bearer {TOKEN}")).status == 200
            with pytest.raises(InvalidStatus) as refused:
                async with running.client("fields="):
                    pass
            assert refused.value.response.status_code == 401
            async with running.client("fields=", additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
                await client.hello()

    asyncio.run(scenario())


def test_the_page_takes_the_token_from_its_address_into_a_cookie(tmp_path: Path) -> None:
    """The address is left at once, and scripts cannot read the cookie."""

    async def scenario() -> None:
        async with server(tmp_path, token=TOKEN) as running:
            answer = await ask(running, f"/?token={TOKEN.replace(' ', '+')}")
            assert (answer.status, answer.headers["location"]) == (303, "/")
            cookie = answer.headers["set-cookie"]
            assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
            shown = cookie.partition(";")[0]
            assert (await ask(running, "/v1/config", cookie=shown)).status == 200
            async with running.client("fields=", additional_headers={"Cookie": shown}) as client:
                await client.hello()
            assert (await ask(running, "/?token=wrong")).status == 401

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("said", "is_secure"),
    [
        ({}, False),
        ({"x_forwarded_proto": "https"}, True),
        ({"x_forwarded_proto": "https, http"}, True),
        ({"x_forwarded_proto": "http, https"}, False),
        ({"forwarded": "for=192.0.2.7;proto=https;by=10.0.0.1"}, True),
        ({"forwarded": 'For=192.0.2.7; Proto="HTTPS"'}, True),
        ({"forwarded": "for=192.0.2.7;proto=http, for=10.0.0.1;proto=https"}, False),
        ({"forwarded": "for=192.0.2.7;noproto=https"}, False),
    ],
)
def test_behind_a_proxy_that_is_asked_over_tls_the_cookie_is_for_tls_alone(
    tmp_path: Path, said: dict[str, str], is_secure: bool
) -> None:
    """The proxy says so in either of the usual headers; what the browser itself has asked counts."""

    async def scenario() -> None:
        async with server(tmp_path, token=TOKEN) as running:
            answer = await ask(running, f"/?token={TOKEN.replace(' ', '+')}", **said)
            assert answer.status == 303
            assert ("Secure" in answer.headers["set-cookie"].split("; ")) is is_secure

    asyncio.run(scenario())


def test_pages_of_other_sites_may_neither_ask_nor_open_the_stream(tmp_path: Path) -> None:
    """Unless their origin is allowed; and a name that only points at loopback is not the server's."""

    async def scenario() -> None:
        async with server(tmp_path, allowed_origins=["https://desk.example"]) as running:
            own = f"http://127.0.0.1:{running.port}"
            for origin, status in ((own, 200), ("https://desk.example", 200), ("http://evil.example", 403)):
                assert (await ask(running, "/v1/config", origin=origin)).status == status
            with pytest.raises(InvalidStatus) as refused:
                async with running.client("fields=", origin="http://evil.example"):
                    pass
            assert refused.value.response.status_code == 403
            assert (await ask(running, "/v1/config", host="evil.example")).status == 421

    asyncio.run(scenario())


def test_every_answer_carries_strict_headers(tmp_path: Path) -> None:
    """Errors too."""

    async def scenario() -> None:
        async with server(tmp_path) as running:
            for path, status in (
                ("/healthz", 200),
                ("/nothing", 404),
                ("/../pyproject.toml", 404),
                ("/v1/config", 200),
            ):
                answer = await ask(running, path)
                assert answer.status == status
                assert {name: answer.headers[name] for name in HEADERS} == HEADERS
                assert "Traceback" not in answer.body

    asyncio.run(scenario())


def test_beyond_loopback_a_token_is_demanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment or a file, long enough to be a secret."""
    beyond = RuntimeParameters(host="0.0.0.0")  # noqa: S104  # what is to be refused
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert required_token(RuntimeParameters()) is None
    with pytest.raises(ConfigError, match="which others can reach"):
        required_token(beyond)
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert required_token(beyond) == TOKEN
    short = tmp_path / "token"
    short.write_text("short\n")
    with pytest.raises(ConfigError, match="at least 16"):
        required_token(dataclasses.replace(beyond, token_file=str(short)))
    with pytest.raises(ConfigError, match="cannot be read"):
        required_token(dataclasses.replace(beyond, token_file=str(tmp_path / "none")))


@pytest.mark.parametrize(
    ("host", "refused"),
    [("127.0.0.1:8090", False), ("localhost:1", False), ("[::1]:8090", False), ("evil.example", True), ("", True)],
)
def test_on_loopback_the_server_is_known_by_its_own_names_alone(host: str, refused: bool) -> None:
    """So that a page elsewhere cannot reach it under a name of its own; beyond loopback any name may be right."""
    assert AccessPolicy(None, frozenset(), is_loopback=True).refuses_host(host) is refused
    assert not AccessPolicy(TOKEN, frozenset(), is_loopback=False).refuses_host(host)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("host", "[x", 421),
        ("origin", "http://[x", 403),
        ("authorization", "Bearer \xff", 401),
        ("authorization", TOKEN, 401),
        ("cookie", f"{COOKIE}=\xff", 401),
    ],
)
def test_headers_that_are_none_are_refused_without_a_word_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, value: str, status: int
) -> None:
    """A token in the address is not written down either."""

    async def scenario() -> None:
        async with server(tmp_path, token=TOKEN) as running:
            assert (await ask(running, f"/?token={TOKEN[:-1].replace(' ', '+')}", **{name: value})).status == status

    asyncio.run(scenario())
    assert caplog.text == ""


def test_another_scheme_of_authorization_does_not_hide_the_cookie(tmp_path: Path) -> None:
    """A proxy may add one of its own."""

    async def scenario() -> None:
        async with server(tmp_path, token=TOKEN) as running:
            shown = {"authorization": "Basic eA==", "cookie": f'{COOKIE}="{TOKEN}"'}
            assert (await ask(running, "/v1/config", **shown)).status == 200

    asyncio.run(scenario())
