"""SHA-256 checksums of files: computed while a file is written, or read once in a process while it stays unchanged.

Hashing goes at a gigabyte a second or so, so what has been hashed is remembered in the process, by the file's device,
inode, size and times: a file that was read once costs a look at these, and one that has changed since is hashed anew.
"""

import hashlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_SETTLED_NS: Final = 100_000_000
"""Clocks of file systems tick in milliseconds: a younger file might change once more and show the same time."""

Looks = tuple[int, ...]
"""What a file looks like without reading it."""

_remembered: dict[str, tuple[Looks, str]] = {}


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read to its end now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_sha256(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def known_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, which is read only where this process has not done so, or it has changed since.

    Raises OSError where it cannot be read.
    """
    return known_digest(path, _sha256)


def _sha256(file: io.BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def known_digest(path: Path, digest_of: Callable[[io.BufferedReader], str]) -> str:
    """Return what `digest_of` makes of a file, as `known_sha256` does: not again while the file stays the same."""
    key = f"{digest_of.__qualname__} {path.absolute()}"
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        looks, known = _looks(before), _remembered.get(key)
        if known is not None and known[0] == looks:
            return known[1]
        _remembered.pop(key, None)
        is_settled = time.time_ns() - max(before.st_mtime_ns, before.st_ctime_ns) > _SETTLED_NS
        digest = digest_of(file)
        if is_settled and _looks(os.fstat(file.fileno())) == looks:
            _remembered[key] = looks, digest
    return digest


def _looks(found: os.stat_result) -> Looks:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class HashingFile(io.RawIOBase):
    """A new file that computes the SHA-256 of what is written to it, in order and from its beginning."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._digest = hashlib.sha256()

    def writable(self) -> bool:
        """Return True: the file can be written to."""
        return True

    def write(self, data: object, /) -> int:
        """Write bytes; return how many."""
        view = memoryview(data)  # type: ignore[arg-type]  # pyarrow hands over a buffer
        self._file.write(view)
        self._digest.update(view)
        return view.nbytes

    def flush(self) -> None:
        """Flush what is buffered to the operating system."""
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def hexdigest(self) -> str:
        """Return the SHA-256 of what has been written so far."""
        return self._digest.hexdigest()
