"""A replay begins where there is something to see: what lies before is not waited for, and changes no bin."""

import threading
from pathlib import Path

import numpy as np
import pytest

from runtime.feeds.dataset_feed import DatasetReplayParameters
from runtime.feeds.feed import FeedContext
from runtime.feeds.feed_recorder import recorded
from runtime.feeds.recording_feed import RecordingReplayParameters
from runtime.feeds.source_feed import SourceReplayParameters
from tests.datasets.samples import OPENING_NS, SECOND_NS, Fixed, book
from tests.runtime.feeds.fake_clock import LATTICE, WIDTH_NS, FakeClock, lattice_for, taken, through
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.events.dbn import DbnSource
from vpharness.events.event_source import Source
from vpharness.events.mbo_event import ASK
from vpharness.lattice.columns import BIN_DTYPE
from vpharness.lattice.lattice_engine import advance

AUCTION_NS = 1_703_545_200_000_000_000  # 2023-12-25T23:00Z
PAST_NS = 20 * 60 * SECOND_NS


def first_bin_after_s(source: Source, replay: SourceReplayParameters) -> tuple[float, int]:
    """Return how long a replay waits until its first bin has come, seconds, and how many have come with it."""
    clock = FakeClock()
    with replay.open(FeedContext(LATTICE.cell_width_ms, source, clock=clock)) as feed:
        state = lattice_for(feed)
        for step in feed.steps(threading.Event()):
            state, blocks = advance(state, step.events, step.complete_to_ns)
            if blocks:
                return clock.waited_s, sum(len(block.bins) for block in blocks)
    raise AssertionError("no bin has come")


def pre_open() -> Fixed:
    """Return twenty minutes of a bid alone, then an ask above it, and a minute of events every three seconds."""
    events = book(*(1200.0 + 3 * n for n in range(21)))
    first_ask = np.flatnonzero(events["side"] == ASK)[0]
    events["ts_ns"][first_ask] += PAST_NS
    return Fixed(events[np.argsort(events["ts_ns"], kind="stable")])


def test_what_comes_before_the_first_book_is_not_waited_for() -> None:
    """Twenty minutes with a bid alone; the first bin comes when it ends, and the others at their pace."""
    source, clock = pre_open(), FakeClock()
    waited_s, count = first_bin_after_s(source, SourceReplayParameters(loop=False))
    assert waited_s == pytest.approx(0.1, abs=0.01)
    assert count == 1
    with SourceReplayParameters(loop=False).open(FeedContext(LATTICE.cell_width_ms, source, clock=clock)) as feed:
        steps = taken(feed)
    paced_from = OPENING_NS + PAST_NS
    assert all(step.is_stepped == (step.complete_to_ns <= paced_from) for step in steps if step.complete_to_ns)
    paced, _ = through(lattice_for(feed), steps)
    with SourceReplayParameters(speed="max", loop=False).open(FeedContext(LATTICE.cell_width_ms, source)) as feed:
        whole, _ = through(lattice_for(feed), taken(feed))
    np.testing.assert_array_equal(paced, whole)
    assert int(paced["bin_start_ns"][0]) == OPENING_NS + PAST_NS
    assert clock.waited_s == pytest.approx(len(paced) / 10, abs=0.2)


def test_a_source_that_never_has_a_book_is_gone_through_and_rests_before_the_next_loop() -> None:
    """A bid alone: nothing is waited for in the file, and five seconds before it begins again."""
    events = book(1.0, 2.0)
    clock = FakeClock()
    source = Fixed(events[events["side"] != ASK])
    with SourceReplayParameters().open(FeedContext(LATTICE.cell_width_ms, source, clock=clock)) as feed:
        steps = []
        for step in feed.steps(threading.Event()):
            steps.append(step)
            if step.state == "restarted":
                break
    assert sum(len(step.events) for step in steps) == len(source.events)
    assert clock.waited_s == pytest.approx(5.0, abs=0.2)


def test_the_history_before_the_start_comes_at_once_and_its_bins_are_those_of_an_earlier_start() -> None:
    """Ten seconds before the start without a wait, then one bin in a tenth of a second."""
    source, clock = Fixed(book(*(0.5 * n for n in range(1, 61)))), FakeClock()
    start_ns = OPENING_NS + 20 * SECOND_NS
    replay = SourceReplayParameters(loop=False, start=str(start_ns), history_s=10)
    passed, found = dict[int, float](), [np.zeros(0, BIN_DTYPE)]
    with replay.open(FeedContext(LATTICE.cell_width_ms, source, clock=clock)) as feed:
        state = lattice_for(feed)
        for step in feed.steps(threading.Event()):
            state, blocks = advance(state, step.events, step.complete_to_ns)
            found += [block.bins for block in blocks]
            passed |= {int(end): clock.waited_s for block in blocks for end in block.bins["bin_end_ns"]}
    assert passed[start_ns] == 0.0
    assert passed[start_ns + WIDTH_NS] == pytest.approx(0.1, abs=0.01)
    earlier = SourceReplayParameters(speed="max", loop=False, start=str(start_ns - 10 * SECOND_NS), history_s=0)
    with earlier.open(FeedContext(LATTICE.cell_width_ms, source)) as feed:
        wanted, _ = through(lattice_for(feed), taken(feed))
    np.testing.assert_array_equal(np.concatenate(found), wanted)
    assert len(wanted) == 201


