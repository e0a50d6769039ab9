"""A pause of Python's cyclic garbage collection, for work that makes many objects which all stay."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Collect no cyclic garbage meanwhile.

    Each time that the number of objects has grown by a quarter the collector looks through all of them: a ledger of
    months, a million objects none of which is garbage, takes twice as long to read with it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
