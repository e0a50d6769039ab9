"""The version that an instrument serves: a pointer that is replaced atomically, and an append-only history.

The files::

    lake/promoted/INSTRUMENT/v0003/         a bundle
    lake/promoted/INSTRUMENT/current.json   the pointer: the newest entry of the history, whole
    lake/promoted/INSTRUMENT/history.jsonl  every entry, a line each

Replacing the pointer is what counts. The history is completed from it before the next one, so whatever moment a process
is killed at, one of two whole entries is the current one, and no entry is lost.

Each entry is written with a checksum of itself and of the whole history before it. Nothing holds where the two files do
not agree: the pointer is the history's last entry, or, where a process was killed in between, the one that follows it.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vpharness.datasets.lake import Lake, check_name
from vpharness.errors import PromotionError
from vpharness.promotion.history_entries import HISTORY_FILE, POINTER_FILE, HistoryEntry, line_of, lines_in
from vpharness.storage.durable import replace_file, sync
from vpharness.storage.locks import locked

__all__ = [
    "HISTORY_FILE",
    "POINTER_FILE",
    "PROMOTED",
    "ROLLED_BACK",
    "HistoryEntry",
    "bundle_path",
    "count_unverified",
    "current",
    "history",
    "instrument_folder",
    "instrument_lock",
    "instruments",
    "next_version",
    "pointer_path",
    "promoted",
    "set_current",
    "versions",
]

_LOCK_FILE: Final = ".lock"
PROMOTED: Final = "promote"
ROLLED_BACK: Final = "rollback"


def instrument_folder(lake: Lake, instrument: str) -> Path:
    """Return the folder of an instrument. Raises ConfigError where its name cannot be one of a folder."""
    return lake.promoted / check_name(instrument, "the instrument")


def pointer_path(lake: Lake, instrument: str) -> Path:
    """Return the pointer of an instrument: a file that is replaced whenever something else is to be served."""
    return instrument_folder(lake, instrument) / POINTER_FILE


def instruments(lake: Lake) -> list[str]:
    """Return the instruments for which something has been promoted."""
    return sorted(
        {path.parent.name for name in (POINTER_FILE, HISTORY_FILE) for path in lake.promoted.glob(f"*/{name}")}
    )


def current(lake: Lake, instrument: str) -> HistoryEntry | None:
    """Return the current entry of an instrument; None where nothing has been promoted.

    Raises PromotionError where pointer or history cannot be read or are damaged, and where they do not agree.
    """
    entries = history(lake, instrument)
    return entries[-1] if entries else None


def promoted(lake: Lake, instrument: str) -> Path | None:
    """Return the bundle that an instrument's pointer names; None where nothing has been promoted.

    Raises PromotionError where the pointer cannot be read, or names no bundle.
    """
    entry = current(lake, instrument)
    return None if entry is None else bundle_path(lake, instrument, entry.version)


def bundle_path(lake: Lake, instrument: str, version: str) -> Path:
    """Return the bundle of a version; a PromotionError says which there are."""
    folder = instrument_folder(lake, instrument)
    path = folder / check_name(version, "the version")
    if not path.is_dir():
        there = ", ".join(versions(folder)) or "none"
        raise PromotionError(f"{instrument} has no version {version}; there are {there}")
    return path


def versions(folder: Path) -> list[str]:
    """Return the bundles in an instrument's folder, oldest first."""
    return sorted((path.name for path in folder.glob("v*") if path.is_dir()), key=lambda name: (len(name), name))


def history(lake: Lake, instrument: str) -> list[HistoryEntry]:
    """Return every entry of an instrument, oldest first; the last one holds.

    Raises PromotionError as `current` does.
    """
    return [line.entry for line in lines_in(instrument_folder(lake, instrument))]


def count_unverified(lake: Lake, instrument: str) -> int:
    """Return the number of an instrument's entries without a checksum, of their own or of a later entry.

    Raises PromotionError as `current` does.
    """
    lines = lines_in(instrument_folder(lake, instrument))
    return 0 if lines and lines[-1].checksum else len(lines)


@contextlib.contextmanager
def instrument_lock(lake: Lake, instrument: str) -> Iterator[Path]:
    """Hold the exclusive lock on an instrument's folder, waiting for it, and yield the folder.

    Raises PromotionError where the lake cannot be written.
    """
    folder = instrument_folder(lake, instrument)
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(folder / _LOCK_FILE, create=True))
        except OSError as error:
            raise PromotionError(f"cannot write to {folder}: {error.strerror}") from error
        for left_behind in folder.glob(f".{POINTER_FILE}-*"):  # by one that was killed: nobody else writes now
            left_behind.unlink(missing_ok=True)
        yield folder


def next_version(folder: Path) -> str:
    """Return a version that has never been: bundles of promotions that were killed keep their numbers."""
    numbers = [int(name[1:]) for name in versions(folder) if name[1:].isdigit()]
    return f"v{max(numbers, default=0) + 1:04d}"


def set_current(lake: Lake, instrument: str, entry: HistoryEntry) -> None:
    """Make an entry the current one, under `instrument_lock`: the pointer first, then the history.

    Raises PromotionError where the lake cannot be written, and where the entry does not follow the one before.
    """
    folder = instrument_folder(lake, instrument)
    lines = lines_in(folder)
    if entry.number != len(lines) + 1:
        raise PromotionError(f"{instrument} serves another version since; look at the history, and try again")
    try:
        before = b"".join(line.text for line in lines)
        _complete(folder / HISTORY_FILE, before)
        text = line_of(entry, before)
        replace_file(folder / POINTER_FILE, text.decode())
        _complete(folder / HISTORY_FILE, before + text)
    except OSError as error:
        raise PromotionError(f"cannot write to {folder}: {error.strerror}") from error


def _complete(path: Path, whole: bytes) -> None:
    """Complete a history to some whole lines, the first of which it has; a torn line behind them is dropped."""
    there = path.read_bytes() if path.exists() else b""
    if there == whole:
        return
    kept = there.rfind(b"\n") + 1
    with path.open("ab") as file:
        file.truncate(kept)
        file.write(whole[kept:])
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)
