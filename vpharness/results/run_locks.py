"""Locks on runs: whoever carries out the same runs at the same time waits, and finds them done."""

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from typing import Final

from vpharness.errors import ResultsError
from vpharness.results.store import Store

LOCK_FILE: Final = "claims"
"""An empty file: a set of runs is one of its bytes, and the lock on that is released when its process ends."""

_PLACES: Final = 2**62


@contextlib.contextmanager
def lock_runs(store: Store, run_ids: Collection[str], waiting: Callable[[], None]) -> Iterator[None]:
    """Lock a set of runs against other processes; `waiting` is called once before waiting for a lock that is held.

    Raises ResultsError where the store cannot be written.
    """
    digest = hashlib.sha256("\n".join(sorted(run_ids)).encode()).digest()
    place = int.from_bytes(digest[:8]) % _PLACES
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(store.root / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ResultsError(f"cannot write results to {store.root}: {error.strerror}") from error
    try:
        _lock(descriptor, place, waiting)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, place: int, waiting: Callable[[], None]) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EAGAIN}:
            return  # a file system without locks: then work may be done twice, as each of its results is complete
        waiting()
        fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, place)
