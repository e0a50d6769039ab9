"""Claims on work: who carries out the same runs at the same time waits, and finds them done."""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterator
from typing import Final

from vpharness.errors import ResultsError
from vpharness.results.store import Store
from vpharness.storage.locks import byte_locked

CLAIMS_FILE: Final = "claims"
"""An empty file: the claim on a set of runs is a lock on one byte, which a process that is killed gives back."""

_PLACES: Final = 2**62


@contextlib.contextmanager
def claimed(store: Store, run_ids: Collection[str], waiting: Callable[[], None]) -> Iterator[None]:
    """Keep everybody else from carrying out just these runs, meanwhile; `waiting` is called before one waits.

    Raises ResultsError where the store cannot be written.
    """
    digest = hashlib.sha256("\n".join(sorted(run_ids)).encode()).digest()
    place = int.from_bytes(digest[:8]) % _PLACES
    with contextlib.ExitStack() as held:
        try:
            store.root.mkdir(parents=True, exist_ok=True)
            # Where the file system has no locks work may be done twice, as each of its results is complete.
            held.enter_context(byte_locked(store.root / CLAIMS_FILE, place, waiting))
        except OSError as error:
            raise ResultsError(f"cannot write results to {store.root}: {error.strerror}") from error
        yield
