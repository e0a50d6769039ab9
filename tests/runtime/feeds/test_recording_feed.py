"""A recording played again gives the steps that were handed out, so every bin, score and fire again."""

import hashlib
import io
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from runtime.feeds import feed_recorder
from runtime.feeds.feed import NO_EVENTS, BinFacts, FeedContext, FeedFacts, FeedStep, State
from runtime.feeds.feed_recorder import RecordedFeed, recorded
from runtime.feeds.recording_feed import RecordingReplayParameters, incomplete, read_steps
from runtime.feeds.recording_format import RECORDING_VERSION, End, encoded, recording_schema
from tests.runtime.feeds.fake_clock import WIDTH_NS, FakeClock, taken
from vpharness.errors import ConfigError, FeedError
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import new_state
from vpharness.live import LiveModel, LiveSession
from vpharness.signals import resolve, scorer

FACTS = FeedFacts("scripted", "ES H4/x", 0.25, 1.0, 0, live=True, speed=None)
AT_MAX = "max"


@dataclass
class Scripted:
    """A feed of given steps, each of which takes some time."""

    script: list[FeedStep]
    clock: FakeClock = field(default_factory=FakeClock)
    facts: FeedFacts = FACTS

    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield them."""
        for step in self.script:
            self.clock.wait(stop, 0.1)
            yield step


def late_script(seconds: int = 12) -> list[FeedStep]:
    """A market whose bins are closed by the clock before the last fifth of their events has come."""
    with SyntheticSource(seed=4, minutes=1).open() as stream:
        events = np.concatenate(list(stream.chunks))
    begin_ns = int(events["ts_ns"][0]) // WIDTH_NS * WIDTH_NS
    steps, at = [FeedStep(NO_EVENTS, None, "connecting")], 0
    for number in range(1, seconds * 10):
        complete_ns = begin_ns + number * WIDTH_NS
        stop = int(np.searchsorted(events["ts_ns"], complete_ns - WIDTH_NS // 5))
        state: State = "silent" if stop == at else "live"
        steps.append(FeedStep(events[at:stop], complete_ns, state))
        at = stop
    return [*steps, FeedStep(NO_EVENTS, None, "ended")]


def record(folder: Path, script: list[FeedStep], limit_mb: int = 100) -> RecordedFeed:
    """Record a script from beginning to end."""
    feed = Scripted(script)
    with recorded(feed, folder, limit_mb=limit_mb, clock=feed.clock) as recording:
        taken(recording)
    return recording


def replayed(path: Path, speed: str = AT_MAX, clock: FakeClock | None = None) -> list[FeedStep]:
    """Return the steps of a recording."""
    with RecordingReplayParameters(path=str(path), speed=speed).open(
        FeedContext(100, clock=clock or FakeClock())
    ) as feed:
        return taken(feed)


def plain(steps: list[FeedStep]) -> list[tuple[Any, ...]]:
    """Return steps as values that can be compared."""
    return [(step.events.tolist(), step.complete_to_ns, step.state) for step in steps]


def test_a_replay_gives_the_steps_and_facts_that_were_recorded(tmp_path: Path) -> None:
    """Events, watermarks and states are equal one by one; the feed is no longer live."""
    script = late_script()
    path = record(tmp_path, script).path
    assert path.name.startswith("ES_H4_x-2023")
    assert plain(replayed(path)) == plain(script)
    with RecordingReplayParameters(path=str(tmp_path), speed="2").open(FeedContext(100)) as feed:
        assert feed.facts == FeedFacts("recording", "ES H4/x", 0.25, 1.0, 0, live=False, speed=2.0)


def test_a_session_on_the_replay_gives_the_bins_scores_and_fires_that_were_served(tmp_path: Path) -> None:
    """Late records were clamped into the open bin and counted; they are again."""
    feed = Scripted(late_script())
    with recorded(feed, tmp_path, clock=feed.clock) as recording:
        served, late = scored(taken(recording))
    again, late_again = scored(replayed(recording.path))
    assert late == late_again > 100
    assert len(served) > 100
    assert served == again
    assert any(any(fires) for *_, fires in served)


def scored(steps: list[FeedStep]) -> tuple[list[tuple[Any, ...]], int]:
    """Return the rows, cells' bytes, scores and fires that a live session makes of steps, and the late events."""
    lattice = LatticeParameters(radius=12)
    ready = scorer(resolve("vpharness.signals.msd.msd"), cell_width_ms=100, radius=12)
    state = new_state(lattice, tick_size=0.25, size_unit=1.0, start_ns=None)
    session = LiveSession(LiveModel(ready, (0.1,), 5, 3), state)
    bins = [each for step in steps for each in session.take(step.events, step.complete_to_ns)]
    late = int(session.save()["lattice/counts"][4])
    cells = [b"".join(np.ascontiguousarray(cells).tobytes() for cells in each.grid.values()) for each in bins]
    rows = [each.row.tobytes() for each in bins]
    return [(row, cell, repr(each.score), each.fires) for row, cell, each in zip(rows, cells, bins, strict=True)], late


