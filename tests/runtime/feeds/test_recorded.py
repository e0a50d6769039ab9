"""A feed that was recorded while it was served gives the same bins, scores and fires offline."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np

from runtime.feeds.feed import NO_EVENTS, FeedContext, FeedStep
from runtime.feeds.feed_recorder import recorded
from runtime.feeds.recording_feed import RecordingReplayParameters
from runtime.stream.status import status
from tests.runtime.market import ScriptedFeed, batch, minute, steps_of
from tests.runtime.records import record_of
from tests.runtime.serving import server


def late_steps() -> list[FeedStep]:
    """Return steps whose bins close by the clock: every seventh batch of events comes after its bin has closed."""
    found: list[FeedStep] = []
    for number, step in enumerate(steps_of(minute())[:120]):
        if number % 7 == 3:
            half = len(step.events) // 2
            found += [FeedStep(step.events[:half], step.complete_to_ns, "live")]
            found += [FeedStep(step.events[half:], None, "live")]
        else:
            found.append(step)
    return [*found, FeedStep(NO_EVENTS, int(found[-1].complete_to_ns or 0) + 500_000_000, "silent")]


def test_what_was_served_is_what_its_recording_gives(tmp_path: Path) -> None:
    """Events that came too late included: they lie in the open bin again, and are counted again."""
    served, late = asyncio.run(_serve(tmp_path))
    (path,) = (tmp_path / "recorded").iterdir()
    with RecordingReplayParameters(path=str(path), speed="max").open(FeedContext(100)) as feed:
        steps = list(feed.steps(threading.Event()))
    again = batch(record_of(), steps)
    assert late > 0
    assert len(served) == len(again) > 100
    for one, other in zip(served, again, strict=True):
        row = other.row[0]
        assert (int(one["bin_end_ns"]), one["event_id"]) == (row["bin_end_ns"], row["event_id"])
        assert (one["mid_price"] or 0.0, one["book_valid"]) == (row["mid_price"], row["book_valid"])
        np.testing.assert_array_equal(np.nan if one["score"] is None else one["score"], other.score)
        assert one["fire"] == other.fires[0]


async def _serve(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """Serve a feed while it is recorded; return the bins that a client was sent, and how many events came late."""
    feed = ScriptedFeed()
    with recorded(feed, folder / "recorded", limit_mb=100) as recorder:
        async with server(folder, recorder) as running, running.client("fields=") as client:
            await client.hello()
            feed.put(*late_steps())
            found = await client.bins(125)
            await running.wait_until(lambda: running.stream.health.late_events > 0)
            return found, running.stream.health.late_events


def test_an_incomplete_recording_is_said_in_the_status_from_its_beginning_and_at_its_end(tmp_path: Path) -> None:
    """Whoever reads the stream knows that it is not all that there was."""

    async def scenario() -> None:
        with RecordingReplayParameters(path=str(path), speed="max").open(FeedContext(100)) as feed:
            async with server(tmp_path, feed) as running:
                said = running.stream.health.problem
                await running.wait_until(lambda: running.stream.health.state == "ended")
                assert said == running.stream.health.problem == f"{path} is incomplete: {why}"
                assert status(running.stream)["feed"]["problem"] == said
                assert running.stream.health.bins > 20

    scripted = ScriptedFeed()
    scripted.put(*late_steps())
    scripted.end()
    with recorded(scripted, tmp_path / "recorded") as recorder:
        for _ in recorder.steps(threading.Event()):
            pass
    (path,) = (tmp_path / "recorded").iterdir()
    path.write_bytes(path.read_bytes().rpartition(b"\n{")[0])
    why = "it has no end, so its recorder was killed or still writes"
    asyncio.run(scenario())
