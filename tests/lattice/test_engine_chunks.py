"""The chunk law: how events are cut into calls, and how often silence is confirmed, makes no difference to a bin."""

from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.event_rows import events_of
from tests.examples import examples
from tests.lattice.engine_help import (
    SMALL_SPECTRUM,
    assert_same_bins,
    assert_same_run,
    finish,
    no_events,
    open_lattice,
    run_engine,
    run_in_chunks,
)
from tests.lattice.feed import EPOCH_NS, HOME_TICK, NS_PER_MS, TICK
from tests.lattice.streams import random_stream
from vpharness.events.mbo_event import ADD, ASK, BID, FLAG_LAST, FLAG_SNAPSHOT
from vpharness.lattice.lattice_engine import advance, advance_to, event_problems, iterate, open_bin_end_ns

CASE: Final[dict[str, Any]] = {"tick_int": TICK, "cell_width_ms": 50, "radius": 3, **SMALL_SPECTRUM}
EVENTS: Final = 300
SEEDS: Final = st.integers(0, 2**32 - 1)
CUTS: Final = st.lists(st.integers(0, EVENTS), max_size=40)


@examples(40)
@given(SEEDS, CUTS, st.sampled_from([1, 2, 3, 512]), st.sampled_from([0, 120]))
def test_any_cutting_gives_the_same_bins(seed: int, cuts: list[int], block_bins: int, evict_crossed_ms: int) -> None:
    """Chunks of any length, empty ones too, and blocks of one bin or many, give the same bits and counts."""
    events = random_stream(seed, EVENTS)
    case = CASE | {"evict_crossed_ms": evict_crossed_ms}
    assert_same_run(run_in_chunks(events, cuts, block_bins=block_bins, **case), run_engine(events, **case))


@pytest.mark.parametrize("seed", range(3))
def test_events_one_at_a_time_give_the_same_bins(seed: int) -> None:
    """A call for each event is as good as one call for all, with the default spectrum too."""
    events = random_stream(seed, EVENTS)
    case: dict[str, Any] = {"tick_int": TICK, "cell_width_ms": 100, "radius": 50, "evict_crossed_ms": 120}
    found = run_in_chunks(events, range(1, EVENTS), block_bins=1, **case)
    assert len(found.finished.bins) > 10
    assert_same_run(found, run_engine(events, **case))


@examples(40)
@given(
    SEEDS, CUTS, st.sampled_from([1, 512]), st.sampled_from([None, -1.5, 0.7, 2.0]), st.sampled_from([0, 40, 120, 150])
)
def test_confirming_silence_changes_no_bin(
    seed: int, cuts: list[int], block_bins: int, start_seconds: float | None, evict_crossed_ms: int
) -> None:
    """Between events, before the first one too, time may be moved on by hand, in any steps."""
    events = random_stream(seed, EVENTS)
    start_ns = None if start_seconds is None else int(events["ts_ns"][0]) + int(start_seconds * 1e9)
    case = CASE | {"start_ns": start_ns, "evict_crossed_ms": evict_crossed_ms}
    found = run_in_chunks(events, cuts, block_bins=block_bins, silences=True, **case)
    assert_same_run(found, run_engine(events, **case))


def quiet_market() -> NDArray[np.void]:
    """Return a bid and an ask at EPOCH_NS."""
    rows = [(BID, HOME_TICK - 1, 5, 1), (ASK, HOME_TICK + 1, 7, 2)]
    return events_of((EPOCH_NS, tick * TICK, size, i, ADD, side, FLAG_LAST) for side, tick, size, i in rows)


@pytest.mark.parametrize("seed", [0, 2, 4])
@pytest.mark.parametrize("evict_crossed_ms", [40, 120])
def test_confirming_silence_before_every_event_changes_no_bin(seed: int, evict_crossed_ms: int) -> None:
    """A crossing turns stale at its own time, whether time is moved there by hand or by the next event."""
    events, case = random_stream(seed, EVENTS, mischief=2.0), CASE | {"evict_crossed_ms": evict_crossed_ms}
    expected = run_engine(events, **case)
    assert expected.counts["evicted_crossed"] > 0
    assert_same_run(run_in_chunks(events, range(1, EVENTS), silences=True, **case), expected)