def test_a_paced_replay_takes_the_time_that_recording_took(tmp_path: Path) -> None:
    """120 steps a tenth of a second apart: 12 s, or 1.2 s at speed 10."""
    path = record(tmp_path, late_script()).path
    for speed, seconds in (("1", 12.0), ("10", 1.2)):
        clock = FakeClock()
        replayed(path, speed, clock)
        assert clock.waited_s == pytest.approx(seconds, abs=0.2)


def test_what_a_killed_recorder_left_is_read_up_to_the_last_whole_batch(tmp_path: Path) -> None:
    """Cut anywhere, a recording gives a beginning of its steps, and a warning where a batch is in two."""
    script = late_script(6)
    whole = record(tmp_path, script).path.read_bytes()
    lengths = set()
    for cut in np.random.default_rng(1).integers(len(whole) // 3, len(whole), 40):
        path = tmp_path / "killed.arrows"
        path.write_bytes(whole[:cut])
        steps = [step for _, step in read_steps(path)]
        assert plain(steps) == plain(script[: len(steps)])
        lengths.add(len(steps))
    assert len(lengths) > 3


def test_what_is_held_back_from_the_disk_is_a_second_at_most(tmp_path: Path) -> None:
    """Without being closed, a recording of 12 s has all but the last second."""
    feed = Scripted(late_script())
    with recorded(feed, tmp_path, clock=feed.clock) as recording:
        taken(recording)
        assert len(list(read_steps(recording.path))) >= len(feed.script) - 11


def test_damage_before_the_end_is_an_error(tmp_path: Path) -> None:
    """Half a recording must not pass for a whole one."""
    path = record(tmp_path, late_script(6)).path
    damaged = bytearray(path.read_bytes())
    at = damaged.index(b"\xff\xff\xff\xff", len(damaged) // 2)
    damaged[at + 8 : at + 40] = os.urandom(32)
    path.write_bytes(damaged)
    with pytest.raises(FeedError, match=r"arrows: is damaged \d+ bytes from its beginning"):
        list(read_steps(path))


def test_at_its_limit_recording_stops_and_says_so_and_the_feed_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded until then can be replayed."""
    monkeypatch.setattr(feed_recorder, "_MEGABYTE", 80_000)
    script = late_script()
    feed = Scripted(script)
    with recorded(feed, tmp_path, limit_mb=1, clock=feed.clock) as recording, caplog.at_level(logging.WARNING):
        assert len(taken(recording)) == len(script)
    assert recording.stopped == "it has reached its limit of 1 MB"
    assert "recording has stopped: it has reached its limit of 1 MB; the feed goes on" in caplog.text
    assert recording.path.stat().st_size <= 80_000
    found = [step for _, step in read_steps(recording.path)]
    assert 0 < len(found) < len(script)
    assert plain(found) == plain(script[: len(found)])


class Disk(io.RawIOBase):
    """A disk with room for some bytes."""

    def __init__(self, room: int) -> None:
        """Set how much room there is."""
        self.room = room

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any, /) -> int:
        """Take what there is room for."""
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return len(data)


def test_a_full_disk_stops_the_recording_and_not_the_feed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, with the reason."""
    script = late_script()
    feed = Scripted(script)
    recording = RecordedFeed(feed, tmp_path / "r", pa.PythonFile(Disk(80_000), mode="w"), 10**9, feed.clock)
    assert len(taken(recording)) == len(script)
    recording.close()
    assert recording.stopped is not None
    assert "No space left on device" in recording.stopped
    assert caplog.text.count("the feed goes on") == 1


def test_what_cannot_be_recorded_is_refused_at_once(tmp_path: Path) -> None:
    """Bins, which lie in the lake already, and a folder that cannot be made."""
    bins = FeedFacts("dataset", "ES", 0.25, 1.0, 0, live=False, speed=1.0, bins=BinFacts(100, 50, (), True))
    (tmp_path / "file").touch()
    for facts, folder, error, message in (
        (bins, tmp_path, ConfigError, "feed=dataset hands out bins that lie in the lake"),
        (FACTS, tmp_path / "file", FeedError, "the feed cannot be recorded there"),
    ):
        with pytest.raises(error, match=message), recorded(Scripted([], facts=facts), folder):
            pass


def test_what_is_no_recording_is_refused_at_once(tmp_path: Path) -> None:
    """No file, no Arrow, another table, a newer version, and a folder with two."""
    (tmp_path / "text").write_text("no recording")
    for name, metadata in (
        ("other", None),
        ("newer", {b"vpharness.feed": b'{"version": %d, "states": [], "facts": {}}' % (RECORDING_VERSION + 1)}),
    ):
        schema = pa.schema([("a", pa.int64())], metadata=metadata)
        with pa.OSFile(str(tmp_path / name), "wb") as sink, pa.ipc.new_stream(sink, schema):
            pass
    for name in ("a.arrows", "b.arrows"):
        (tmp_path / name).touch()
    for name, message in (
        ("nowhere", "nowhere: there is no such file"),
        ("text", "text: is no recording of a feed"),
        ("a.arrows", "is no recording of a feed"),
        ("other", "is an Arrow stream, but no recording of a feed"),
        ("newer", f"is a recording of version {RECORDING_VERSION + 1}, this vpharness reads {RECORDING_VERSION}"),
        (".", "a folder with one recording .* is expected, it holds a.arrows, b.arrows: name one"),
    ):
        with pytest.raises(FeedError, match=message):
            replayed(tmp_path / name)


def test_a_recording_without_its_end_says_so_from_the_beginning_and_at_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All of its whole batches are replayed; looped, it begins anew; a whole one says nothing."""
    script = late_script(6)
    path = record(tmp_path, script).path
    whole = path.read_bytes()
    with RecordingReplayParameters(path=str(path)).open(FeedContext(100)) as feed:
        assert incomplete(feed) is None
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with RecordingReplayParameters(path=str(path), speed=AT_MAX).open(FeedContext(100, clock=FakeClock())) as feed:
        said = incomplete(feed)
        assert said == f"{path} is incomplete: it has no end, so its recorder was killed or still writes"
        assert said in caplog.text
        found = feed.steps(threading.Event())
        steps = [next(found) for _ in read_steps(path)]
        with pytest.raises(FeedError, match="is incomplete: it has no end"):
            next(found)
    assert 0 < len(steps) < len(script)
    assert plain(steps) == plain(script[: len(steps)])
    with RecordingReplayParameters(path=str(path), speed=AT_MAX, loop=True).open(
        FeedContext(100, clock=FakeClock())
    ) as feed:
        again = taken(feed, 2 * len(steps) + 1)
    assert plain(again) == [*plain(steps), ([], None, "restarted"), *plain(steps)]


def test_a_recording_that_reached_its_limit_is_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason why recording had stopped."""
    monkeypatch.setattr(feed_recorder, "_MEGABYTE", 80_000)
    path = record(tmp_path, late_script(), limit_mb=1).path
    with pytest.raises(FeedError, match="is incomplete: recording had stopped, it has reached its limit of 1 MB"):
        replayed(path)


def test_a_recording_with_a_batch_left_out_doubled_or_exchanged_is_damaged(tmp_path: Path) -> None:
    """Each has its own checksum, which is of all before it too; the end tells how many there were."""
    script = late_script(6)
    path = record(tmp_path, script).path
    with pa.ipc.open_stream(path.read_bytes()) as reader:
        schema, batches = reader.schema, [reader.read_next_batch_with_custom_metadata() for _ in range(5)]
    end = path.read_bytes().rpartition(b"\n{")
    for order in ([0, 2, 3, 4], [0, 1, 1, 2, 3, 4], [0, 2, 1, 3, 4], [0, 1, 2, 3], [1, 2, 3, 4]):
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for index in order:
                writer.write_batch(batches[index].batch, custom_metadata=batches[index].custom_metadata)
        with path.open("ab") as file:
            file.write(b"".join(end[1:]))
        steps = list[FeedStep]()
        with pytest.raises(
            FeedError, match=r"is damaged \d+ bytes from its beginning: (batch \d does not|it seems to)"
        ):
            steps.extend(step for _, step in read_steps(path))
        assert plain(steps) == plain(script[: len(steps)])


def earlier_schema(version: int) -> pa.Schema:
    """Return the schema of a recording from before events had a publisher, without its checksum."""
    columns = {"ts_ns": "int64", "price": "int64", "size": "int64", "order_id": "uint64"}
    columns |= {"action": "uint8", "side": "uint8", "flags": "uint8"}
    event = pa.struct([pa.field(name, pa.type_for_alias(kind), nullable=False) for name, kind in columns.items()])
    text = recording_schema(FACTS).metadata[b"vpharness.feed"]
    assert b'"version": 3' in text
    return pa.schema(
        [
            pa.field("at_ns", pa.int64(), nullable=False),
            pa.field("complete_to_ns", pa.int64()),
            pa.field("state", pa.uint8(), nullable=False),
            pa.field("events", pa.list_(pa.field("event", event, nullable=False)), nullable=False),
        ],
        {b"vpharness.feed": text.replace(b'"version": 3', b'"version": %d' % version)},
    )


def earlier_batch(number: int, step: FeedStep, schema: pa.Schema) -> pa.RecordBatch:
    """Return a step as it was recorded before events had a publisher."""
    names = [field.name for field in schema.field("events").type.value_type]
    assert list(EVENT_DTYPE.names or ()) == [*names, "publisher"]
    rows = [dict(zip(names, row[: len(names)], strict=True)) for row in step.events.tolist()]
    columns = [[number], [step.complete_to_ns], [encoded([(number, step)])["state"][0].as_py()], [rows]]
    return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def test_a_recording_of_the_first_version_is_replayed(tmp_path: Path) -> None:
    """It has no checksums and no end, so nothing is said of either; its events are publisher 0's."""
    script, path, schema = late_script(3), tmp_path / "old.arrows", earlier_schema(1)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as w:
        for number, step in enumerate(script):
            w.write_batch(earlier_batch(number, step, schema))
    assert plain(replayed(path)) == plain(script)


def test_a_recording_from_before_publishers_is_replayed_and_checked(tmp_path: Path) -> None:
    """It has checksums, of events without a publisher: they hold, and a batch left out is noticed."""
    script, path, schema = late_script(3), tmp_path / "old.arrows", earlier_schema(2)
    text = schema.metadata[b"vpharness.feed"]
    schema = schema.with_metadata({**schema.metadata, b"vpharness.feed.sha256": hashlib.sha256(text).hexdigest()})
    digest = hashlib.sha256(text)
    for left_out in (None, 1):
        digest = hashlib.sha256(text)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as w:
            for number, step in enumerate(script):
                batch = earlier_batch(number, step, schema)
                digest.update(repr([step.complete_to_ns]).encode())
                events = batch["events"].values
                digest.update(np.array([number]).tobytes() + batch["state"].to_numpy().tobytes())
                digest.update(np.array([0, len(events)], np.int32).tobytes())
                for place in range(events.type.num_fields):
                    digest.update(events.field(place).to_numpy().tobytes())
                if number != left_out:
                    w.write_batch(batch, custom_metadata={b"sha256": digest.hexdigest().encode()})
        with path.open("ab") as file:
            file.write(End(None, len(script), digest.hexdigest()).line())
        if left_out is None:
            assert plain(replayed(path)) == plain(script)
    with pytest.raises(FeedError, match="is damaged"):
        replayed(path)
