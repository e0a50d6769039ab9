"""What an instrument serves: a pointer that is replaced at once, and a history that only grows.

The files::

    lake/promoted/INSTRUMENT/v0003/         a bundle
    lake/promoted/INSTRUMENT/current.json   the pointer: the newest entry of the history, whole
    lake/promoted/INSTRUMENT/history.jsonl  every entry, a line each

Replacing the pointer is what counts. The history is completed from it before the next one, so whatever moment a process
is killed at, one of two whole entries is the current one, and no entry is lost.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpharness.datasets.lake import Lake, check_name
from vpharness.durable import replace_file, sync
from vpharness.errors import PromotionError

POINTER_FILE: Final = "current.json"
HISTORY_FILE: Final = "history.jsonl"
_LOCK_FILE: Final = ".lock"

PROMOTED: Final = "promote"
ROLLED_BACK: Final = "rollback"


@dataclass(frozen=True)
class Entry:
    """One change of what an instrument serves.

    Attributes:
        number: 1, 2, 3, ...
        action: "promote" or "rollback".
        version: what is served from then on: the name of a bundle.
        before: what was served until then; None where nothing had been promoted.
        at_ns: when, since the Unix epoch, UTC.
        run_id: the run that was promoted.
        forced: the reason given, where a gate was overridden.
        unsafe: the gates among them without which something else may be served than was run.
    """

    number: int
    action: str
    version: str
    before: str | None
    at_ns: int
    run_id: str | None
    forced: str | None
    unsafe: tuple[str, ...] = ()


def instrument_folder(lake: Lake, instrument: str) -> Path:
    """Return the folder of an instrument. Raises ConfigError where its name cannot be one of a folder."""
    return lake.promoted / check_name(instrument, "the instrument")


def pointer_path(lake: Lake, instrument: str) -> Path:
    """Return the pointer of an instrument: a file that is replaced whenever something else is to be served."""
    return instrument_folder(lake, instrument) / POINTER_FILE


def instruments(lake: Lake) -> list[str]:
    """Return the instruments for which something has been promoted."""
    return sorted(path.parent.name for path in lake.promoted.glob(f"*/{POINTER_FILE}"))


def current(lake: Lake, instrument: str) -> Entry | None:
    """Return the entry that holds for an instrument; None where nothing has been promoted.

    Raises PromotionError where the pointer cannot be read, or is missing beside a history.
    """
    path = pointer_path(lake, instrument)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        if _lines(path.with_name(HISTORY_FILE)):
            raise PromotionError(f"{path} is missing; restore it: it holds the last line of {HISTORY_FILE}") from None
        return None
    except OSError as error:
        raise PromotionError(f"{path} cannot be read: {error.strerror}") from error
    entry = _entry(text)
    if entry is None:
        raise PromotionError(f"{path} is no entry of a history; restore it from the last line of {HISTORY_FILE}")
    return entry


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


def history(lake: Lake, instrument: str) -> list[Entry]:
    """Return every entry of an instrument, oldest first; the last one holds.

    Raises PromotionError where a line that is not the last one, or the pointer, cannot be read.
    """
    newest = current(lake, instrument)
    entries = _lines(instrument_folder(lake, instrument) / HISTORY_FILE)
    if newest is None:
        return []
    # Behind the pointer's own entry there can be none: it was written first.
    kept = [entry for entry in entries if entry.number < newest.number]
    return [*kept, newest]


@contextlib.contextmanager
def changing(lake: Lake, instrument: str) -> Iterator[Path]:
    """Keep others from changing what an instrument serves; wait until nobody else does. Yields its folder.

    Raises PromotionError where the lake cannot be written.
    """
    folder = instrument_folder(lake, instrument)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise PromotionError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for left_behind in folder.glob(f".{POINTER_FILE}-*"):  # by one that was killed: nobody else writes now
            left_behind.unlink(missing_ok=True)
        yield folder
    finally:
        os.close(descriptor)


def next_version(folder: Path) -> str:
    """Return a version that has never been: bundles of promotions that were killed keep their numbers."""
    numbers = [int(name[1:]) for name in versions(folder) if name[1:].isdigit()]
    return f"v{max(numbers, default=0) + 1:04d}"


def point(lake: Lake, instrument: str, entry: Entry) -> None:
    """Make an entry the one that holds, as the holder of `changing`: the pointer first, then the history.

    Raises PromotionError where the lake cannot be written, and where the entry does not follow the one before.
    """
    folder = instrument_folder(lake, instrument)
    before = current(lake, instrument)
    if entry.number != (before.number if before else 0) + 1:
        raise PromotionError(f"{instrument} serves another version since; look at the history, and try again")
    try:
        if before is not None:
            _complete(folder / HISTORY_FILE, before)
        replace_file(folder / POINTER_FILE, _line(entry))
        _complete(folder / HISTORY_FILE, entry)
    except OSError as error:
        raise PromotionError(f"cannot write to {folder}: {error.strerror}") from error


def _complete(path: Path, entry: Entry) -> None:
    """Have a history end with an entry, behind all whole lines before it: the rest of a torn one is cut off."""
    entries = _lines(path)
    if entries and entries[-1].number >= entry.number:
        return
    with path.open("a+b") as file:
        file.seek(0)
        text = file.read()
        file.truncate(text.rfind(b"\n") + 1)
        file.write(_line(entry).encode())
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def _lines(path: Path) -> list[Entry]:
    """Return the entries of a history; a torn last line is none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PromotionError(f"{path} cannot be read: {error.strerror}") from error
    entries = []
    for number, line in enumerate(text.split("\n")[:-1], 1):
        entry = _entry(line)
        if entry is None:
            raise PromotionError(f"{path}, line {number}, is no entry of a history: {line[:60]!r}; restore it")
        entries.append(entry)
    return entries


def _line(entry: Entry) -> str:
    return json.dumps(dataclasses.asdict(entry)) + "\n"


def _entry(text: str) -> Entry | None:
    try:
        values: Any = json.loads(text)
        return Entry(**{**values, "unsafe": tuple(values.get("unsafe", ()))})
    except (ValueError, TypeError, AttributeError):
        return None
