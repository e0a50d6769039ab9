"""A lake with a small ledger of made-up candidates, as campaigns write theirs."""

import time
from pathlib import Path
from typing import Final

import numpy as np

from tests.benchmarks.bench_compare import Made, run_rows, write
from vpharness.board.answers import Board, PageAnswer, answer
from vpharness.datasets.lake import Lake
from vpharness.results.store import CAMPAIGNS, META, TableRows, append, store_in
from vpharness.results.table_schemas import CAMPAIGNS_SCHEMA, META_SCHEMA

MADE: Final = Made(24, (2.0, 1.0), thresholds=4)
CAMPAIGN: Final = "first <b>bold</b>"
"""The name of its campaign: one that would be seen as bold where text became markup."""

PATIENCE_S: Final = 120.0
"""How long a page of a test waits for the ranking: far longer than it takes."""


def made_lake(folder: Path, made: Made = MADE) -> Lake:
    """Write a ledger to a lake in a folder, and return the lake."""
    write(folder, made)
    return Lake(folder)


def board_of(lake: Lake) -> Board:
    """Return the board of a lake, which waits for its ranking."""
    return Board.of(lake, PATIENCE_S)


def shown(board: Board, path: str = "", query: str = "") -> str:
    """Return a page as text; it is there."""
    found = answer(board, path, query)
    assert found.status == 200, found.body.decode()
    return found.body.decode()


def refused(board: Board, status: int, path: str, query: str = "") -> str:
    """Return the text of an answer of another status."""
    found: PageAnswer = answer(board, path, query)
    assert found.status == status
    return found.body.decode()


def start_campaign(lake: Lake, name: str, run_ids: list[str], at_ns: int | None = None) -> None:
    """Write down that a campaign has been started."""
    created_ns = time.time_ns() if at_ns is None else at_ns
    row = {"campaign": name, "created_ns": created_ns, "words": ["signal=made_up", "-m"], "run_ids": run_ids}
    append(store_in(lake.root), TableRows(CAMPAIGNS, [row], CAMPAIGNS_SCHEMA))


def finish_run(lake: Lake, run_id: str, *, error: str = "", at_ns: int | None = None) -> None:
    """Write down that a run without candidates has finished, or failed."""
    *_, (_, row) = run_rows(Made(1, (1.0,), thresholds=1), 0, 0, 1.0, np.random.default_rng(1))
    status = "failed" if error else "done"
    row |= {"run_id": run_id, "status": status, "error": error, "seconds": 2.0}
    row |= {"created_ns": time.time_ns() if at_ns is None else at_ns}
    append(store_in(lake.root), TableRows(META, [row], META_SCHEMA))
