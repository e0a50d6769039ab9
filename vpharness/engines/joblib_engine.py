"""Works in several processes of this machine, through joblib.

Where a process dies, joblib gives up all of them, and does not say which work was to blame. Those that had been begun
are tried again, each alone; one whose process dies again is given up, and the others go on.
"""

import multiprocessing
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from joblib import Parallel, delayed

from vpharness.engines.calls import Allotment, Call, Follower, Work

_BEGUN: Final = "begun"
_EMITTED: Final = "emitted"
_ENDED: Final = "ended"
_CATCH_UP: Final = "catch up"
_CLOSE: Final = "close"
DIED_TWICE: Final = "the process that carried it out died, twice; look for a lack of memory"


class Inbox(Protocol):
    """A queue of messages from worker processes."""

    def put(self, message: tuple[str, int, Any]) -> None:
        """Send a message: its kind, the place of the work, and its value."""


@dataclass
class Listener:
    """The receiver of the workers' messages.

    Attributes:
        follower: is told of them.
        begun, ended: the places of works.
    """

    follower: Follower
    begun: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    _caught_up: threading.Event = field(default_factory=threading.Event)
    _over: bool = False

    def follow(self, receive: Callable[[], tuple[str, int, Any]]) -> None:
        """Process messages until the queue is closed."""
        try:
            self._follow(receive)
        finally:
            self._over = True
            self._caught_up.set()

    def _follow(self, receive: Callable[[], tuple[str, int, Any]]) -> None:
        while True:
            what, place, value = receive()
            if what == _CLOSE:
                return
            if what == _EMITTED:
                self.follower.emitted(place, value)
            elif what == _BEGUN:
                self.begun.add(place)
                self.follower.begun(place)
            elif what == _ENDED:
                self.ended.add(place)
                self.follower.ended(place, value)
            elif what == _CATCH_UP:
                self._caught_up.set()

    def catch_up(self, inbox: Inbox) -> None:
        """Wait until every message sent so far has been processed."""
        self._caught_up.clear()
        inbox.put((_CATCH_UP, 0, None))
        if not self._over:
            self._caught_up.wait()


@dataclass(frozen=True)
class JoblibEngine:
    """Several processes of this machine.

    Attributes:
        processes: how many; -1: one for each core.
    """

    processes: int

    @property
    def allotment(self) -> Allotment:
        """What it gives to each work: nothing is declared."""
        return Allotment()

    def carry_out(self, works: Sequence[Work], follower: Follower) -> None:
        """Carry out works, as `Engine.carry_out` says; the follower is called in a thread."""
        with multiprocessing.get_context("spawn").Manager() as manager:
            inbox = manager.Queue()
            listener = Listener(follower)
            thread = threading.Thread(target=listener.follow, args=(inbox.get,))
            thread.start()
            try:
                run_all(works, inbox, listener, self.processes)
            finally:
                inbox.put((_CLOSE, 0, None))
                thread.join()


def run_all(works: Sequence[Work], inbox: Inbox, listener: Listener, processes: int) -> None:
    """Carry out works while a thread listens to the inbox; repeat what processes that died have left undone."""
    follower = listener.follower
    waiting = {place: work.call for place, work in enumerate(works)}
    while waiting and not follower.stopped():
        died = _attempt(waiting, inbox, processes)
        listener.catch_up(inbox)
        begun = listener.begun - listener.ended
        # A process may die before it says what it has begun: then it may have been any of them.
        suspects = (begun or set(waiting)) if died else set()
        for place in sorted(suspects):
            rest = follower.rest(place)
            if rest is not None and _attempt({place: rest.call}, inbox, 1):
                listener.catch_up(inbox)
                if follower.rest(place) is not None:
                    follower.lost(place, DIED_TWICE)
            listener.ended.add(place)
        if not died:
            return
        # A process that died after its work was done has not said so.
        rests = {place: follower.rest(place) for place in waiting if place not in listener.ended}
        waiting = {place: rest.call for place, rest in rests.items() if rest is not None}


def _attempt(calls: Mapping[int, Call], inbox: Inbox, processes: int) -> bool:
    """Carry out calls; return whether a worker process died."""
    try:
        jobs = (delayed(_perform)(place, call, inbox) for place, call in calls.items())
        Parallel(n_jobs=processes, backend="loky", batch_size=1, pre_dispatch="all")(jobs)
    except BrokenProcessPool:
        return True
    return False


def _perform(place: int, call: Call, inbox: Inbox) -> None:
    """Carry out one call, in a worker process."""
    inbox.put((_BEGUN, place, None))
    inbox.put((_ENDED, place, call.function(*call.arguments, lambda value: inbox.put((_EMITTED, place, value)))))
