"""The SQLite file of a tracking store: which one a URI names, how it is made, and what moves with it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote

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
def alone_with(file: Path | None) -> Iterator[None]:
    """Keep other processes out while a SQLite file is made: two that migrate one file destroy each other's work."""
    if file is None:
        yield
        return
    _commit_without_waiting()
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file.parent):
        if not file.exists():
            with contextlib.closing(sqlite3.connect(file)) as database:
                # Readers and one writer then do not wait for one another; the file remembers it.
                database.execute("PRAGMA journal_mode=WAL")
        yield


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
