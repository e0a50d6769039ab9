"""Input files: checked, hashed, and read in blocks, whether plain or compressed.

The compression is told by the first bytes, not by the name, and a compressed file that ends before its end mark is an
error: half a file never passes for a whole one.
"""

import hashlib
import io
import lzma
import shlex
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import pyarrow as pa

from vpharness.errors import SourceError, require_memory

_READ_BYTES: Final = 1 << 16

LARGEST_PART_BYTES: Final = 1 << 20
"""The most that is decompressed at once: a few kilobytes may hold gigabytes, which nobody has asked for yet."""

_XZ_MEMORY_BYTES: Final = 1 << 28
"""What xz may need for its dictionary: four times what its strongest preset does."""


class _Decompressor(Protocol):
    """The interface shared by the decompressors of zlib and lzma: each reads one compressed stream."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _new_gzip() -> _Decompressor:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


def _new_xz() -> _Decompressor:
    return lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)


_FORMATS: Final[tuple[tuple[bytes, str, Callable[[], _Decompressor]], ...]] = (
    (b"\x1f\x8b", "gzip", _new_gzip),
    (b"\xfd7zXZ\x00", "xz", _new_xz),
)
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_LONGEST_MAGIC: Final = 6
ARCHIVES: Final = {
    b"PK\x03\x04": ("zip", "unzip"),
    b"7z\xbc\xaf\x27\x1c": ("7z", "7z x"),
    b"Rar!\x1a\x07": ("rar", "unrar x"),
}
"""The first bytes of archives of files, and the command that unpacks each."""
COMPRESSED: Final = ("", ".gz", ".xz", ".zst")
"""What is behind the ending of a name where a file is plain, or compressed."""
_BROKEN = (zlib.error, lzma.LZMAError)


def _parts(stream: _Decompressor, data: bytes) -> Iterator[bytes]:
    """Yield what a stream decompresses from `data`, at most LARGEST_PART_BYTES at a time."""
    while not stream.eof:
        part = stream.decompress(data, LARGEST_PART_BYTES)
        yield part
        # zlib hands back what it has not looked at, lzma keeps it.
        data = getattr(stream, "unconsumed_tail", b"")
        if len(part) < LARGEST_PART_BYTES:
            return


class _Rest(io.RawIOBase):
    """A file that begins with bytes already read and goes on with what `more` returns."""

    def __init__(self, begun: bytes, more: Callable[[], bytes]) -> None:
        self._waiting, self._more = begun, more

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._waiting = self._waiting or self._more()
        part, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


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
        if data.startswith(_ZSTD_MAGIC):
            yield from self._through_zstd(data)
            return
        for magic, (name, command) in ARCHIVES.items():
            if data.startswith(magic):
                raise SourceError(
                    f"{self.path}: is a {name} archive of files; unpack it ({command} {shlex.quote(self.path.name)}) "
                    "and name the files inside, or their folder"
                )
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
                yield from _parts(stream, data)
            except _BROKEN as error:
                raise self._damaged(name, error) from error
            data = (stream.unused_data if stream.eof else b"") or self._read()
        if not stream.eof:
            raise self._truncated(name)

    def _through_zstd(self, data: bytes) -> Iterator[bytes]:
        """Yield what the zstd frames hold, one after another, skipping those to be skipped."""
        stream = pa.CompressedInputStream(pa.PythonFile(_Rest(data, self._read), mode="r"), "zstd")
        while True:
            try:
                part = stream.read(LARGEST_PART_BYTES)
            except OSError as error:
                require_memory(error)
                raise self._truncated("zstd") if "Truncated" in str(error) else self._damaged("zstd", error) from error
            if not part:
                return
            yield part

    def _damaged(self, name: str, error: Exception) -> SourceError:
        return SourceError(f"{self.path}: its {name} compression is damaged: {error}")

    def _truncated(self, name: str) -> SourceError:
        return SourceError(f"{self.path}: truncated: its {name} stream ends before its end mark")


def checked_path(path: str, key: str = "source.path") -> Path:
    """Return a path, given by `key`, that names a regular file; a SourceError says why it does not."""
    found = Path(path).expanduser()
    try:
        if found.is_file():
            return found
        reason = "is not a regular file" if found.exists() else "there is no such file"
    except (OSError, ValueError) as error:
        reason = f"is no usable path: {error}"
    raise SourceError(f"{path!r}: {reason}; {key} must name a file")


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
