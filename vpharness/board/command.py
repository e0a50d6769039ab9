"""The command `board`: the lake's pages, served to a browser on this machine until it is interrupted."""

import threading
import webbrowser
from pathlib import Path
from typing import Any

from vpharness.board.answers import Board
from vpharness.board.http_server import serving_board
from vpharness.config.command_schemas import BoardCommand
from vpharness.config.typed_config import check_command
from vpharness.datasets.lake import Lake
from vpharness.errors import VpharnessError


def run_board(config: Any) -> None:
    """Serve the board, and print where it is."""
    asked = check_command(config, BoardCommand)
    board = Board.of(Lake(Path(asked.lake)))
    threading.Thread(target=_read_ahead, args=(board,), name="reading ahead", daemon=True).start()
    with serving_board(board, asked.host, asked.port) as server:
        print(f"board of the lake {Path(asked.lake).resolve()}: {server.url} (Ctrl-C ends it)", flush=True)
        if asked.open:
            webbrowser.open(server.url)
        threading.Event().wait()


def _read_ahead(board: Board) -> None:
    """Read the ledger before the first page of a candidate is asked for; what is wrong with it the pages say."""
    try:
        board.watch.seen(whole=True)
    except VpharnessError:
        return
