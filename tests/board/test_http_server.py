"""The board over HTTP, for this machine alone."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.board.made_lake import board_of, made_lake
from vpharness.board.answers import HEADERS
from vpharness.board.http_server import BoardServer, serving_board
from vpharness.commands.cli import main
from vpharness.errors import USER_MISTAKE, ConfigError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    """Serve a small lake at a free port."""
    with serving_board(board_of(made_lake(tmp_path_factory.mktemp("served"))), "127.0.0.1", 0) as found:
        yield found


def ask(server: BoardServer, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers and the body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", int(server.server_address[1]), timeout=120)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


def test_pages_come_with_headers_that_let_nothing_in_from_elsewhere(server: BoardServer) -> None:
    """Also those that are refused; the length is that of the body."""
    for path, expected in (("/board/", 200), ("/board/candidate?id=x", 404), ("/board/?kind=x", 400)):
        status, headers, body = ask(server, path)
        assert status == expected
        assert HEADERS.items() <= headers.items()
        assert int(headers["content-length"]) == len(body)
    assert json.loads(ask(server, "/board/leaderboard.json")[2])["rows"] > 0


def test_the_first_address_leads_to_the_board_and_no_other_path_is_served(server: BoardServer) -> None:
    """Not even by dots, written out or not."""
    for path in ("/", "/board"):
        status, headers, _ = ask(server, path)
        assert (status, headers["location"]) == (303, "/board/")
    for path in ("/etc/passwd", "/board/../etc/passwd", "/board/%2e%2e%2fetc%2fpasswd", "/board/board.css/.."):
        assert ask(server, path)[0] == 404


def test_only_asking_is_allowed_and_only_by_this_machines_name(server: BoardServer) -> None:
    """A page from elsewhere whose name was pointed at this machine is kept out."""
    status, headers, body = ask(server, "/board/campaigns", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, "/board/", method)[0] == 501
    assert ask(server, "/board/", host="evil.example")[0] == 421
    assert ask(server, "/board/", host="localhost:8766")[0] == 200


def test_it_is_for_this_machine_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another address is refused with what to do instead, and a port that is taken with another one."""
    board = board_of(made_lake(tmp_path / "lake"))
    with pytest.raises(ConfigError, match="/board of the live server"), serving_board(board, "0.0.0.0", 0):  # noqa: S104  # refused
        pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigError, match="choose another port=, or 0 for any"),
            serving_board(board, "127.0.0.1", port),
        ):
            pass
        assert main(["board", f"lake={tmp_path / 'lake'}", f"port={port}"]) == USER_MISTAKE
    assert f"cannot listen at 127.0.0.1, port {port}" in capsys.readouterr().err
