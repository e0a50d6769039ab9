"""Laws that hold whatever the stream: flow and depth balance, prices are relative, and the future has no say."""

from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.lattice.engine_help import SMALL_SPECTRUM, assert_same_bins, assert_same_bits, run_engine
from tests.lattice.feed import TICK
from tests.lattice.streams import random_stream
from tests.lattice.wandering import wandering_stream
from vpharness.events.mbo_event import FLAG_LAST, MAX_PRICE
from vpharness.lattice.columns import BIN_DTYPE, FLOAT_COLUMNS, GRID_COLUMNS
from vpharness.lattice.lattice_engine import FinishedBins

CASE: Final[dict[str, Any]] = {"tick_int": TICK, "cell_width_ms": 100, "radius": 8, **SMALL_SPECTRUM}
SEEDS: Final = st.integers(0, 2**32 - 1)
FOREVER_S: Final = 1e12
PRICE_COLUMNS: Final = ("spot_ref_price_int", "best_bid_price_int", "best_ask_price_int")


@examples(20)
@given(SEEDS)
def test_what_was_added_and_neither_pulled_nor_filled_rests(seed: int) -> None:
    """On a sound feed without snapshots, added - pulled - filled is the depth, of every cell in every bin.

    Masses that keep for ever are the totals of each flow.
    """
    events = random_stream(seed, 400, mischief=0.0, snapshot=False)
    events = events[: np.flatnonzero(events["flags"] & FLAG_LAST)[-1] + 1]  # not between a fill and its cancel
    finished = run_engine(events, **CASE | {"tau_mass": FOREVER_S, "radius": 70}).finished
    flows = [finished.column(f"{flow}_mass") for flow in ("add", "pull", "fill")]
    depth = finished.column("rest_depth")
    np.testing.assert_allclose(flows[0] - flows[1] - flows[2], depth, rtol=1e-8, atol=1e-4)
    assert min(flow.max() for flow in flows) >= 1
    assert (depth == finished.column("bid_depth") + finished.column("ask_depth")).all()


@examples(20)
@given(SEEDS, st.integers(-(10**6), 10**7))
def test_prices_that_are_all_shifted_shift_spot_and_nothing_else(seed: int, ticks: int) -> None:
    """Every price n ticks higher, or below zero: the same cells, to the last bit, around a spot n ticks higher."""
    events = random_stream(seed, 250)
    events["price"] = np.minimum(events["price"], MAX_PRICE // 2)  # room for the shift below the highest price
    shifted = events.copy()
    shifted["price"] += ticks * TICK
    before, after = run_engine(events, **CASE).finished, run_engine(shifted, **CASE).finished
    for name in GRID_COLUMNS:
        assert_same_bits(name, after.column(name), before.column(name))
    for name in set(BIN_DTYPE.names or ()) - {*PRICE_COLUMNS, "mid_price"}:
        assert_same_bits(name, after.bins[name], before.bins[name])
    valid = before.bins["book_valid"]
    assert (after.bins["spot_ref_price_int"] - before.bins["spot_ref_price_int"]).tolist() == (
        valid * ticks * TICK
    ).tolist()
    np.testing.assert_allclose(after.bins["mid_price"] - before.bins["mid_price"], valid * ticks * 0.25, rtol=1e-6)
    for name in PRICE_COLUMNS[1:]:
        moved = after.bins[name] - before.bins[name]
        assert set(moved.tolist()) <= {0, ticks * TICK}
        assert (moved[valid] == ticks * TICK).all()


def ended_by(finished: FinishedBins, time_ns: int) -> FinishedBins:
    """Return the bins that end by a time."""
    return finished.first(int(np.count_nonzero(finished.bins["bin_end_ns"] <= time_ns)))


@examples(40)
@given(SEEDS, SEEDS, st.integers(1, 299), st.booleans())
def test_another_future_changes_no_bin_that_has_ended(seed: int, other: int, cut: int, is_wild: bool) -> None:
    """Whatever comes after an event, the bins that end by its time are the same to the last bit.

    Prices, sizes, sides and actions of the later events are others, their times too, or there are none.
    """
    events = random_stream(seed, 300)
    now_ns = int(events["ts_ns"][:cut].max())
    tail = random_stream(other, 300, mischief=3.0)[cut:] if is_wild else events[cut:cut]
    perturbed = np.concatenate([events[:cut], tail])
    case = CASE | {"evict_crossed_ms": 120}
    expected = ended_by(run_engine(events, **case).finished, now_ns)
    assert_same_bins(ended_by(run_engine(perturbed, **case).finished, now_ns), expected)


@pytest.mark.parametrize("seed", range(3))
def test_another_future_changes_no_bin_of_a_wandering_window(seed: int) -> None:
    """Nor does it where ticks are given their past anew, with the scores of the default spectrum."""
    events = wandering_stream(seed, 700)
    cut = len(events) * 3 // 4
    now_ns, perturbed = int(events["ts_ns"][cut - 1]), events.copy()
    perturbed["price"][cut:] += 3 * TICK
    perturbed["size"][cut:] += 1
    case = {"tick_int": TICK, "cell_width_ms": 100, "radius": 8}
    whole = run_engine(events, **case).finished
    expected = ended_by(whole, now_ns)
    assert len(whole.bins) > len(expected.bins) > 300
    assert np.count_nonzero(expected.column("spectrum_score")) > 300
    assert_same_bins(ended_by(run_engine(perturbed, **case).finished, now_ns), expected)


@examples(15)
@given(SEEDS, st.sampled_from([50, 100, 200]))
def test_wider_bins_see_the_same_ticks(seed: int, cell_width_ms: int) -> None:
    """At a moment that ends a bin of either width, all that is no spectrum and no move is the same to rounding.

    The filters are exact, so how often time is cut cannot show.
    """
    events = random_stream(seed, 300, mischief=0.3)
    fine = run_engine(events, **CASE | {"cell_width_ms": cell_width_ms}).finished
    coarse = run_engine(events, **CASE | {"cell_width_ms": 4 * cell_width_ms}).finished
    _, at_fine, at_coarse = np.intersect1d(fine.bins["ts_ns"], coarse.bins["ts_ns"], return_indices=True)
    for name in set(FLOAT_COLUMNS) - {"spectrum_score"}:
        here, there = fine.column(name)[at_fine], coarse.column(name)[at_coarse]
        np.testing.assert_allclose(here, there, rtol=1e-9, atol=1e-9, err_msg=name)
    assert fine.bins["event_id"][at_fine].tolist() == coarse.bins["event_id"][at_coarse].tolist()
