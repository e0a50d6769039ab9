"""The bridge between the engine's thread and the event loop: commands to the engine, and the events that come back."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from runtime.engine.models import ServedModel
from runtime.engine.pipeline import ModelOutput, PipelineBin

MOST_PENDING_EVENTS: Final = 64
"""Most events that wait for the event loop; the engine waits with the next, so that memory stays bounded."""

PENDING_BESIDE_OTHERS: Final = 8
"""Most of them where a server has several feeds: what others have to say waits behind them."""


@dataclass(eq=False)
class EngineCommand:
    """Work for the engine's thread between two steps of the feed; `CommandCompleted` answers it.

    Attributes:
        do: the work, in the engine's thread; False where it has to be tried again after the next step. A VpharnessError
            becomes the answer.
        undo: takes back what `do` began before it had to be tried again, where the command is cancelled.
        is_cancelled: whether the caller no longer waits for it: then it is not carried out.
    """

    do: Callable[[], bool | None]
    undo: Callable[[], None] = lambda: None
    is_cancelled: bool = False


@dataclass(frozen=True)
class BinClosed:
    """A bin was closed and scored, `late_s` after the feed made that possible.

    `is_stepped` says that a replay did not wait for it, nor for those about it.
    """

    bin: PipelineBin
    late_s: float
    is_stepped: bool = False


@dataclass(frozen=True)
class ChampionChanged:
    """From the bin `next_seq` on another model is the champion, in this pipeline or in another one."""

    pipeline: int
    champion: ServedModel
    others: tuple[ServedModel, ...]
    next_seq: int
    epoch: int


@dataclass(frozen=True)
class PipelineReady:
    """A pipeline that follows the feed beside the one that is served is ready to be served."""

    pipeline: int


@dataclass(frozen=True)
class PipelineAbandoned:
    """A pipeline that was not served yet has stopped following the feed."""

    pipeline: int


@dataclass(frozen=True)
class FeedRestarted:
    """The feed has begun anew: the next bins do not continue the earlier ones."""

    epoch: int


@dataclass(frozen=True)
class FeedObserved:
    """The feed's state, how many events came too late for their bin, and the time of the last event."""

    state: str
    late_events: int
    last_event_ns: int | None


@dataclass(frozen=True)
class StatisticsUpdated:
    """The statistics of all models of the served pipeline, by name, and the version that will be served next.

    `coming` is that version, and how many bins it still needs until it is ready.
    """

    statistics: dict[str, dict[str, Any]]
    coming: tuple[str, int | None] | None


@dataclass(frozen=True)
class PastJudged:
    """What a model that has joined a pipeline says of the last bins before, by their places; they have been emitted."""

    pipeline: int
    name: str
    outputs: list[tuple[int, ModelOutput]]


@dataclass(frozen=True)
class CommandCompleted:
    """A command was carried out, or `problem` is the reason why it was not."""

    command: EngineCommand
    problem: str | None


@dataclass(frozen=True)
class FeedEnded:
    """The feed is over; `problem` is the reason where it did not simply end, `was_stopped` whether the server is."""

    problem: str | None
    was_stopped: bool = False


EngineEvent = (
    BinClosed
    | ChampionChanged
    | PipelineReady
    | PipelineAbandoned
    | FeedRestarted
    | FeedObserved
    | StatisticsUpdated
    | PastJudged
    | CommandCompleted
    | FeedEnded
)


def bridge_to(
    loop: asyncio.AbstractEventLoop,
    handle: Callable[[EngineEvent], None],
    stop: threading.Event,
    most_pending: int = MOST_PENDING_EVENTS,
) -> Callable[[EngineEvent], None]:
    """Return the function by which the engine's thread emits events; the event loop's thread handles them in order.

    While `most_pending` of them are on their way the engine waits: a feed at full speed cannot outrun the loop.
    """
    room = threading.BoundedSemaphore(most_pending)

    def arrive(said: EngineEvent) -> None:
        room.release()
        handle(said)

    def emit(said: EngineEvent) -> None:
        while not room.acquire(timeout=0.1):
            if stop.is_set():
                return
        try:
            loop.call_soon_threadsafe(arrive, said)
        except RuntimeError:  # the loop is closed: the server has stopped
            room.release()

    return emit
