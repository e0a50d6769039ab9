"""A lattice that begins later, with the book as it stands, has settled when it is said to have."""

import numpy as np
import pytest

from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.lattice_engine import FinishedBins, advance
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import LatticeState, new_state
from vpharness.lattice.settling import Settling, settling
from vpharness.lattice.state_transfer import resting_orders

LATTICE = LatticeParameters(
    radius=20,
    tau_velocity=0.1,
    tau_acceleration=0.25,
    tau_jerk=0.4,
    tau_mass=0.6,
    spectrum_windows=[2, 8],
    spectrum_zscore_window=40,
    spectrum_zscore_min_periods=10,
)
WIDTH_S = LATTICE.cell_width_ms / 1000


def fresh() -> LatticeState:
    """Return a lattice before its first event."""
    return new_state(LATTICE, tick_size=0.25, size_unit=1.0, start_ns=None)


def two_beginnings() -> tuple[list[FinishedBins], list[FinishedBins]]:
    """Return the bins of a minute from a cut on: of a lattice that knows what was before, and of one that joins."""
    with SyntheticSource(seed=4, minutes=1).open() as stream:
        events = np.concatenate(list(stream.chunks))
    cut_ns = int(events["ts_ns"][0]) // 10**9 * 10**9 + 20 * 10**9
    cut = int(np.searchsorted(events["ts_ns"], cut_ns))
    whole, _ = advance(fresh(), events[:cut], cut_ns)
    joining, _ = advance(fresh(), resting_orders(whole))
    _, known = advance(whole, events[cut:])
    _, joined = advance(joining, events[cut:])
    return known, joined


def test_every_column_is_the_same_from_when_it_has_settled_on() -> None:
    """And is another before, where it remembers anything but the book."""
    known, joined = two_beginnings()
    for name in GRID_COLUMNS:
        found, wanted = (np.concatenate([block.column(name) for block in each]) for each in (joined, known))
        wanted = wanted[len(wanted) - len(found) :]
        settled = settling(LATTICE, [name])
        if settled is None:
            assert name == "last_event_id"
            continue
        first = int(np.ceil(settled.seconds / WIDTH_S)) + 1 + settled.bins
        assert first < len(found) - 50, name
        np.testing.assert_allclose(found[first:], wanted[first:], rtol=1e-9, atol=1e-12, err_msg=name)
        if settled.seconds:
            assert not np.allclose(found[:first], wanted[:first], rtol=1e-9, atol=1e-12), name


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        (("bid_depth",), Settling(0.0, 0)),
        (("bid_depth", "perm_state5_code"), Settling(0.0, 1)),
        (("v_add", "add_mass"), Settling(0.6 * 53 * np.log(2), 0)),
        (("spectrum_score",), Settling(2 * 0.25 * 53 * np.log(2), 7 + 3 + 39)),
        (("v_add", "last_event_id"), None),
    ],
)
def test_several_columns_have_settled_with_the_last_of_them(columns: tuple[str, ...], wanted: Settling | None) -> None:
    """Times and bins each; a number that counts from the beginning never has."""
    assert settling(LATTICE, columns) == wanted
