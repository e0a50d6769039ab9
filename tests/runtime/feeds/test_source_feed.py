"""A source replayed gives the bins of the dataset built from it, at the pace asked for."""

import threading
from pathlib import Path

import numpy as np
import pytest

from runtime.feeds.feed import FeedContext
from runtime.feeds.source_feed import SourceReplayParameters
from tests.datasets.samples import MINUTE, OPENING_NS, SECOND_NS, Fixed, book
from tests.runtime.feeds.fake_clock import LATTICE, WIDTH_NS, FakeClock, lattice_for, taken, through
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.errors import ConfigError, SourceError
from vpharness.events.dbn import DbnSource
from vpharness.events.event_source import Source
from vpharness.events.mbo_event import FLAG_SNAPSHOT

AT_MAX = SourceReplayParameters(speed="max", loop=False)


def around(source: Source | None, clock: FakeClock | None = None) -> FeedContext:
    """Return what a feed of a source is opened with."""
    return FeedContext(LATTICE.cell_width_ms, source, clock=clock or FakeClock())


def assert_like_built(tmp_path: Path, source: Source, replay: SourceReplayParameters) -> None:
    """The bins of the feed are those of the dataset of the same source and span."""
    start_ns, end_ns = replay.span_ns()
    built = build(Lake(tmp_path), source, LATTICE, start_ns=start_ns, end_ns=end_ns)
    wanted = load(Dataset(built.path, built.manifest)).bins
    with replay.open(around(source)) as feed:
        bins, _ = through(lattice_for(feed), taken(feed))
    assert len(bins) > 1
    for name, column in wanted.items():
        np.testing.assert_array_equal(bins[name], column, err_msg=name)


@pytest.mark.parametrize(
    "replay",
    [
        AT_MAX,
        SourceReplayParameters(speed="1000", loop=False),
        SourceReplayParameters(
            speed="max", loop=False, start="2024-01-02T14:30:20.07Z", end="2024-01-02T14:30:40.01Z", history_s=0
        ),
    ],
)
def test_the_bins_are_those_of_the_dataset_built_from_it(tmp_path: Path, replay: SourceReplayParameters) -> None:
    """Whole and in a span, as fast as possible and paced."""
    assert_like_built(tmp_path, MINUTE, replay)


def test_time_goes_on_with_the_clock_where_nothing_happens() -> None:
    """Events at 0 and 2.05 s: bins end every tenth of a second all the same, ten times as fast at speed 10."""
    for speed, seconds in (("1", 2.1), ("10", 0.21)):
        clock = FakeClock()
        with SourceReplayParameters(speed=speed, loop=False).open(around(Fixed(book(2.05)), clock)) as feed:
            steps = taken(feed)
        completed = [step.complete_to_ns for step in steps if step.complete_to_ns is not None]
        assert completed == [OPENING_NS + n * WIDTH_NS for n in range(1, 22)]
        assert [step.state for step in steps[-2:]] == ["live", "ended"]
        assert clock.waited_s == pytest.approx(seconds, abs=0.01)


def test_an_event_is_not_handed_out_before_its_bin_is_due() -> None:
    """What comes at 1.05 s is in the step that completes 1.1 s."""
    clock = FakeClock()
    begun_ns = clock.now_ns()
    with SourceReplayParameters(loop=False).open(around(Fixed(book(1.05)), clock)) as feed:
        for step in feed.steps(threading.Event()):
            if len(step.events) and step.events["order_id"][0] == 3:
                assert step.complete_to_ns == OPENING_NS + 11 * WIDTH_NS
                assert clock.now_ns() - begun_ns == pytest.approx(1.1e9, abs=1e6)


def test_a_night_is_waited_through_no_longer_than_asked_for_and_its_bins_are_all_there() -> None:
    """An hour without an event takes two seconds, and gives 36,000 bins."""
    clock, source = FakeClock(), Fixed(book(3600.05))
    with SourceReplayParameters(loop=False, longest_wait_s=2).open(around(source, clock)) as feed:
        bins, _ = through(lattice_for(feed), taken(feed))
    assert len(bins) == 36_001
    assert clock.waited_s == pytest.approx(2.1, abs=0.11)


