"""Computed columns of datasets, kept as files that are mapped into memory, until the room for them is full.

A folder for each dataset, named after its checksum, and in it a NumPy file `<column>.<digest>.npy` for each column,
[bins, cells]. The digest of the whole file stands in its name: a file that does not have it is deleted and made
again. A file is written under another name and renamed, so that it is there whole or not at all, and any number of
processes share it. Nothing here is needed: whatever is deleted is computed anew.

The digest is the SHA-256 of sums: of each block of 8,192 numbers of 64 bits, the sum modulo 2^64. It finds damage, at
ten times the speed of a SHA-256 of everything, which a column of a quarter of a gigabyte would be waited for.
"""

import contextlib
import hashlib
import io
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from vpharness.compiled import Array
from vpharness.datasets.cache_limit import COLUMN_SUFFIX, USE_IS_OLD_S
from vpharness.storage.checksums import known_digest
from vpharness.storage.durable import aside_of, unfinished_names, writing_in
from vpharness.storage.locks import locked

_BLOCK_BYTES: Final = 65_536
_READ_BYTES: Final = 16 * _BLOCK_BYTES
_LOCK: Final = ".lock"


@dataclass(frozen=True)
class ColumnShape:
    """The type and shape [bins, cells] of a column."""

    dtype: np.dtype[Any]
    shape: tuple[int, int]

    @property
    def head(self) -> bytes:
        """What a NumPy file of such a column begins with."""
        text = f"{{'descr': '{self.dtype.newbyteorder('<').str}', 'fortran_order': False, 'shape': {self.shape}, }}"
        padding = -(len(_MAGIC) + 2 + len(text) + 1) % 64
        head = (text + " " * padding + "\n").encode("latin1")
        return _MAGIC + len(head).to_bytes(2, "little") + head

    @property
    def file_bytes(self) -> int:
        """The size of such a file."""
        return len(self.head) + self.dtype.itemsize * self.shape[0] * self.shape[1]


_MAGIC: Final = b"\x93NUMPY\x01\x00"


def cached_column(folder: Path, name: str, wanted: ColumnShape) -> Array | None:
    """Return a column [bins, cells] that is kept, mapped into memory, and None where it is not.

    A file that is not as it was written is deleted.
    """
    for path in folder.glob(f"{name}.*{COLUMN_SUFFIX}"):
        try:
            _mark_used(path)
            sound = (
                path.stat().st_size == wanted.file_bytes and known_digest(path, _digest_of) == path.name.split(".")[1]
            )
            if sound:
                with path.open("rb") as file:
                    return _mapped(file, wanted)
        except OSError:
            continue  # deleted by another process, or on a disk that fails: it is computed
        with contextlib.suppress(OSError):
            path.unlink()
    return None


class _Digest:
    """The digest of what has been given so far."""

    def __init__(self) -> None:
        self._sums, self._rest = hashlib.sha256(), b""

    def update(self, data: bytes | memoryview) -> None:
        if self._rest:
            taken = _BLOCK_BYTES - len(self._rest)
            self._rest, data = self._rest + bytes(data[:taken]), data[taken:]
            if len(self._rest) < _BLOCK_BYTES:
                return
            self._add(self._rest)
        whole = len(data) // _BLOCK_BYTES * _BLOCK_BYTES
        self._add(data[:whole])
        self._rest = bytes(data[whole:])

    def _add(self, data: bytes | memoryview) -> None:
        words = np.frombuffer(data, "<u8").reshape(-1, _BLOCK_BYTES // 8)
        self._sums.update(np.add.reduce(words, axis=1, dtype="<u8").tobytes())

    def hexdigest(self) -> str:
        sums = self._sums.copy()
        rest = np.frombuffer(self._rest + bytes(-len(self._rest) % 8), "<u8")
        sums.update(np.add.reduce(rest, dtype="<u8").tobytes())
        return sums.hexdigest()


def _digest_of(file: io.BufferedReader) -> str:
    digest, buffer = _Digest(), bytearray(_READ_BYTES)
    view = memoryview(buffer)
    while count := file.readinto(buffer):
        digest.update(view[:count])
    return digest.hexdigest()


def _mapped(file: BinaryIO, wanted: ColumnShape) -> Array | None:
    head = wanted.head
    if file.read(len(head)) != head:
        return None
    column: Array = np.asarray(np.memmap(file, wanted.dtype, "r", offset=len(head), shape=wanted.shape))
    return column


def _mark_used(path: Path) -> None:
    """Set the time of a file's last use, which is that of its change; where it may only be read, it is left alone."""
    if time.time() - path.stat().st_mtime > USE_IS_OLD_S:
        with contextlib.suppress(OSError):
            os.utime(path)


@contextlib.contextmanager
def filled_by_one(folder: Path) -> Iterator[bool]:
    """Keep other processes from computing columns of the same dataset; yield whether some can be kept there.

    On a file system without locks nobody is kept out: two that write the same column write the same file.
    """
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(writing_in(folder, *unfinished_names(f"*{COLUMN_SUFFIX}")))
            probe = aside_of(folder / f"probe{COLUMN_SUFFIX}")
            probe.touch()
            probe.unlink()
        except OSError:
            yield False
            return
        with contextlib.suppress(OSError):
            held.enter_context(locked(folder / _LOCK, create=True))
        yield True


def keep(folder: Path, columns: Mapping[str, ColumnShape], blocks: Iterable[Mapping[str, Array]]) -> bool:
    """Write columns from their blocks [n, cells] and return True, or False where the disk does not take them.

    What is raised while a block is computed is raised here, and nothing is kept.
    """
    with contextlib.ExitStack() as cleanup:
        files = dict[str, _GrowingColumn]()
        try:
            for name, wanted in columns.items():
                files[name] = cleanup.enter_context(_growing(folder, name, wanted))
        except OSError:
            return False
        for block in blocks:
            try:
                for name, file in files.items():
                    file.append(block[name])
            except OSError:
                return False
        try:
            for name, file in files.items():
                file.finish(folder, name)
        except OSError:
            return False
    return True


@dataclass
class _GrowingColumn:
    """A file that a column is written into, and the digest so far."""

    path: Path
    file: BinaryIO
    digest: _Digest

    def append(self, values: Array) -> None:
        data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
        self.file.write(data)
        self.digest.update(data)

    def finish(self, folder: Path, name: str) -> None:
        self.file.close()
        self.path.chmod(0o644)
        self.path.replace(folder / f"{name}.{self.digest.hexdigest()}{COLUMN_SUFFIX}")


@contextlib.contextmanager
def _growing(folder: Path, name: str, wanted: ColumnShape) -> Iterator[_GrowingColumn]:
    path, head = aside_of(folder / f"{name}{COLUMN_SUFFIX}"), wanted.head
    try:
        with path.open("xb") as file:
            file.write(head)
            digest = _Digest()
            digest.update(head)
            yield _GrowingColumn(path, file, digest)
    finally:
        path.unlink(missing_ok=True)
