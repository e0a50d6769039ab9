"""The feed of a recording: the steps of a feed as they were handed out, once more, at their own pace or faster."""

import dataclasses
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from runtime.feeds.clock import Clock
from runtime.feeds.feed import NO_EVENTS, FeedFacts, FeedStep, Surroundings
from runtime.feeds.pace import Pace, Replay, require_in_range
from runtime.feeds.recorder import SUFFIX
from runtime.feeds.steps_table import TimedStep, decoded, facts_of
from vpharness.errors import FeedError
from vpharness.parameters import parameter

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RecordingReplay(Replay):
    """Replay what the server has recorded of a feed, step by step."""

    path: str = parameter(meaning="a recording, or a folder that holds one alone")
    loop: bool = parameter(False, meaning="begin anew after the end, instead of ending")

    @contextmanager
    def open(self, surroundings: Surroundings) -> Iterator["RecordingFeed"]:
        """Open the recording; a FeedError says why it cannot be replayed."""
        require_in_range(self)
        path = _the_one(Path(self.path).expanduser())
        with _opened(path) as (_, reader):
            recorded = facts_of(reader.schema, str(path))
        yield RecordingFeed(self, path, recorded, surroundings.clock)


class RecordingFeed:
    """A recording that can be read."""

    def __init__(self, replay: RecordingReplay, path: Path, recorded: FeedFacts, clock: Clock) -> None:
        """Take over the facts of the feed that was recorded."""
        self._replay, self._path, self._clock = replay, path, clock
        self.facts = dataclasses.replace(recorded, kind="recording", live=False, speed=replay.factor)

    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield the steps when they are due: those that were recorded, and at the end one that says so."""
        while not stop.is_set():
            pace, before_ns = Pace(self._clock, self._replay.factor, 0), 0
            for at_ns, step in read_steps(self._path):
                pace.pass_over(at_ns - before_ns, self._replay.longest_wait_s, at_ns)
                while at_ns > pace.now_ns() and not pace.wait_for(at_ns, stop):
                    pass
                if stop.is_set():
                    return
                if step.state != "ended":
                    yield step
                before_ns = at_ns
            yield FeedStep(NO_EVENTS, None, "restarted" if self._replay.loop else "ended")
            if not self._replay.loop:
                return


def read_steps(path: Path) -> Iterator[TimedStep]:
    """Yield the steps of a recording with their times, up to the last whole batch.

    A recorder that was killed leaves part of one behind. Raises FeedError where a recording is damaged before its end.
    """
    with _opened(path) as (file, reader):
        while True:
            try:
                batch = reader.read_next_batch()
                batch.validate(full=True)
                steps = list(decoded(batch))
            except StopIteration:
                return
            except (pa.ArrowException, OSError, IndexError) as error:
                if file.tell() < file.size():
                    raise FeedError(f"{path}: is damaged {file.tell()} bytes from its beginning: {error}") from error
                log.warning("%s ends inside of a batch; it is read up to the last whole one", path)
                return
            yield from steps


@contextmanager
def _opened(path: Path) -> Iterator[tuple[pa.NativeFile, pa.RecordBatchReader]]:
    try:
        file = pa.memory_map(str(path))
        reader = pa.ipc.open_stream(file)
    except (OSError, pa.ArrowException) as error:
        what = "there is no such file" if not path.exists() else f"is no recording of a feed: {error}"
        raise FeedError(f"{path}: {what}") from error
    with file:
        yield file, reader


def _the_one(path: Path) -> Path:
    """Return the recording that a path stands for."""
    if not path.is_dir():
        return path
    found = sorted(path.glob(f"*{SUFFIX}"))
    if len(found) == 1:
        return found[0]
    there = f"it holds {', '.join(each.name for each in found)}: name one of them" if found else "it holds none"
    raise FeedError(f"feed.path is the folder {path}; a folder with one recording (*{SUFFIX}) is expected, {there}")