def test_a_start_before_the_file_begins_with_the_file() -> None:
    """A day before it: nothing is waited for."""
    replay = SourceReplayParameters(loop=False, start=str(OPENING_NS - 86_400 * SECOND_NS))
    waited_s, count = first_bin_after_s(Fixed(book(1.0)), replay)
    assert waited_s == pytest.approx(0.1, abs=0.01)
    assert count == 1


def test_a_dataset_s_history_comes_at_once(tmp_path: Path) -> None:
    """Its bins before the start too, and then one each tenth of a second."""
    lake, clock = Lake(tmp_path), FakeClock()
    build(lake, Fixed(book(*(0.5 * n for n in range(1, 61)))), LATTICE, dataset_id="half")
    start_ns = OPENING_NS + 20 * SECOND_NS
    replay = DatasetReplayParameters(loop=False, start=str(start_ns), history_s=10)
    passed = dict[int, float]()
    with replay.open(FeedContext(LATTICE.cell_width_ms, lake=lake, dataset_id="half", clock=clock)) as feed:
        for step in feed.steps(threading.Event()):
            passed |= {int(row["bin_end_ns"][0]): clock.waited_s for row, _ in step.bins}
    ends = find_dataset(lake, "half").manifest.last_bin_end_ns
    assert min(passed) == start_ns - 10 * SECOND_NS + WIDTH_NS
    assert max(passed) == ends
    assert passed[start_ns] == 0.0
    assert passed[start_ns + WIDTH_NS] == pytest.approx(0.1, abs=0.01)


def test_a_recording_waits_neither_for_its_first_book_nor_through_a_silence(tmp_path: Path) -> None:
    """Steps of a night with a bid alone, a minute of market, a quiet hour, and an event: 60 s and two short waits."""
    bid_alone, ask_ns = 1200, OPENING_NS + PAST_NS
    events = book(1200.0, 1260.0, 1260.0 + 3600)
    events["ts_ns"][np.flatnonzero(events["side"] == ASK)[0]] = ask_ns
    source = Fixed(events[np.argsort(events["ts_ns"], kind="stable")])
    clock = FakeClock()
    whole = SourceReplayParameters(loop=False, longest_wait_s=4000).open(FeedContext(1000, source, clock=clock))
    with whole as feed, recorded(feed, tmp_path, clock=clock) as recording:
        taken(recording)
    clock = FakeClock()
    again = RecordingReplayParameters(path=str(tmp_path), longest_wait_s=2)
    with again.open(FeedContext(1000, clock=clock)) as replayed:
        steps = taken(replayed)
    assert sum(len(step.events) for step in steps) == len(events)
    assert steps[-2].complete_to_ns == OPENING_NS + (bid_alone + 60 + 3600 + 1) * SECOND_NS
    assert clock.waited_s == pytest.approx(4.0, abs=3.0)


def test_the_auction_of_a_real_file_is_not_an_hour_away(shared: Path) -> None:
    """Of an hour of pre-open, forty minutes with hardly an event and twenty crossed, less than a minute is waited.

    Every bin of it comes all the same, in order.
    """
    clock, rows, auction_s = FakeClock(), [], None
    source = DbnSource(str(shared / "data" / "esh4-20231225.mbo.dbn.zst"), 0.25, symbol="ESH4")
    replay = SourceReplayParameters(loop=False, end="2023-12-25T23:00:10Z")
    with replay.open(FeedContext(LATTICE.cell_width_ms, source, clock=clock)) as feed:
        state = lattice_for(feed)
        for step in feed.steps(threading.Event()):
            state, blocks = advance(state, step.events, step.complete_to_ns)
            rows += [block.bins for block in blocks]
            if auction_s is None and rows and int(rows[-1]["bin_end_ns"][-1]) > AUCTION_NS:
                auction_s = clock.waited_s
    bins = np.concatenate(rows)
    assert auction_s is not None
    assert auction_s < 60
    assert clock.waited_s - auction_s == pytest.approx(9.9, abs=0.2)
    np.testing.assert_array_equal(np.diff(bins["bin_start_ns"]), WIDTH_NS)
    assert len(bins) == 36_099
