"""Locks between processes: on a file or folder, or on one byte of a file; a process that ends gives its own back.

All are advisory locks of the operating system. They hold between the processes of one machine, and between machines
where the file system passes them on.
"""

import contextlib
import errno
import fcntl
import os
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_LOCK_ON_LINUX: Final = "hhqqi0q"
"""The system's `struct flock`: kind of lock, where places count from, place, number of bytes, process."""


@contextlib.contextmanager
def locked(path: Path, *, create: bool = False) -> Iterator[None]:
    """Keep other processes out of a file or folder; wait until none of them holds it.

    Args:
        path: what is locked; everybody who takes the same path waits for one another.
        create: whether to make an empty file there first, if there is none.

    Raises OSError where it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT if create else os.O_RDONLY, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock of a file, made if there is none, together with others: who wants it alone waits, or goes away.

    On a file system without locks nobody is kept out. Raises OSError where the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def lock_if_free(path: Path) -> int | None:
    """Take the lock of a file or folder and return the descriptor that holds it until it is closed.

    Returns None where another process holds it. Raises OSError where it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Yield whether the lock of a file or folder was free; it is held until the block ends where it was."""
    descriptor = lock_if_free(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def byte_locked(path: Path, place: int, waiting: Callable[[], None]) -> Iterator[None]:
    """Keep other processes from the same byte of a file, which is made if there is none and stays empty.

    So one file holds a lock for each of many things. On a file system without locks nobody is kept out.

    Args:
        path: the file.
        place: the number of the byte.
        waiting: called once before one waits for another process.

    Raises OSError where the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock_byte(descriptor, place, waiting)
        yield
    finally:
        os.close(descriptor)


def _lock_byte(descriptor: int, place: int, waiting: Callable[[], None]) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EAGAIN}:
            return  # a file system without locks
        waiting()
        fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, place)


def is_byte_locked(path: Path, place: int) -> bool:
    """Return whether another process holds the lock on a byte of a file; nothing is locked or made by asking.

    False where that cannot be known: without the file, on a file system without locks, and not on Linux.
    """
    if sys.platform != "linux":
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        asked = struct.pack(_LOCK_ON_LINUX, fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
        found = fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    kind: int = struct.unpack(_LOCK_ON_LINUX, found)[0]
    return kind != fcntl.F_UNLCK
