"""Recording a feed: every step, with its watermark, in the order and at the time in which it was handed out.

Played again (`feed=recording`) a recording gives the same steps, so every bin again, late events included. The feed
never waits for the disk to be mended: where recording fails, or has filled its limit, it stops and says so, and the
feed goes on.
"""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

from runtime.feeds.feed import Feed, FeedFacts, FeedStep
from runtime.feeds.feed_clock import FeedClock, SystemClock
from runtime.feeds.recording_format import (
    CHECKSUM_KEY,
    LONGEST_END_BYTES,
    Checksum,
    End,
    TimedStep,
    encoded,
    recording_schema,
)
from vpharness.errors import ConfigError, FeedError
from vpharness.events.event_source import CHUNK_EVENTS
from vpharness.events.times import SECOND_NS
from vpharness.storage.durable import sync

SUFFIX: Final = ".arrows"
"""Suffix of files that hold an Arrow IPC stream."""

LIMIT_MB: Final = 10_000
"""Default limit of the size of a recording."""

LONGEST_HELD_NS: Final = SECOND_NS
"""Steps that are not written yet are no older: what a process that is killed loses."""

_MEGABYTE: Final = 1_000_000
_MOST_STEPS: Final = 4096
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")

log = logging.getLogger(__name__)


@contextmanager
def recorded(
    feed: Feed, folder: Path, *, limit_mb: int = LIMIT_MB, clock: FeedClock | None = None
) -> Iterator["RecordedFeed"]:
    """Yield a feed that is recorded, up to `limit_mb` megabytes, into a new file of a folder, which is made if needed.

    Raises ConfigError for a feed of finished bins, whose dataset is there already, and FeedError where the file cannot
    be made.
    """
    if feed.facts.bins is not None:
        raise ConfigError(
            f"feed={feed.facts.kind} hands out bins that lie in the lake; only feeds of events are recorded"
        )
    clock = clock or SystemClock()
    moment = datetime.fromtimestamp(clock.now_ns() / SECOND_NS, UTC)
    name = _NOT_IN_NAMES.sub("_", feed.facts.instrument) or "feed"
    path = folder / f"{name}-{moment:%Y%m%dT%H%M%S.%f}Z{SUFFIX}"
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("xb", buffering=0))
            recorder = RecordedFeed(feed, path, pa.PythonFile(file, mode="w"), limit_mb * _MEGABYTE, clock)
        except OSError as error:
            raise FeedError(f"{path}: the feed cannot be recorded there: {error.strerror or error}") from error
        stack.callback(recorder.close)
        yield recorder


class RecordedFeed:
    """A feed that is recorded: the same facts and steps."""

    def __init__(self, feed: Feed, path: Path, sink: pa.NativeFile, limit_bytes: int, clock: FeedClock) -> None:
        """Write the facts."""
        self.path = path
        self.stopped: str | None = None
        """Why recording has stopped; None while it goes on."""
        self.feed = feed
        """The recorded feed."""
        self._sink, self._limit_bytes, self._clock = sink, limit_bytes, clock
        self._begun_ns = clock.running_ns()
        self._held: list[TimedStep] = []
        schema = recording_schema(feed.facts)
        self._checksum = Checksum(schema)
        self._writer = pa.ipc.new_stream(sink, schema)

    @property
    def facts(self) -> FeedFacts:
        """The facts of the feed."""
        return self.feed.facts

    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield the feed's steps, each of them noted before it is handed out."""
        for step in self.feed.steps(stop):
            if self.stopped is None:
                self._note(step)
            yield step

    def close(self) -> None:
        """Write what is held, and the end."""
        if self.stopped is None and self._held:
            self._write()
        if self.stopped is None:
            self._end("the feed was closed", None)

    def _note(self, step: FeedStep) -> None:
        now_ns = self._clock.running_ns() - self._begun_ns
        self._held.append((now_ns, step))
        is_old = now_ns - self._held[0][0] >= LONGEST_HELD_NS
        if is_old or len(self._held) >= _MOST_STEPS or sum(len(each.events) for _, each in self._held) >= CHUNK_EVENTS:
            self._write()

    def _write(self) -> None:
        """Write what is held as one batch, if there is room."""
        batch, self._held = encoded(self._held), []
        if self._sink.tell() + batch.nbytes + LONGEST_END_BYTES > self._limit_bytes:
            reason = f"it has reached its limit of {self._limit_bytes // _MEGABYTE} MB"
            log.warning("%s: recording has stopped: %s; the feed goes on", self.path, reason)
            self._end(reason, reason)
            return
        self._checksum.add(batch)
        try:
            self._writer.write_batch(batch, custom_metadata={CHECKSUM_KEY: self._checksum.hexdigest()})
        except OSError as error:
            self._fail(error)

    def _end(self, reason: str, stopped_early: str | None) -> None:
        self.stopped = reason
        try:
            self._writer.close()
            self._sink.write(End(stopped_early, self._checksum.batches, self._checksum.hexdigest()).line())
            sync(self.path)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.stopped = f"it cannot be written: {error.strerror or error}"
        log.error("%s: recording has stopped: %s; the feed goes on", self.path, self.stopped)
