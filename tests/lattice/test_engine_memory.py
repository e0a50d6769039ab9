"""What a lattice keeps is bounded by live orders, touched ticks and the look-back, and it can be laid aside."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.event_rows import events_of
from tests.lattice.engine_help import SMALL_SPECTRUM, assert_same_bins, finish, open_lattice, run_engine
from tests.lattice.feed import EPOCH_NS, HOME_TICK, NS_PER_MS, TICK
from tests.lattice.streams import random_stream
from tests.lattice.wandering import wandering_stream
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, FLAG_LAST
from vpharness.lattice.lattice_engine import advance
from vpharness.lattice.state_transfer import restore_lattice, save_lattice

MINUTE_NS = 60_000 * NS_PER_MS
TICKS_A_SIDE = 20
LIVE_SECONDS = 30


def steady_minute(minute: int) -> NDArray[np.void]:
    """Return a minute in which each second an order enters, on one of 40 ticks, and the one of 30 seconds ago leaves.

    Every order has an id of its own.
    """
    rng, rows = np.random.default_rng(minute), []
    for second in range(60):
        number = 60 * minute + second
        ts_ns = EPOCH_NS + minute * MINUTE_NS + second * 1000 * NS_PER_MS + int(rng.integers(0, 900 * NS_PER_MS))
        for order, action in ((number, ADD), (number - LIVE_SECONDS, CANCEL)):
            side, away = (BID, -1 - order % TICKS_A_SIDE) if order % 2 else (ASK, 1 + order % TICKS_A_SIDE)
            if order >= 0:
                rows.append((ts_ns, (HOME_TICK + away) * TICK, 3, order + 1, action, side, FLAG_LAST))
    return events_of(rows)


def test_hours_of_a_steady_market_need_no_more_memory_than_minutes() -> None:
    """Six hours of ever new orders: after the first ten minutes no array grows, and old snapshots are dropped."""
    state = open_lattice(tick_int=TICK, cell_width_ms=1000, radius=3)
    lengths, bins = dict[int, list[tuple[int, ...]]](), 0
    for minute in range(6 * 60):
        state, blocks = advance(state, steady_minute(minute))
        bins += sum(len(block.bins) for block in blocks)
        lengths[minute] = [array.shape for array in state]
        clock, look_back = state.clock[0], len(state.past)
        assert int(clock["orders_live"]) <= LIVE_SECONDS + 1
        assert int(clock["orders_used"]) <= LIVE_SECONDS + 2
        # Two ticks are touched each second, which is a bin.
        assert int(clock["snapshot_end"] - clock["snapshot_first"]) <= 2 * look_back + 2
    assert bins > 6 * 3600 - 60
    assert int(state.clock["ticks_used"][0]) == 2 * TICKS_A_SIDE // 2
    assert all(lengths[minute] == lengths[10] for minute in range(10, 6 * 60))


@pytest.mark.parametrize("cut", [0, 1, 137, 300])
@pytest.mark.parametrize("evict_crossed_ms", [0, 120])
def test_a_state_laid_aside_goes_on_as_if_nothing_had_been(tmp_path: Path, cut: int, evict_crossed_ms: int) -> None:
    """Written to a file without pickles and read again in mid-stream, it makes the same bins and counts."""
    events = random_stream(9, 300)
    case: dict[str, Any] = {"tick_int": TICK, "cell_width_ms": 100, "radius": 5, **SMALL_SPECTRUM}
    case["evict_crossed_ms"] = evict_crossed_ms
    state, blocks = advance(open_lattice(**case), events[:cut])
    np.savez(tmp_path / "state.npz", allow_pickle=False, **save_lattice(state))
    with np.load(tmp_path / "state.npz", allow_pickle=False) as saved:
        state = restore_lattice(saved, open_lattice(**case))
    state, more = advance(state, events[cut:])
    found, expected = finish(state, blocks + more), run_engine(events, **case)
    assert found.counts == expected.counts
    assert_same_bins(found.finished, expected.finished)


def test_a_restored_state_holds_the_types_that_the_kernels_were_compiled_for(tmp_path: Path) -> None:
    """Records are aligned as before, which files do not say: machine code is found again, not made anew."""
    state, _ = advance(open_lattice(tick_int=TICK), wandering_stream(1, 50))
    np.savez(tmp_path / "state.npz", allow_pickle=False, **save_lattice(state))
    with np.load(tmp_path / "state.npz", allow_pickle=False) as saved:
        restored = restore_lattice(saved, open_lattice(tick_int=TICK))
    for name in state._fields:
        found, expected = getattr(restored, name), getattr(state, name)
        assert found.dtype.isalignedstruct == expected.dtype.isalignedstruct, name
        assert found.dtype == expected.dtype, name
        assert found.flags.c_contiguous
        assert found.flags.writeable
