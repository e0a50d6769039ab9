"""Promoted versions on the board: what is served, its evidence, and what was claimed of it live."""

import json
from pathlib import Path

import pytest

from tests.board.made_lake import board_of, refused, shown
from tests.runtime.records import promote, record_of
from vpharness.board.answers import Board
from vpharness.datasets.lake import Lake
from vpharness.promotion.pointer import HISTORY_FILE, instrument_folder
from vpharness.promotion.verdicts import Verdict, keep_verdict

INSTRUMENT = "SYN"
CLAIMED = Verdict("v0001", "as promised", 0.4, 0.1, 0.7, 30, 10**18, 2 * 10**18, "dataset", live=False)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The board of a lake in which a version has been promoted, and claimed to do as promised."""
    lake = Lake(tmp_path_factory.mktemp("promoted"))
    promote(lake, record_of(), "v0001")
    keep_verdict(lake, INSTRUMENT, CLAIMED)
    return board_of(lake)


def test_an_instrument_shows_what_it_serves_and_its_history(board: Board) -> None:
    """Each change with its run, and the last claim of a server about the version."""
    page = shown(board, "promoted")
    assert 'Serves <a href="promoted?instrument=SYN&amp;version=v0001">v0001</a>' in page
    assert "as promised: +0.40 (+0.10 to +0.70) ticks on 30 blocks, replayed" in page
    (found,) = json.loads(shown(board, "promoted.json"))["instruments"]
    assert (found["instrument"], found["serves"], found["history"][0]["action"]) == (INSTRUMENT, "v0001", "promote")
    assert found["history"][0]["live"]["says"] == "as promised"


def test_a_version_shows_its_settings_gates_and_live_claims(board: Board) -> None:
    """And the commands that show it on the terminal, or go back to it."""
    page = shown(board, "promoted", "instrument=SYN&version=v0001")
    assert "Served now." in page
    assert "signal." in page
    assert "+0.10 to +0.70" in page
    assert f"python -m vpharness promote rollback instrument=SYN to=v0001 lake={board.lake.root}" in page
    assert json.loads(shown(board, "promoted", "instrument=SYN&version=v0001&format=json"))["version"] == "v0001"


def test_an_unknown_instrument_or_version_names_those_that_there_are(board: Board) -> None:
    """Nothing of the query becomes a path."""
    assert "there is no instrument &#x27;ESH4&#x27;; there is SYN" in refused(
        board, 404, "promoted", "instrument=ESH4"
    ).replace("'", "&#x27;")
    assert "there is v0001" in refused(board, 404, "promoted", "instrument=SYN&version=../../v0001")


def test_a_damaged_history_is_said_in_its_place(tmp_path: Path) -> None:
    """The other instruments are shown all the same."""
    lake = Lake(tmp_path)
    promote(lake, record_of(), "v0001")
    path = instrument_folder(lake, INSTRUMENT) / HISTORY_FILE
    path.write_bytes(path.read_bytes().replace(b"promote", b"promise"))
    page = shown(board_of(lake), "promoted")
    assert "<h2>SYN</h2>" in page
    assert str(path) in page
