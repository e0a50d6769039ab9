"""The entries of an instrument's history and pointer: one JSON line each, with checksums."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpharness.errors import PromotionError

POINTER_FILE: Final = "current.json"
HISTORY_FILE: Final = "history.jsonl"
_CHECKSUM: Final = "sha256"
"""The key of an entry's checksum in its line; entries of earlier versions, at a history's beginning, have none."""


@dataclass(frozen=True)
class HistoryEntry:
    """One change of the version that an instrument serves.

    Attributes:
        number: 1, 2, 3, ...
        action: "promote" or "rollback".
        version: what is served from then on: the name of a bundle.
        before: what was served until then; None where nothing had been promoted.
        at_ns: when, since the Unix epoch, UTC.
        run_id: the run that was promoted.
        forced: the reason given, where a gate was overridden.
        unsafe: the gates among them without which something else may be served than was run.
        reason: why a server rolled back by itself; None for what somebody asked for.
    """

    number: int
    action: str
    version: str
    before: str | None
    at_ns: int
    run_id: str | None
    forced: str | None
    unsafe: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class HistoryLine:
    """A line as it stands in a file, the entry that it holds, and its checksum, where it has one."""

    text: bytes
    entry: HistoryEntry
    checksum: str | None


def line_of(entry: HistoryEntry, before: bytes) -> bytes:
    """Return the line of an entry, behind a history of whole lines."""
    return (json.dumps({**_values(entry), _CHECKSUM: _checksum(entry, hashlib.sha256(before))}) + "\n").encode()


def lines_in(folder: Path) -> list[HistoryLine]:
    """Return the lines of an instrument's history, completed from the pointer where that is one ahead.

    The last one holds. Raises PromotionError where one of the files cannot be read, is damaged or missing, or they do
    not agree.
    """
    pointer, history = _both(folder)
    lines, before = list[HistoryLine](), hashlib.sha256()
    for number, text in enumerate(history.split(b"\n")[:-1], 1):  # behind the last one there may be a torn line
        lines.append(_checked(text + b"\n", lines, before, f"{folder / HISTORY_FILE}, line {number},", "restore it"))
        before.update(lines[-1].text)
    if pointer is not None:
        return _agreed(pointer, lines, before, folder)
    if lines:
        raise PromotionError(
            f"{folder / POINTER_FILE} is missing; restore it: it holds the last line of {HISTORY_FILE}"
        )
    return []


def _both(folder: Path) -> tuple[bytes | None, bytes]:
    """Return the bytes of pointer and history at one moment; the pointer is None where it does not exist."""
    while True:
        pointer = _content(folder / POINTER_FILE)
        history = _content(folder / HISTORY_FILE) or b""
        if pointer == _content(folder / POINTER_FILE):
            return pointer, history


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PromotionError(f"{path} cannot be read: {error.strerror}") from error


def _agreed(pointer: bytes, lines: list[HistoryLine], before: "hashlib._Hash", folder: Path) -> list[HistoryLine]:
    """Return a history that ends with the pointer's own entry."""
    where, advice = folder / POINTER_FILE, f"restore it from the last line of {HISTORY_FILE}"
    last, found = (lines[-1] if lines else None), _parsed(pointer)
    if found is None:
        raise PromotionError(f"{where} is no entry of a history; {advice}")
    if last is not None and (found.entry, found.checksum) == (last.entry, last.checksum):
        return lines
    if found.entry.number != len(lines) + 1:
        there = "is empty" if last is None else f"ends with entry {last.entry.number}, {last.entry.version}"
        raise PromotionError(
            f"{where} holds entry {found.entry.number}, {found.entry.version}, and {HISTORY_FILE} beside it {there}; "
            f"nothing is served that they do not agree on: {advice}, or {HISTORY_FILE} from a copy"
        )
    return [*lines, _checked(pointer, lines, before, str(where), advice)]


def _checked(text: bytes, lines: list[HistoryLine], before: "hashlib._Hash", where: str, advice: str) -> HistoryLine:
    """Return a text as the line that follows others; a PromotionError names `where` it cannot be that."""
    line, last = _parsed(text), lines[-1] if lines else None
    if line is None:
        raise PromotionError(
            f"{where} is no entry of a history: {text[:60].decode(errors='replace').rstrip()!r}; {advice}"
        )
    if line.checksum is not None and line.checksum != _checksum(line.entry, before):
        raise PromotionError(f"{where} is not as it was written, or what stands before it is not; {advice}")
    if line.checksum is None and last is not None and last.checksum is not None:
        raise PromotionError(f"{where} has no checksum, though the entry before it has; {advice}")
    wanted = (last.entry.number + 1, last.entry.version) if last else (1, None)
    if (line.entry.number, line.entry.before) != wanted:
        raise PromotionError(
            f"{where} holds entry {line.entry.number}, {line.entry.version} in place of {line.entry.before}; entry "
            f"{wanted[0]}, in place of {wanted[1]}, is expected; {advice}"
        )
    return line


def _parsed(text: bytes) -> HistoryLine | None:
    """Return a text parsed as a line, whatever its checksum; None where it is not one."""
    try:
        values: Any = json.loads(text)
        checksum = values.pop(_CHECKSUM, None)
        return HistoryLine(text, HistoryEntry(**{**values, "unsafe": tuple(values.get("unsafe", ()))}), checksum)
    except (ValueError, TypeError, AttributeError):
        return None


def _checksum(entry: HistoryEntry, before: "hashlib._Hash") -> str:
    """Return the checksum of an entry and of the whole history before it."""
    digest = before.copy()
    digest.update(json.dumps(_values(entry)).encode())
    return digest.hexdigest()


def _values(entry: HistoryEntry) -> dict[str, Any]:
    """Return an entry as JSON values; without a reason it is written as by versions that knew none."""
    values = dataclasses.asdict(entry)
    if entry.reason is None:
        del values["reason"]
    return values
