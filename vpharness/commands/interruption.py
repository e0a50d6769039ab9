"""Ctrl-C, SIGTERM, and a terminal that is closed: all interrupt the work, wherever it stands."""

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

_AGAIN_SECONDS: Final = 0.1


@dataclass
class Interruption:
    """Whether the work has been interrupted."""

    came: bool = False


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Make these signals raise KeyboardInterrupt in the main thread, again and again until it arrives.

    Python swallows what is raised while a destructor or a callback of a compiler runs, and only reports it: then the
    signal is sent once more.
    """
    interruption = Interruption()
    repetitions: list[threading.Timer] = []

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        interruption.came = True
        raise KeyboardInterrupt

    def unraisable(report: Any) -> None:
        if not issubclass(report.exc_type, KeyboardInterrupt):
            reported(report)
            return
        again = threading.Timer(_AGAIN_SECONDS, _thread.interrupt_main)
        again.daemon = True
        repetitions.append(again)
        again.start()

    reported, sys.unraisablehook = sys.unraisablehook, unraisable
    caught = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # it is ignored below nohup, which is there for that
        caught.append(signal.SIGHUP)
    handlers = {number: signal.signal(number, interrupt) for number in caught}
    try:
        yield interruption
    finally:
        for again in repetitions:  # one that came later would interrupt what follows
            again.cancel()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.unraisablehook = reported
