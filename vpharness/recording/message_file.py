"""Files of recorded messages, one a line, compressed while they are written.

A file is written under its name with `.unfinished` behind it, and takes its own name when it is closed: whoever sees a
name without that ending sees a whole file. Nothing is ever overwritten. What is written is handed to the disk every few
seconds, so that a recorder that is killed leaves an unfinished file that can be read up to there.
"""

import contextlib
import gzip
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import zstandard

from vpharness.errors import FeedError
from vpharness.storage.durable import sync

UNFINISHED: Final = ".unfinished"
FLUSH_SECONDS: Final = 5.0

SUFFIXES: Final = {"zstd": "jsonl.zst", "gzip": "jsonl.gz"}
"""The ending of a file's name by its compression."""


@dataclass
class MessageFile:
    """A file that is being written: lines and bytes on disk so far."""

    path: Path
    compression: str
    started: float = field(default_factory=time.monotonic)
    lines: int = 0
    bytes_written: int = 0
    _handle: IO[bytes] = field(init=False)
    _stream: Any = field(init=False)
    _flushed: float = field(init=False)

    def __post_init__(self) -> None:
        """Open the file under its unfinished name; FileExistsError where there is one."""
        self._handle = self.unfinished.open("xb")
        if self.compression == "gzip":
            self._stream = gzip.GzipFile(fileobj=self._handle, mode="wb", compresslevel=6, mtime=0)
        else:
            self._stream = zstandard.ZstdCompressor(level=9, write_checksum=True).stream_writer(
                self._handle, closefd=False
            )
        self._flushed = time.monotonic()

    @property
    def unfinished(self) -> Path:
        """The file's name while it is being written."""
        return self.path.with_name(self.path.name + UNFINISHED)

    def write(self, line: bytes) -> None:
        """Write a line, without its end."""
        self._stream.write(line + b"\n")
        self.lines += 1
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand everything written to the operating system, in blocks that can be read."""
        self._stream.flush()
        self._handle.flush()
        self.bytes_written = self._handle.tell()
        self._flushed = time.monotonic()

    def close(self) -> Path | None:
        """End the file and give it its name; a file without lines is removed, and None returned."""
        self._stream.close()
        self._handle.flush()
        self.bytes_written = self._handle.tell()
        os.fsync(self._handle.fileno())
        self._handle.close()
        if not self.lines:
            self.unfinished.unlink()
            return None
        self._take_name()
        sync(self.path.parent)
        return self.path

    def _take_name(self) -> None:
        """Give the file its name, unless it is taken: a link fails then, while a rename would replace what is there."""
        try:
            os.link(self.unfinished, self.path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if self.path.exists():
                raise
            self.unfinished.rename(self.path)
        else:
            self.unfinished.unlink()


def new_message_file(folder: Path, name: str, compression: str, now: Callable[[], float] = time.time) -> MessageFile:
    """Open a file named by what is recorded and when it began, in UTC to the microsecond."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        began = datetime.fromtimestamp(now(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = folder / f"{name}-{began}.{SUFFIXES[compression]}"
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                return MessageFile(path, compression)


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what goes wrong with the disk into a FeedError that names the folder."""
    try:
        yield
    except OSError as error:
        raise FeedError(f"cannot record into {folder}: {error.strerror or error}") from error