def test_a_snapshot_is_handed_out_at_once_and_time_begins_with_the_first_flow() -> None:
    """Two orders of a snapshot a day before: one step without a wait; the first bin is that of the flow."""
    events = book(0.35)
    events["flags"][:2] |= FLAG_SNAPSHOT
    events["ts_ns"][:2] -= 86_400 * SECOND_NS
    clock = FakeClock()
    with SourceReplayParameters(loop=False).open(around(Fixed(events), clock)) as feed:
        steps = feed.steps(threading.Event())
        opening = [next(steps), next(steps)]
        assert [step.complete_to_ns for step in opening] == [None, None]
        assert clock.waits == []
        assert next(steps).complete_to_ns == OPENING_NS + 4 * WIDTH_NS


def test_a_loop_begins_anew_with_the_same_steps() -> None:
    """Behind the last bin comes a step with the state restarted, and then the first step again."""
    with SourceReplayParameters(speed="max").open(around(Fixed(book(4.0, 9.0)))) as feed:
        steps = taken(feed, 12)
    at = [step.state for step in steps].index("restarted")
    first, second = steps[:at], steps[at + 1 : 2 * at + 1]
    assert [step.complete_to_ns for step in first] == [step.complete_to_ns for step in second]
    assert [step.events.tolist() for step in first] == [step.events.tolist() for step in second]


def test_time_that_runs_backwards_is_clamped_as_in_a_dataset(tmp_path: Path) -> None:
    """An event that is stamped before the bin that was completed before it counts as late, in both."""
    source = Fixed(book(0.15, 0.25, 0.05, 0.36, 0.299, 0.5))
    assert_like_built(tmp_path, source, AT_MAX)
    with AT_MAX.open(around(source)) as feed:
        assert through(lattice_for(feed), taken(feed))[1]["clamped_ts"] == 2


def test_stopping_ends_the_steps() -> None:
    """Whether the feed waits or runs."""
    for speed in ("1", "max"):
        stop = threading.Event()
        with SourceReplayParameters(speed=speed).open(around(MINUTE)) as feed:
            steps = feed.steps(stop)
            next(steps)
            stop.set()
            assert list(steps) == []


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf", ""])
def test_what_is_no_speed_is_refused(speed: str) -> None:
    """The message names the key and what it may be."""
    with pytest.raises(ConfigError, match=r"^feed\.speed is .*; it must be a number above 0, .* or max$"):  # noqa: SIM117
        with SourceReplayParameters(speed=speed).open(around(MINUTE)):
            pass


def test_what_cannot_be_replayed_is_refused_at_once() -> None:
    """No source, no such file, no events, an empty span."""
    for replay, source, error, message in (
        (AT_MAX, None, ConfigError, "feed=source needs a source"),
        (AT_MAX, DbnSource("/nowhere.dbn", 0.25), SourceError, "there is no such file"),
        (AT_MAX, Fixed(book()[:0]), SourceError, "holds no events"),
        (
            SourceReplayParameters(start="2024-01-02T00:00Z", end="2024-01-01T00:00Z"),
            MINUTE,
            ConfigError,
            "must lie before",
        ),
    ):
        with pytest.raises(error, match=message), replay.open(around(source)):
            pass
    with SourceReplayParameters(loop=False, start="2030-01-01T00:00Z").open(around(MINUTE)) as feed:  # noqa: SIM117
        with pytest.raises(SourceError, match=r"nothing but what comes before its first bin; check feed\.start"):
            taken(feed)


def test_a_real_opening_gives_the_bins_of_the_dataset_built_from_it(shared: Path, tmp_path: Path) -> None:
    """A quarter of an hour of ESH4 from before the auction on, at the highest speed."""
    file = shared / "data" / "esh4-20231225.mbo.dbn.zst"
    replay = SourceReplayParameters(
        speed="max", loop=False, start="2023-12-25T22:59:50Z", end="2023-12-25T23:15:00Z", history_s=0
    )
    assert_like_built(tmp_path, DbnSource(str(file), 0.25, symbol="ESH4"), replay)
