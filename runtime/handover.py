"""The way from the engine's thread to the event loop's: what is said waits for its turn, and not too much of it."""

import asyncio
import threading
from collections.abc import Callable
from typing import Final

from runtime.sayings import Said

SAID_AT_ONCE: Final = 64
"""The most that waits for the event loop: at full speed the feed waits for it too."""


def handing_over(
    loop: asyncio.AbstractEventLoop, accept: Callable[[Said], None], stop: threading.Event
) -> Callable[[Said], None]:
    """Return what the engine says things to.

    The loop's thread accepts them; while SAID_AT_ONCE of them are on their way, the engine waits.
    """
    room = threading.BoundedSemaphore(SAID_AT_ONCE)

    def arrive(said: Said) -> None:
        room.release()
        accept(said)

    def say(said: Said) -> None:
        while not room.acquire(timeout=0.1):
            if stop.is_set():
                return
        try:
            loop.call_soon_threadsafe(arrive, said)
        except RuntimeError:  # the loop is closed: nobody listens any more
            room.release()

    return say
