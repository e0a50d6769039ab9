"""The results store: its tables, each a folder of immutable Parquet parts that any number of processes add to.

A part is written aside, put on the disk and renamed into place, so a reader sees all of it or none of it, and
`pandas.read_parquet` reads a folder as if it were one file. What belongs to a run is written before the row that says
that the run is there. Where a table has come to have many small parts they are merged (see `parts`); only who reads the
folders directly may meet rows twice then, for a moment or until the next merge where one was killed.
"""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.errors import ResultsError, require_memory
from vpharness.results import part_files
from vpharness.results.part_files import (
    check_part,
    checksum_in_name,
    list_parts,
    merge_small_parts,
    read_part,
    reread,
    write_part,
)
from vpharness.storage.arrow import table_of_rows
from vpharness.storage.durable import replace_file, sync, unfinished_names, writing_in

STORE_VERSION: Final = 6
"""Raised whenever a table has other columns than before."""
READABLE_VERSIONS: Final = (1, 2, 3, 4, 5, 6)
"""Columns that rows of an earlier version lack are null."""

META: Final = "runs_meta.parquet"
CANDIDATES: Final = "runs.parquet"
FIRES: Final = "fires.parquet"
EVIDENCE: Final = "evidence.parquet"
VIEWS: Final = "test_views.parquet"
CAMPAIGNS: Final = "campaigns.parquet"
ADAPTIVE: Final = "adaptive.parquet"
AUDITS: Final = "audits.parquet"
WALK_FORWARDS: Final = "walk_forwards.parquet"
EXPLORED: Final = "explored.parquet"
_VERSION_FILE: Final = "store.json"
_UNFINISHED: Final = (f"*.parquet/.{'[0-9]' * 20}-{'[0-9a-f]' * 8}.parquet", *unfinished_names(_VERSION_FILE))
"""What a process that is killed while it adds rows may leave."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Store:
    """The folder of the results."""

    root: Path


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
    if found not in READABLE_VERSIONS:
        raise ResultsError(
            f"the results in {store.root} are of store version {found}, this vpharness reads "
            f"{' and '.join(map(str, READABLE_VERSIONS))}; use the vpharness that wrote them, or another lake (the "
            f"version stands in {path})"
        )


def check_writable(store: Store) -> None:
    """Raise ResultsError where a run could not be added to the store: it is better known before work than after it."""
    for table in (FIRES, EVIDENCE, CANDIDATES, META, AUDITS):
        folder = store.root / table
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise ResultsError(
                f"cannot write results to {store.root}: {nearest} may not be written to; make it writable, or choose "
                "another lake"
            )


@dataclass(frozen=True)
class TableRows:
    """What is added to one table."""

    table: str
    rows: Sequence[dict[str, Any]]
    schema: pa.Schema


def append(store: Store, *several: TableRows) -> None:
    """Add rows to tables, as one part each: all are on the disk before the first is put in place, in the order given.

    A column `part` of the schema is filled with the part's name.
    Raises ResultsError where the store cannot be written; nothing of the parts is there then.
    """
    check_version(store)
    stem = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    written: list[tuple[Path, Path]] = []
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        with writing_in(store.root, *_UNFINISHED):
            _write_version(store)
            try:
                for each in [each for each in several if each.rows]:
                    written.append(_write_aside(store.root / each.table, stem, each))  # noqa: PERF401  # those written before one that fails must be known
                for aside, place in written:
                    aside.rename(place)
            finally:
                for aside, _ in written:
                    aside.unlink(missing_ok=True)
        for folder in {place.parent for _, place in written}:
            sync(folder)
    except OSError as error:
        raise ResultsError(f"cannot write results to {store.root}: {error.strerror or error}") from error


def _write_aside(folder: Path, stem: str, each: TableRows) -> tuple[Path, Path]:
    """Write a part under a name that readers pass over; return it, and where it belongs."""
    folder.mkdir(parents=True, exist_ok=True)
    marked = each.rows if "part" not in each.schema.names else [{**row, "part": stem} for row in each.rows]
    return write_part(folder, table_of_rows(marked, each.schema), stem, aside=f".{stem}.parquet")


def read(store: Store, table: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the rows of a table; none where nothing has been written yet."""
    found = read_table(store, table, columns)
    rows: list[dict[str, Any]] = [] if found is None else found.to_pylist()
    return rows


def read_table(
    store: Store, table: str, columns: Sequence[str] | None = None, repeated: Sequence[str] = ()
) -> pa.Table | None:
    """Return a table, in the order of writing; None where nothing has been written yet.

    Texts that are `repeated` in many rows are a dictionary of them.

    Raises ResultsError where the store is of another version, or a part of the table cannot be read.
    """
    # File by file: a dataset of them would bring in pandas, which takes a second.
    tables = read_each_part(store, table, columns, lambda part: part, repeated)
    return pa.concat_tables(tables, promote_options="default") if tables else None


