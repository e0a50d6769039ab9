"""The plain twin of the lattice is right: by hand, and on the golden values of real files."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tests.event_rows import events_of
from tests.naive import NaiveResult, naive_expm_step, naive_lattice, naive_robust_z
from vpharness.events.dbn import DbnSource
from vpharness.events.event_source import Source
from vpharness.events.lobster import LobsterSource
from vpharness.prices import tick_size_to_price

TICK = 250_000_000
MS = 1_000_000
BELOW_SPOT, AT_SPOT, ABOVE_SPOT = 1, 2, 3
"""Where k = -1, 0, +1 stand in a row of radius 2."""


def _events(*rows: tuple[int, str, str, int, int, int, int]) -> NDArray[np.void]:
    """Make events from (time in ms, action, side, price in ticks, size, order_id, flags)."""
    return events_of(
        (ms * MS, ticks * TICK, size, i, ord(a), ord(s), flags) for ms, a, s, ticks, size, i, flags in rows
    )


@pytest.fixture(scope="module")
def small() -> NaiveResult:
    """Three bins of one second: two orders, a partial fill with a pull, a move across a tick, and silence."""
    events = _events(
        (0, "A", "B", 100, 4, 1, 128),
        (0, "A", "A", 102, 6, 2, 128),
        (1250, "F", "A", 102, 2, 2, 0),
        (1250, "C", "A", 102, 3, 2, 128),
        (1500, "M", "B", 101, 5, 1, 128),
        (2000, "N", "N", 0, 0, 0, 128),
    )
    return naive_lattice(events, tick_int=TICK, size_unit=0.5, cell_width_ms=1000, radius=2)


def test_bins_of_a_small_case(small: NaiveResult) -> None:
    """Times, counts, prices and the half-up spot are those worked out on paper."""
    assert small.bins == {
        "ts_ns": [1000 * MS, 2000 * MS, 3000 * MS],
        "bin_seq": [0, 1, 2],
        "bin_start_ns": [0, 1000 * MS, 2000 * MS],
        "bin_end_ns": [1000 * MS, 2000 * MS, 3000 * MS],
        "bin_event_count": [2, 3, 1],
        "event_id": [2, 5, 6],
        "mid_price": [25.25, 25.375, 25.375],
        "spot_ref_price_int": [101 * TICK, 102 * TICK, 102 * TICK],
        "best_bid_price_int": [100 * TICK, 101 * TICK, 101 * TICK],
        "best_ask_price_int": [102 * TICK] * 3,
        "book_valid": [True] * 3,
    }
    assert small.counts["events"] == 6
    assert sum(small.counts.values()) == 6 + 3


def test_flow_of_a_small_case(small: NaiveResult) -> None:
    """A cancel of 3 after a fill of 2 pulls 1; a move pulls the old size and adds the new one; last ids follow."""
    grid = small.grid
    assert grid["add_mass"][0] == pytest.approx([0, 2 * math.exp(-1 / 30), 0, 3 * math.exp(-1 / 30), 0])
    assert grid["fill_mass"][1] == pytest.approx([0, 0, 1 * math.exp(-0.75 / 30), 0, 0])
    assert grid["pull_mass"][1] == pytest.approx([2 * math.exp(-0.5 / 30), 0, 0.5 * math.exp(-0.75 / 30), 0, 0])
    assert grid["add_mass"][1] == pytest.approx(
        [2 * math.exp(-2 / 30), 2.5 * math.exp(-0.5 / 30), 3 * math.exp(-2 / 30), 0, 0]
    )
    assert grid["bid_depth"] == [[0, 2.0, 0, 0, 0], [0, 2.5, 0, 0, 0], [0, 2.5, 0, 0, 0]]
    assert grid["ask_depth"] == [[0, 0, 0, 3.0, 0], [0, 0, 1.5, 0, 0], [0, 0, 1.5, 0, 0]]
    assert grid["last_event_id"] == [[0, 1, 0, 2, 0], [5, 5, 4, 0, 0], [5, 5, 4, 0, 0]]


def test_filters_and_forces_of_a_small_case(small: NaiveResult) -> None:
    """Velocity, acceleration and pressure follow from their impulse responses, written out."""
    v = 2.0 / 2 * math.exp(-1 / 2)
    a = 2.0 / 2 / 5 * (0.5 * math.exp(-0.5) - 0.2 * math.exp(-0.2)) / (0.5 - 0.2)
    assert small.grid["v_add"][0][BELOW_SPOT] == pytest.approx(v, rel=1e-12)
    assert small.grid["a_add"][0][BELOW_SPOT] == pytest.approx(a, rel=1e-12)
    assert small.grid["v_rest_depth"][0][BELOW_SPOT] == pytest.approx(v, rel=1e-12)
    assert small.grid["pressure_variant"][0][BELOW_SPOT] == pytest.approx(v + 0.5 * v + 0.3 * a, rel=1e-12)
    assert small.grid["vacuum_variant"][0] == [0.0] * 5
    drained = 3.0 / 2 * math.exp(-2 / 2) - 1.5 / 2 * math.exp(-0.75 / 2)
    assert small.grid["v_ask_depth"][1][AT_SPOT] == pytest.approx(drained, rel=1e-12)
    assert small.grid["vacuum_variant"][1][AT_SPOT] == pytest.approx(
        (0.5 + 1.5 * 1.0) / 2 * math.exp(-0.75 / 2)
        + 0.3 * max(0.0, 0.05 * (0.5 * math.exp(-0.375) - 0.2 * math.exp(-0.15)) / 0.3)
        + 0.5 * max(0.0, -drained),
        rel=1e-12,
    )


def test_labels_of_a_small_case(small: NaiveResult) -> None:
    """A bid that rises under a standing ask is microstate 5: bull vacuum above spot, bull pressure below."""
    assert small.grid["best_bid_move_ticks"] == [[0] * 5, [1] * 5, [0] * 5]
    assert small.grid["best_ask_move_ticks"] == [[0] * 5] * 3
    assert small.grid["perm_microstate_id"] == [[4] * 5, [5] * 5, [4] * 5]
    assert small.grid["perm_state5_code"] == [[0] * 5, [1, 1, 0, 2, 2], [0] * 5]
    assert small.grid["chase_up_flag"] == [[0] * 5] * 3


def test_a_bin_without_a_valid_book_is_emitted_empty() -> None:
    """After a clear the bins go on with zero cells and prices, and with the count of events."""
    events = _events(
        (0, "A", "B", 100, 4, 1, 128),
        (0, "A", "A", 102, 6, 2, 128),
        (1000, "R", "N", 0, 0, 0, 128),
        (2000, "A", "B", 90, 1, 3, 128),
        (3000, "A", "A", 91, 1, 4, 128),
    )
    result = naive_lattice(events, tick_int=TICK, size_unit=1.0, cell_width_ms=1000, radius=2)
    assert result.bins["book_valid"] == [True, False, False, True]
    assert result.bins["mid_price"] == [25.25, 0.0, 0.0, 22.625]
    assert result.bins["best_bid_price_int"] == [100 * TICK, 0, 90 * TICK, 90 * TICK]
    assert result.bins["event_id"] == [2, 3, 4, 5]
    assert result.grid["add_mass"][1] == [0.0] * 5
    assert result.grid["last_event_id"][2] == [0] * 5
    assert result.grid["best_bid_move_ticks"] == [[0] * 5] * 4


def test_expm_step_is_the_impulse_response() -> None:
    """From the state after an impulse of 1, the state at t is the sum of the partial fractions of the transfer."""
    lv, la, lj = 1 / 2, 1 / 5, 1 / 10
    for t in (1e-9, 0.1, 1.0, 30.0):
        ev, ea, ej = (math.exp(-rate * t) for rate in (lv, la, lj))
        a = (lv * ev - la * ea) / (lv - la)
        j = (
            lv**2 * ev / ((la - lv) * (lj - lv))
            + la**2 * ea / ((lv - la) * (lj - la))
            + lj**2 * ej / ((lv - lj) * (la - lj))
        )
        got = naive_expm_step([lv, lv * la, lv * la * lj], t, (2.0, 5.0, 10.0))
        assert got == pytest.approx([lv * ev, lv * la * a, lv * la * lj * j], rel=1e-10, abs=1e-14)


def test_robust_z_by_hand() -> None:
    """Median 3 and MAD 1 make 10 a z of 7/1.4826; missing values are left out, and too few or too flat give 0."""
    nan = math.nan
    assert naive_robust_z([99.0, 1.0, 2.0, 3.0, 4.0, 10.0], 5, 5, 1e-9) == pytest.approx(7 / 1.4826)
    assert naive_robust_z([1.0, 2.0, nan, 3.0, 4.0, 10.0], 6, 5, 1e-9) == pytest.approx(7 / 1.4826)
    assert naive_robust_z([1.0, 2.0, nan, 3.0, 4.0, 10.0], 6, 6, 1e-9) == 0.0
    assert naive_robust_z([1.0, 2.0, 3.0, nan], 4, 1, 1e-9) == 0.0
    assert naive_robust_z([5.0, 5.0, 5.0, 9.0], 4, 1, 1e-9) == 0.0


def _golden_case(name: str, data: Path) -> tuple[Source, dict[str, Any]]:
    """Return source and settings of a set of golden values, as its README gives them."""
    if name == "odd":
        return DbnSource(str(data / "odd.mbo.dbn"), 0.25), {"cell_width_ms": 100, "evict_crossed_ms": 500}
    if name == "esm4":
        return DbnSource(str(data / "esm4-20240508-2s.mbo.dbn.zst"), 0.25), {"cell_width_ms": 20}
    messages, books = (str(data / f"MSFT_2012-06-21_{kind}_50.csv") for kind in ("message", "orderbook"))
    return LobsterSource(messages, "2012-06-21", orderbook_path=books), {"cell_width_ms": 50}


@pytest.mark.parametrize("name", ["odd", *(pytest.param(name, marks=pytest.mark.slow) for name in ("esm4", "msft"))])
def test_twin_meets_golden_values(shared: Path, name: str) -> None:
    """Integers, flags and counts agree exactly with the golden values, floats as closely as their README asks."""
    source, settings = _golden_case(name, shared / "data")
    with source.open() as stream:
        events = np.concatenate(list(stream.chunks))
        got = naive_lattice(
            events, tick_int=tick_size_to_price(source.tick_size), size_unit=stream.size_unit, **settings
        )
    counts = json.loads((shared / "golden" / f"{name}.counts.json").read_text())
    assert got.counts == counts | {"price_out_of_range": 0, "feed_gap": 0, "halts": 0}
    bins = pd.read_parquet(shared / "golden" / f"{name}.bins.parquet")
    for column in bins:
        np.testing.assert_allclose(got.bins[str(column)], bins[column], rtol=1e-12, atol=0, err_msg=str(column))
    grid = pd.read_parquet(shared / "golden" / f"{name}.grid.parquet").sort_values(["bin_seq", "k"])
    assert set(got.grid) == set(grid.columns) - {"bin_seq", "k"}
    undecided = np.abs(np.abs(grid["spectrum_score"]) - 0.15) <= 1e-6
    for column, cells in got.grid.items():
        want, found = grid[column].to_numpy(), np.array(cells).ravel()
        if column == "spectrum_score":
            np.testing.assert_allclose(found, want, rtol=0, atol=1e-6, err_msg=column)
        elif column == "spectrum_state_code":
            np.testing.assert_array_equal(found[~undecided], want[~undecided], err_msg=column)
        elif want.dtype.kind == "f":
            np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-12, err_msg=column)
        else:
            np.testing.assert_array_equal(found, want, err_msg=column)