@pytest.mark.parametrize("steps_ms", [[2_000], [99, 100, 101, 150, 199, 200, 201, 2_000], range(77, 2_000, 7)])
@pytest.mark.parametrize("block_bins", [1, 3, 512])
def test_a_stale_crossing_is_evicted_at_its_time_and_not_when_the_next_event_comes(
    steps_ms: list[int], block_bins: int
) -> None:
    """Crossed at 70 ms for at most 130: the bins that end at 100 and 150 ms see it, those from 200 on do not."""
    start_ns = EPOCH_NS // (50 * NS_PER_MS) * 50 * NS_PER_MS
    rows = [(0, -1, BID), (0, 1, ASK), (0, 5, ASK), (70, 2, BID)]
    events = events_of(
        (start_ns + at_ms * NS_PER_MS, (HOME_TICK + tick) * TICK, 5, order_id, ADD, side, FLAG_LAST)
        for order_id, (at_ms, tick, side) in enumerate(rows)
    )
    state, blocks = advance(open_lattice(**CASE, evict_crossed_ms=130), events)
    for step_ms in steps_ms:
        state, new = advance(state, no_events(), start_ns + step_ms * NS_PER_MS, block_bins)
        blocks += new
    finished = finish(state, blocks, block_bins).finished
    assert finished.bins["book_valid"][:5].tolist() == [True, False, False, True, True]
    assert event_problems(state)["evicted_crossed"] == 1


def test_silent_bins_close_when_the_feed_is_known_to_be_complete() -> None:
    """Each bin closes at its own end, not before, without an event; the first holds the two events, the rest none."""
    state, blocks = advance(open_lattice(**CASE), quiet_market())
    assert blocks == []
    end_ns = open_bin_end_ns(state)
    assert end_ns == EPOCH_NS // (50 * NS_PER_MS) * 50 * NS_PER_MS + 50 * NS_PER_MS
    state, blocks = advance_to(state, end_ns - 1)
    assert blocks == []
    state, (first,) = advance_to(state, end_ns)
    assert first.bins["bin_event_count"].tolist() == [2]
    state, blocks = advance_to(state, end_ns)
    assert blocks == []
    state, (silent,) = advance_to(state, end_ns + 10 * 50 * NS_PER_MS)
    assert silent.bins["bin_seq"].tolist() == list(range(1, 11))
    assert silent.bins["bin_event_count"].tolist() == [0] * 10
    assert silent.bins["ts_ns"].tolist() == [end_ns + n * 50 * NS_PER_MS for n in range(1, 11)]
    assert silent.column("bid_depth")[:, 2].tolist() == [5.0] * 10
    assert (np.diff(silent.column("v_add")[:, 2]) < 0).all()


def test_blocks_are_handed_out_before_all_bins_are_known() -> None:
    """A silence of a thousand bins comes in blocks of at most the size asked for, one after the other."""
    state, _ = advance(open_lattice(**CASE), quiet_market())
    pairs = list(iterate(state, no_events(), EPOCH_NS + 1000 * 50 * NS_PER_MS, block_bins=300))
    assert [len(block.bins) for _, block in pairs] == [300, 300, 300, 100]
    assert [int(block.bins["bin_seq"][0]) for _, block in pairs] == [0, 300, 600, 900]
    assert int(pairs[-1][0].clock["now_ns"][0]) == EPOCH_NS + 1000 * 50 * NS_PER_MS


@examples(20)
@given(SEEDS, st.integers(1, EVENTS - 1), st.integers(1, 2_000))
def test_an_event_that_comes_after_its_time_was_complete_is_moved_and_counted(
    seed: int, cut: int, ahead_ms: int
) -> None:
    """It acts at the time up to which the feed was said to be complete; a snapshot's own times are not counted."""
    events = random_stream(seed, EVENTS, mischief=0.0)
    complete_to_ns = int(events["ts_ns"][cut - 1]) + ahead_ms * NS_PER_MS
    state, before = advance(open_lattice(**CASE), events[:cut], complete_to_ns)
    state, after = advance(state, events[cut:])
    moved = events.copy()
    moved["ts_ns"][cut:] = np.maximum(events["ts_ns"][cut:], complete_to_ns)
    found, expected = finish(state, before + after), run_engine(moved, **CASE)
    assert_same_bins(found.finished, expected.finished)
    is_late = (events["ts_ns"][cut:] < complete_to_ns) & (events["flags"][cut:] & FLAG_SNAPSHOT == 0)
    assert event_problems(found.state)["clamped_ts"] == np.count_nonzero(is_late)
    assert expected.counts["clamped_ts"] == 0


def test_without_events_there_are_no_bins() -> None:
    """Neither an empty chunk nor a time makes a bin before a book is there, and no bin is open before a time is."""
    state, blocks = advance(open_lattice(**CASE), no_events())
    assert (open_bin_end_ns(state), blocks) == (None, [])
    state, blocks = advance_to(state, EPOCH_NS)
    assert blocks == []
    state, blocks = advance_to(state, EPOCH_NS + 3_600 * 1000 * NS_PER_MS)
    assert blocks == []
