"""The results store: three tables, each a folder of immutable Parquet parts that any number of processes add to.

A part is written aside, put on the disk and renamed into place, so a reader sees all of it or none of it, and
`pandas.read_parquet` reads a folder as if it were one file. What belongs to a run is written before the row that says
that the run is there.
"""

import json
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from vpharness.errors import ResultsError

STORE_VERSION: Final = 1
"""Raised when older code can no longer read the store."""

META: Final = "runs_meta.parquet"
CANDIDATES: Final = "runs.parquet"
FIRES: Final = "fires.parquet"
VIEWS: Final = "test_views.parquet"
_VERSION_FILE: Final = "store.json"


@dataclass(frozen=True)
class Store:
    """The folder of the results."""

    root: Path

    def parts(self, table: str) -> list[Path]:
        """Return the parts of a table, in the order of writing."""
        folder = self.root / table
        return sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))


def store_in(lake_root: Path) -> Store:
    """Return the results store of a lake."""
    return Store(lake_root / "research" / "vp_harness" / "results")


def check_version(store: Store) -> None:
    """Raise ResultsError where the store was written by a newer version, or its version cannot be read."""
    path = store.root / _VERSION_FILE
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["store_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path} cannot be read: {error}; restore it") from error
    if found != STORE_VERSION:
        raise ResultsError(
            f"the results in {store.root} are of store version {found}, this vpharness reads {STORE_VERSION}; "
            "use the vpharness that wrote them, or another lake"
        )


def append(store: Store, table: str, rows: Sequence[dict[str, Any]], schema: pa.Schema) -> None:
    """Add rows to a table as one part.

    Raises ResultsError where the store cannot be written; nothing of the part is there then.
    """
    if not rows:
        return
    check_version(store)
    folder = store.root / table
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.parquet"
    aside = folder / f".{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_version(store)
        try:
            pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), aside, compression="zstd")
            _sync(aside)
            aside.rename(folder / name)
        finally:
            aside.unlink(missing_ok=True)
        _sync(folder)
    except OSError as error:
        raise ResultsError(f"cannot write results to {folder}: {error.strerror or error}") from error


def read(store: Store, table: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the rows of a table; none where nothing has been written yet."""
    check_version(store)
    parts = store.parts(table)
    if not parts:
        return []
    try:
        found = pads.dataset([str(path) for path in parts], format="parquet")
        rows: list[dict[str, Any]] = found.to_table(columns=None if columns is None else list(columns)).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise ResultsError(f"{store.root / table} cannot be read: {error}; restore the part it names") from error
    return rows


def _write_version(store: Store) -> None:
    path = store.root / _VERSION_FILE
    if not path.exists():
        aside = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        aside.write_text(json.dumps({"store_version": STORE_VERSION}) + "\n", encoding="utf-8")
        aside.rename(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
