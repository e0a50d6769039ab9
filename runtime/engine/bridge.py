"""The bridge between the engine's thread and the event loop: commands to the engine, and the events that come back."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from runtime.engine.models import ServedModel
from runtime.engine.pipeline import PipelineBin

MOST_PENDING_EVENTS: Final = 64
"""The most that waits for the event loop: at full speed the feed waits for it too."""


@dataclass(eq=False)
class EngineCommand:
    """What is to be done; it is answered by `runtime.engine.sayings.Answered`.

    Attributes:
        do: does it, in the engine's thread; False where it has to be tried again after the next step. A VpharnessError
            is its answer.
        undo: takes back what `do` began before it had to be tried again, where the order is called off.
        is_called_off: whether nobody wants it any more: then it is not carried out.
    """

    do: Callable[[], bool | None]
    undo: Callable[[], None] = lambda: None
    is_cancelled: bool = False


@dataclass(frozen=True)
class BinClosed:
    """A bin was closed, `late_s` after the feed said that it could be."""

    bin: PipelineBin
    late_s: float


@dataclass(frozen=True)
class ChampionChanged:
    """From the place `next_seq` on the champion is another model, or that of another pipeline, with those beside it."""

    pipeline: int
    champion: ServedModel
    others: tuple[ServedModel, ...]
    next_seq: int
    epoch: int


@dataclass(frozen=True)
class PipelineReady:
    """A pipeline that follows the feed beside the one that is served could be served."""

    pipeline: int


@dataclass(frozen=True)
class PipelineAbandoned:
    """A pipeline that was not served yet follows the feed no more."""

    pipeline: int


@dataclass(frozen=True)
class FeedRestarted:
    """Time begins anew: bins that come do not follow those of before."""

    epoch: int


@dataclass(frozen=True)
class FeedObserved:
    """What the feed's state is, how many events came too late for their bin, and the time of the last one."""

    state: str
    late_events: int
    last_event_ns: int | None


@dataclass(frozen=True)
class StatisticsUpdated:
    """The statistics of all models of the pipeline that is served, by name, and what is to be served next.

    `coming` is the version that is on its way, and how many bins are missing until it is ready.
    """

    statistics: dict[str, dict[str, Any]]
    coming: tuple[str, int | None] | None


@dataclass(frozen=True)
class CommandCompleted:
    """An order was carried out, or `problem` says why it was not."""

    command: EngineCommand
    problem: str | None


@dataclass(frozen=True)
class FeedEnded:
    """The feed is over; `problem` says why, where it did not simply end."""

    problem: str | None


EngineEvent = (
    BinClosed
    | ChampionChanged
    | PipelineReady
    | PipelineAbandoned
    | FeedRestarted
    | FeedObserved
    | StatisticsUpdated
    | CommandCompleted
    | FeedEnded
)


def bridge_to(
    loop: asyncio.AbstractEventLoop, handle: Callable[[EngineEvent], None], stop: threading.Event
) -> Callable[[EngineEvent], None]:
    """Return what the engine says things to.

    The loop's thread accepts them; while MOST_PENDING_EVENTS of them are on their way, the engine waits.
    """
    room = threading.BoundedSemaphore(MOST_PENDING_EVENTS)

    def arrive(said: EngineEvent) -> None:
        room.release()
        handle(said)

    def emit(said: EngineEvent) -> None:
        while not room.acquire(timeout=0.1):
            if stop.is_set():
                return
        try:
            loop.call_soon_threadsafe(arrive, said)
        except RuntimeError:  # the loop is closed: nobody listens any more
            room.release()

    return emit
