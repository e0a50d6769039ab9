"""Input files: checked, hashed, and read in blocks, whether plain or compressed.

The compression is told by the first bytes, not by the name, and a compressed file that ends before its end mark is an
error: half a file never passes for a whole one.
"""

import hashlib
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import zstandard

from vpharness.errors import SourceError

_READ_BYTES: Final = 1 << 16


class _Decompressor(Protocol):
    """What zlib, lzma and zstandard objects have in common: one compressed stream (frame) each."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _new_gzip() -> _Decompressor:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


def _new_xz() -> _Decompressor:
    return lzma.LZMADecompressor()


def _new_zstd() -> _Decompressor:
    return zstandard.ZstdDecompressor().decompressobj()


_FORMATS: Final[tuple[tuple[bytes, str, Callable[[], _Decompressor]], ...]] = (
    (b"\x1f\x8b", "gzip", _new_gzip),
    (b"\xfd7zXZ\x00", "xz", _new_xz),
    (b"\x28\xb5\x2f\xfd", "zstd", _new_zstd),
)
_LONGEST_MAGIC: Final = 6
_BROKEN = (zlib.error, lzma.LZMAError, zstandard.ZstdError)


@dataclass
class InputFile:
    """An open input file. `bytes_read` counts bytes as they lie on disk, as `bytes_total` does."""

    path: Path
    handle: BinaryIO
    bytes_total: int
    bytes_read: int = 0

    def blocks(self, block_bytes: int) -> Iterator[bytes]:
        """Yield the decompressed content in blocks of exactly `block_bytes`, the last one shorter, none empty.

        Raises SourceError where the file cannot be read, its compression is damaged, or it ends too early.
        """
        parts: list[bytes] = []
        waiting = seen = 0
        for part in self._decompressed():
            parts.append(part)
            waiting += len(part)
            seen += len(part)
            if waiting < block_bytes:
                continue
            joined = b"".join(parts)
            whole = waiting - waiting % block_bytes
            for start in range(0, whole, block_bytes):
                yield joined[start : start + block_bytes]
            parts, waiting = [joined[whole:]], waiting - whole
        if waiting:
            yield b"".join(parts)
        if not seen:
            raise SourceError(f"{self.path}: the file is empty")

    def _read(self) -> bytes:
        try:
            data = self.handle.read(_READ_BYTES)
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read: {error.strerror}") from error
        self.bytes_read += len(data)
        return data

    def _decompressed(self) -> Iterator[bytes]:
        data = self._read()
        for magic, name, new in _FORMATS:
            if data[:_LONGEST_MAGIC].startswith(magic):
                yield from self._through(name, new, data)
                return
        while data:
            yield data
            data = self._read()

    def _through(self, name: str, new: Callable[[], _Decompressor], data: bytes) -> Iterator[bytes]:
        """Yield what the compressed streams hold, one after another: they may be concatenated."""
        stream = new()
        while data:
            if stream.eof:
                stream = new()
            try:
                yield stream.decompress(data)
            except _BROKEN as error:
                raise SourceError(f"{self.path}: its {name} compression is damaged: {error}") from error
            data = (stream.unused_data if stream.eof else b"") or self._read()
        if not stream.eof:
            raise SourceError(f"{self.path}: truncated: its {name} stream ends before its end mark")


def checked_path(path: str) -> Path:
    """Return a path that names a regular file; a SourceError says why it does not."""
    found = Path(path).expanduser()
    try:
        if found.is_file():
            return found
        reason = "is not a regular file" if found.exists() else "there is no such file"
    except (OSError, ValueError) as error:
        reason = f"is no usable path: {error}"
    raise SourceError(f"{path!r}: {reason}; source.path must name a file")


@contextmanager
def opened(path: str) -> Iterator[InputFile]:
    """Open a file for reading in blocks."""
    found = checked_path(path)
    try:
        handle = found.open("rb")
    except OSError as error:
        raise SourceError(f"{found}: cannot be opened: {error.strerror}") from error
    with handle:
        yield InputFile(found, handle, found.stat().st_size)


def sha256(path: str) -> str:
    """Return the SHA-256 of a file as it lies on disk, in hexadecimal, read in blocks."""
    with opened(path) as file:
        try:
            handle: Any = file.handle  # a binary file, which lacks readinto in its declared type alone
            return hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError as error:
            raise SourceError(f"{file.path}: cannot be read: {error.strerror}") from error
