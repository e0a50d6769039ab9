"""Many runs at once into the SQLite file of a tracking store: MLflow's own calls take twenty milliseconds a run.

MLflow itself writes the first run of a batch; the rows of the others are made after that one's, so that what its tables
hold beside our values is as this MLflow has it. All of them are one transaction: a campaign that is killed leaves no
run half-tracked. Where the tables are not as they are known here, nothing is written, and its own calls have to do.
"""

import contextlib
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_WAIT_SECONDS: Final = 60.0
_LARGEST: Final = 1.7976931348623157e308  # stands for infinity, as in MLflow

_GIVEN: Final[Mapping[str, tuple[str, ...]]] = {
    "tags": ("run_uuid", "key", "value"),
    "params": ("run_uuid", "key", "value"),
    "metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
    "latest_metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
}
"""What is written of each key, by table."""

_COPIED: Final[Mapping[str, tuple[str, ...]]] = {
    "runs": ("run_uuid", "name", "artifact_uri", "start_time", "end_time"),
    "inputs": ("input_uuid", "destination_id"),
}
"""What differs from the first run of a batch, by table."""


@dataclass(frozen=True)
class RunRows:
    """One run as MLflow's tables have it: names and values as text, metrics with their steps, finite or infinite."""

    run_id: str
    artifact_uri: str
    name: str
    parameters: Mapping[str, str]
    metrics: Sequence[tuple[str, float, int]]
    tags: Mapping[str, str]


def tables_fit(path: str) -> bool:
    """Whether the tables of a tracking store have the columns that are written here, and ask for no others."""
    with _opened(path) as database:
        return all(_fits(database, table) for table in (*_GIVEN, *_COPIED))


def add_runs_like(path: str, first_id: str, runs: Sequence[RunRows], now_ms: int) -> None:
    """Add finished runs to a tracking store whose tables fit, in one transaction.

    Args:
        path: the SQLite file.
        first_id: a finished run on the same dataset, in the same experiment, that MLflow has written.
        runs: those that are added.
        now_ms: when they were begun and ended, ms since the Unix epoch, UTC.

    Raises sqlite3.Error where the file cannot be written; nothing is added then.
    """
    with _opened(path) as database, database:
        database.execute("BEGIN IMMEDIATE")
        (first,) = _rows(database, "runs", "run_uuid", first_id)
        inputs = _rows(database, "inputs", "destination_id", first_id)
        for run in runs:
            own = {"run_uuid": run.run_id, "name": run.name, "artifact_uri": run.artifact_uri}
            _insert(database, "runs", [{**first, **own, "start_time": now_ms, "end_time": now_ms}])
            copied = [{**row, "input_uuid": uuid.uuid4().hex, "destination_id": run.run_id} for row in inputs]
            _insert(database, "inputs", copied)
            for table, rows in _keyed(run, now_ms).items():
                _insert(database, table, [{"run_uuid": run.run_id, **row} for row in rows])


@contextlib.contextmanager
def _opened(path: str) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)) as database:
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA synchronous=NORMAL")  # as MLflow's own connections have it here
        yield database


def _keyed(run: RunRows, now_ms: int) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a run that have a key."""
    metrics: list[dict[str, Any]] = [
        {
            "key": key,
            "value": min(max(value, -_LARGEST), _LARGEST),
            "timestamp": now_ms,
            "step": step,
            "is_nan": False,
        }
        for key, value, step in run.metrics
    ]
    latest: dict[str, dict[str, Any]] = {}
    for row in metrics:
        if row["key"] not in latest or latest[row["key"]]["step"] <= row["step"]:
            latest[row["key"]] = row
    return {
        "tags": [{"key": key, "value": value} for key, value in run.tags.items()],
        "params": [{"key": key, "value": value} for key, value in run.parameters.items()],
        "metrics": metrics,
        "latest_metrics": list(latest.values()),
    }


def _fits(database: sqlite3.Connection, table: str) -> bool:
    """Whether a table has the columns that are written, and asks for no others."""
    columns = {row["name"]: row for row in database.execute(f"PRAGMA table_info({table})")}
    if table in _COPIED:
        return columns.keys() >= set(_COPIED[table])
    needed = {name for name, row in columns.items() if row["notnull"] and row["dflt_value"] is None}
    return needed <= set(_GIVEN[table]) <= columns.keys()


def _rows(database: sqlite3.Connection, table: str, column: str, value: str) -> list[dict[str, Any]]:
    found: Iterator[sqlite3.Row] = database.execute(f"SELECT * FROM {table} WHERE {column} = ?", [value])  # noqa: S608  # names of ours
    return [dict(row) for row in found]


def _insert(database: sqlite3.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in rows[0])
    places = ", ".join("?" for _ in rows[0])
    database.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", [tuple(row.values()) for row in rows])  # noqa: S608  # names of ours and of the table
