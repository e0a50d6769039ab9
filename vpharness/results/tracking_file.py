"""The SQLite file of a tracking store: which one a URI names, how it is made, and what moves with it.

MLflow makes its tables by repeating the history of its own versions, which takes seconds. A database with these tables
and nothing in them is therefore kept in the user's cache folder, for each version of MLflow, and new ones are copies.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote

from vpharness.compiled import cache_folder
from vpharness.storage.durable import aside_of
from vpharness.storage.locks import locked

ARTIFACTS: Final = "mlflow_artifacts"
"""The folder beside the file, for what MLflow keeps with runs."""

_SCHEMES: Final = ("sqlite:///", "sqlite+pysqlite:///")
_AS_URI: Final = "file:"  # SQLite's own kind of address, in which any character can be written


def uri_of_file(path: Path) -> str:
    """Return the URI of a SQLite file, which is read back as the same path whatever its characters are."""
    plain = str(path.resolve())
    if "?" not in plain:
        return f"{_SCHEMES[0]}{plain}"
    # MLflow would take the plain scheme's address for a path, and make folders after it.
    return f"{_SCHEMES[1]}{_AS_URI}{quote(plain)}?uri=true"


def file_of_uri(uri: str) -> Path | None:
    """Return the SQLite file that a URI names; None for a store of another kind."""
    scheme = next((each for each in _SCHEMES if uri.startswith(each)), None)
    if scheme is None:
        return None
    database, _, query = uri.removeprefix(scheme).partition("?")
    if database.startswith(_AS_URI) and parse_qs(query).get("uri") == ["true"]:
        return Path(unquote(database.removeprefix(_AS_URI)))
    return Path(database)


@contextlib.contextmanager
def alone_with_file(file: Path | None, tables: Path | None) -> Iterator[bool]:
    """Keep other processes out while a SQLite file is made: two that migrate one file destroy each other's work.

    Args:
        file: the file; None for a store of another kind.
        tables: a database to copy, if it is there, in place of a new file: see `kept_tables`.

    Yields whether the file is new and empty, so that MLflow has to make its tables.
    """
    if file is None:
        yield False
        return
    _commit_without_waiting()
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file.parent):
        is_new = not file.exists()
        has_tables = is_new and tables is not None and _copy_tables(tables, file)
        if is_new:
            with contextlib.closing(sqlite3.connect(file)) as database:
                # Readers and one writer then do not wait for one another; the file remembers it.
                database.execute("PRAGMA journal_mode=WAL")
        yield is_new and not has_tables


def keep_tables(file: Path, kept: Path | None) -> None:
    """Keep a copy of a database that MLflow has just made, for the next one; where none can be kept, do nothing."""
    if kept is None or kept.exists():
        return
    aside = aside_of(kept)
    try:
        with contextlib.closing(sqlite3.connect(file)) as made, contextlib.closing(sqlite3.connect(aside)) as copy:
            made.backup(copy)
            with copy:
                # MLflow makes its default experiment anew, with the new database's own place for artifacts.
                copy.execute("DELETE FROM experiments")
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without others beside it
        aside.replace(kept)
    except (OSError, sqlite3.Error):  # a full disk costs the next database the time, and nothing else
        aside.unlink(missing_ok=True)


def _copy_tables(kept: Path, file: Path) -> bool:
    """Fill a new file with the tables that were kept, in one transaction; return whether there were any."""
    if not kept.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(kept)) as tables:
            if tables.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
                raise sqlite3.DatabaseError(f"{kept} is damaged")
            with contextlib.closing(sqlite3.connect(file)) as database:
                database.execute("PRAGMA synchronous=NORMAL")
                tables.backup(database)
    except sqlite3.Error:
        with contextlib.suppress(OSError):
            kept.unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        return False
    return True


def kept_tables(version: str) -> Path | None:
    """Return where the empty database of a version of MLflow is kept; None where none can be kept."""
    folder = cache_folder("tracking")
    return None if folder is None else folder / f"mlflow-{version}.db"


def bring_artifacts_along(file: Path) -> None:
    """Point the artifacts of a database to the folder of outputs that it lies in, wherever that has been moved to.

    MLflow stores where they lie as absolute addresses, and would go on writing to where the folder once was.
    """
    here = (file.parent / ARTIFACTS).resolve().as_uri()
    with contextlib.closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as database:
        found = database.execute("SELECT DISTINCT artifact_location FROM experiments")
        before = [str(place) for (place,) in found if str(place).endswith(f"/{ARTIFACTS}") and place != here]
        if not before:
            return
        with database:
            database.execute("BEGIN IMMEDIATE")
            for place in before:
                database.execute(
                    "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE substr(artifact_uri, 1, ?) = ?",
                    [here, len(place) + 1, len(place) + 1, f"{place}/"],
                )
                database.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", [here, place]
                )


def _commit_without_waiting() -> None:
    """Let SQLite go on once the system has a commit: a power cut may lose the last ones, and never a result."""
    from sqlalchemy import event  # noqa: PLC0415  # takes a second, and only where it is wanted
    from sqlalchemy.engine import Engine  # noqa: PLC0415  # comes with it

    if not event.contains(Engine, "connect", _relax):
        event.listen(Engine, "connect", _relax)


def _relax(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=NORMAL")
