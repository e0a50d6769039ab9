"""The feed of a recording: the steps of a feed as they were handed out, once more, at their own pace or faster.

Spans without events, or without a valid book (`sight.py`), are waited through for `longest_wait_s` at most; what comes
before the first bin with one is not waited for.

Every batch is compared with its checksum before a step of it is handed out. A recording without its end is one of a
recorder that was killed, or still writes: it is replayed up to its last whole batch, and said to be incomplete.
"""

import dataclasses
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from runtime.feeds.feed import NO_EVENTS, Feed, FeedContext, FeedFacts, FeedStep
from runtime.feeds.feed_recorder import SUFFIX, RecordedFeed
from runtime.feeds.pace import Pace, ReplayParameters, require_in_range
from runtime.feeds.recording_format import (
    CHECKSUM_KEY,
    LONGEST_END_BYTES,
    Checksum,
    End,
    TimedStep,
    decoded_steps,
    end_in,
    has_checksums,
    recorded_facts,
)
from runtime.feeds.sight import BookWatch, Sight
from vpharness.errors import FeedError, require_memory
from vpharness.parameters import parameter

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RecordingReplayParameters(ReplayParameters):
    """Replay what the server has recorded of a feed, step by step."""

    path: str = parameter(meaning="a recording, or a folder with a single recording")
    loop: bool = parameter(False, meaning="start again at the end")

    @contextmanager
    def open(self, context: FeedContext) -> Iterator["RecordingFeed"]:
        """Open the recording; a FeedError says why it cannot be replayed."""
        require_in_range(self)
        path = _the_one(Path(self.path).expanduser())
        with _opened(path) as (_, reader):
            recorded, why = recorded_facts(reader.schema, str(path)), _incomplete(path, reader.schema)
        if why is not None:
            log.warning("%s", why)
        yield RecordingFeed(self, path, recorded, context, why)


class RecordingFeed:
    """A recording that can be read."""

    def __init__(
        self,
        replay: RecordingReplayParameters,
        path: Path,
        recorded: FeedFacts,
        context: FeedContext,
        incomplete: str | None,
    ) -> None:
        """Take over the recorded feed's facts, and the reason why the recording is incomplete, if it is."""
        self.incomplete = incomplete
        self._replay, self._path, self._clock = replay, path, context.clock
        self._cell_width_ms = context.cell_width_ms
        self.facts = dataclasses.replace(recorded, kind="recording", live=False, speed=replay.factor)

    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield the steps when they are due: those that were recorded, and at the end one that says so.

        Raises FeedError where the recording is damaged, and at the end where it is incomplete, unless that is looped.
        """
        while not stop.is_set():
            pace, active_ns, before_ns = self._pace_at(0), 0, 0
            watch = self._watch()
            sight = Sight(self._replay.longest_wait_s, self._replay.factor, self._cell_width_ms)
            for at_ns, step in read_steps(self._path):
                watch = self._watch() if step.state == "restarted" else watch
                is_blind = False
                if self._replay.factor is not None:
                    has_book = len(watch.valid_starts_ns(step.events, step.complete_to_ns)) > 0
                    is_blind = sight.is_blind(before_ns)
                    if is_blind:
                        pace, active_ns = self._pace_at(at_ns), at_ns
                    if has_book:
                        sight.saw(at_ns)
                is_stepped = pace.pass_over(at_ns - active_ns, self._replay.longest_wait_s, at_ns) or is_blind
                while at_ns > pace.now_ns() and not pace.wait_for(at_ns, stop):
                    pass
                if stop.is_set():
                    return
                if step.state != "ended":
                    yield dataclasses.replace(step, is_stepped=is_stepped)
                before_ns = at_ns
                if len(step.events) or step.state != "live":
                    active_ns = at_ns
            if self._replay.factor is not None and not sight.seen_ns and self._replay.loop:
                pace.rest(self._replay.longest_wait_s, stop)  # there never was a book
            if self.incomplete is not None and not self._replay.loop:
                raise FeedError(self.incomplete)
            yield FeedStep(NO_EVENTS, None, "restarted" if self._replay.loop else "ended")
            if not self._replay.loop:
                return

    def _watch(self) -> BookWatch:
        """Return what finds the first bin with a valid book, before the first step."""
        return BookWatch(self.facts, self._cell_width_ms)

    def _pace_at(self, at_ns: int) -> Pace:
        """Return a pace that begins now with a time of the recording."""
        return Pace(self._clock, self._replay.factor, at_ns)


def incomplete(feed: Feed) -> str | None:
    """Return why the recording that a feed replays is incomplete; None where it is whole, or none is replayed."""
    replayed = feed.feed if isinstance(feed, RecordedFeed) else feed
    return replayed.incomplete if isinstance(replayed, RecordingFeed) else None


def read_steps(path: Path) -> Iterator[TimedStep]:
    """Yield the steps of a recording with their times, up to the last whole batch.

    A recorder that was killed leaves part of one behind. Raises FeedError, before a step of it, at a batch that is not
    as it was recorded, and where batches are missing that the recording's end tells of.
    """
    with _opened(path) as (file, reader):
        recorded_facts(reader.schema, str(path))
        checksum = Checksum(reader.schema) if has_checksums(reader.schema) else None
        end = _end(path) if checksum is not None else None
        while True:
            begin = file.tell()
            try:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
                batch.validate(full=True)
                _compare(batch, dict(metadata or {}), checksum)
                steps = list(decoded_steps(batch))
            except StopIteration:
                break
            except (pa.ArrowException, OSError, ValueError, IndexError) as error:
                require_memory(error)
                if end is not None or file.tell() < file.size():
                    raise FeedError(f"{path}: is damaged {begin} bytes from its beginning: {error}") from error
                log.warning("%s ends inside of a batch; it is read up to the last whole one", path)
                return
            yield from steps
        if checksum is not None and end is not None and (end.batches, end.checksum) != _came_to(checksum):
            raise FeedError(
                f"{path}: is damaged {begin} bytes from its beginning: it seems to end there, behind "
                f"{checksum.batches} of {end.batches} batches"
            )


def _compare(batch: pa.RecordBatch, metadata: dict[bytes, bytes], checksum: Checksum | None) -> None:
    """Raise ValueError where a batch does not have the checksum that it was recorded with."""
    if checksum is None:
        return
    checksum.add(batch)
    if metadata.get(CHECKSUM_KEY) != checksum.hexdigest().encode():
        raise ValueError(f"batch {checksum.batches} does not have its checksum")


def _came_to(checksum: Checksum) -> tuple[int, str]:
    return checksum.batches, checksum.hexdigest()


def _end(path: Path) -> End | None:
    """Return how a recording ended; None where it does not say so."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LONGEST_END_BYTES))
        return end_in(file.read())


def _incomplete(path: Path, schema: pa.Schema) -> str | None:
    """Return why a recording does not go to the end of its feed; None where it does, or is of a version before ends."""
    if not has_checksums(schema):
        return None
    end = _end(path)
    if end is None:
        return f"{path} is incomplete: it has no end, so its recorder was killed or still writes"
    return None if end.stopped is None else f"{path} is incomplete: recording had stopped, {end.stopped}"


@contextmanager
def _opened(path: Path) -> Iterator[tuple[pa.NativeFile, pa.RecordBatchReader]]:
    try:
        file = pa.memory_map(str(path))
        reader = pa.ipc.open_stream(file)
    except (OSError, pa.ArrowException) as error:
        require_memory(error)
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
