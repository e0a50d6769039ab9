"""Locks on runs: whoever carries out the same runs at the same time waits, and finds them done."""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterator
from typing import Final

from vpharness.errors import ResultsError
from vpharness.results.store import Store
from vpharness.storage.locks import byte_locked, is_byte_locked

LOCK_FILE: Final = "claims"
"""An empty file: a set of runs is one of its bytes, and the lock on that is released when its process ends."""

_PLACES: Final = 2**62


@contextlib.contextmanager
def lock_runs(store: Store, run_ids: Collection[str], waiting: Callable[[], None]) -> Iterator[None]:
    """Lock a set of runs against other processes; `waiting` is called once before waiting for a lock that is held.

    Raises ResultsError where the store cannot be written.
    """
    with contextlib.ExitStack() as held:
        try:
            store.root.mkdir(parents=True, exist_ok=True)
            # Where the file system has no locks work may be done twice, as each of its results is complete.
            held.enter_context(byte_locked(store.root / LOCK_FILE, lock_place(run_ids), waiting))
        except OSError as error:
            raise ResultsError(f"cannot write results to {store.root}: {error.strerror}") from error
        yield


def are_runs_locked(store: Store, run_ids: Collection[str]) -> bool:
    """Return whether another process of this machine carries out this set of runs; nothing is locked by asking."""
    return is_byte_locked(store.root / LOCK_FILE, lock_place(run_ids))


def lock_place(run_ids: Collection[str]) -> int:
    """Return the byte of LOCK_FILE that stands for a set of runs."""
    digest = hashlib.sha256("\n".join(sorted(run_ids)).encode()).digest()
    return int.from_bytes(digest[:8]) % _PLACES