def read_each_part(
    store: Store,
    table: str,
    columns: Sequence[str] | None,
    make: Callable[[pa.Table], Value],
    repeated: Sequence[str] = (),
) -> list[Value]:
    """Return what `make` makes of each part of a table, in the order of writing; one part at a time is in memory.

    A part of an earlier version may lack columns. Texts that are `repeated` in many rows are read as a dictionary of
    them. Raises as `read_table` does.
    """
    check_version(store)
    with _naming(store, table):
        return reread(store.root / table, lambda parts: [make(read_part(path, columns, repeated)) for path in parts])


def read_each_group(store: Store, table: str, columns: Sequence[str], make: Callable[[pa.Table], Value]) -> list[Value]:
    """Return what `make` makes of the rows of a table that were written together, in the order of writing.

    Of what `make` leaves no more than one such group is in memory: for long lists of many rows. Otherwise as
    `read_each_part`.
    """
    check_version(store)
    with _naming(store, table):
        return reread(
            store.root / table,
            lambda parts: [make(group) for path in parts for group in part_files.read_groups(path, columns)],
        )


def read_chosen_rows(
    store: Store,
    table: str,
    keys: Sequence[str],
    choose: Callable[[pa.Table], NDArray[np.bool_]],
    columns: Sequence[str],
) -> list[pa.Table]:
    """Return of each part of a table the rows that `choose` marks, given its columns `keys`: for long lists of a few.

    A part of an earlier version may lack columns. Raises as `read_table` does.
    """

    def chosen(parts: list[Path]) -> list[pa.Table]:
        found = (part_files.read_chosen_rows(path, keys, choose, columns) for path in parts)
        return [each for each in found if each is not None]

    check_version(store)
    with _naming(store, table):
        return reread(store.root / table, chosen)


@contextlib.contextmanager
def _naming(store: Store, table: str) -> Iterator[None]:
    """Raise ResultsError where a table cannot be read."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        require_memory(error)
        raise ResultsError(f"{store.root / table} cannot be read: {error}; restore the part it names") from error


def part_names(store: Store, tables: Sequence[str]) -> list[str] | None:
    """Return the parts of some tables that count, by names that say what they hold.

    None where a part of an earlier version has a name that does not. Raises as `read_table` does.
    """
    check_version(store)
    try:
        paths = [path for table in tables for path in list_parts(store.root / table)]
    except OSError as error:
        raise ResultsError(f"{store.root} cannot be read: {error}; restore the part it names") from error
    if any(checksum_in_name(path) is None for path in paths):
        return None
    return [f"{path.parent.name}/{path.name}" for path in paths]


def merge_parts(store: Store) -> int:
    """Merge small parts of tables that have many; return how many were. Others may read and add all the while.

    Raises ResultsError where they cannot be written; every row is there as before then.
    """
    folders = [folder for folder in store.root.glob("*.parquet") if folder.is_dir()]
    try:
        return sum(merge_small_parts(folder) for folder in folders)
    except (OSError, pa.ArrowException) as error:
        require_memory(error)
        raise ResultsError(f"the parts of results in {store.root} cannot be merged: {error}; all are kept") from error


@dataclass(frozen=True)
class StoreCheck:
    """The findings of a check of a whole store: parts read, parts without a checksum, and problems."""

    parts: int
    without_checksum: int
    problems: tuple[str, ...]


def check_store(store: Store) -> StoreCheck:
    """Read every part of every table anew."""
    problems, parts = dict[str, None](), list[Path]()
    try:
        check_version(store)
    except ResultsError as error:
        problems[str(error)] = None
    for folder in sorted(folder for folder in store.root.glob("*.parquet") if folder.is_dir()):
        try:
            parts += (found := list_parts(folder))
        except (ResultsError, OSError) as error:
            problems[str(error)] = None
            parts += (found := sorted(path for path in folder.glob("*.parquet") if not path.name.startswith(".")))
        for path in found:
            try:
                check_part(path)
            except FileNotFoundError:
                continue  # it has been merged meanwhile
            except (ResultsError, OSError) as error:
                problems[str(error)] = None
    return StoreCheck(len(parts), sum(checksum_in_name(path) is None for path in parts), tuple(problems))


def _write_version(store: Store) -> None:
    """Note the version of what is about to be written: an earlier vpharness must not take these rows for its own."""
    path = store.root / _VERSION_FILE
    if not path.exists() or json.loads(path.read_text(encoding="utf-8"))["store_version"] != STORE_VERSION:
        replace_file(path, json.dumps({"store_version": STORE_VERSION}) + "\n")
