"""Running the lattice engine in tests, and comparing what it makes with its twin and with itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.naive import NaiveResult
from vpharness.events.event_source import Source
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.lattice.columns import BIN_DTYPE, FLOAT_COLUMNS, GRID_COLUMNS
from vpharness.lattice.lattice_engine import (
    FinishedBins,
    advance,
    advance_to,
    empty_block,
    event_problems,
    open_bin_end_ns,
)
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import LatticeState, new_state
from vpharness.prices import PRICE_SCALE

SPECTRUM_TOLERANCE: Final = 1e-6
"""Third differences are divided by medians down to the floor, which brings rounding to the surface (bins of 100 ms)."""

SMALL_SPECTRUM: Final[dict[str, Any]] = {
    "spectrum_windows": [2, 3, 5],
    "spectrum_zscore_window": 12,
    "spectrum_zscore_min_periods": 4,
}
"""Histories so short that a stream of seconds fills, wraps and forgets them."""


@dataclass(frozen=True)
class Run:
    """What the engine has made of a stream, and the state it ended in."""

    finished: FinishedBins
    state: LatticeState

    @property
    def counts(self) -> dict[str, int]:
        """Everything that was counted, under the names of the twin."""
        clock = self.state.clock[0]
        return event_problems(self.state) | {"events": int(clock["event_id"]), "bins": int(clock["emitted"])}


def open_lattice(
    *,
    tick_int: int,
    size_unit: float = 1.0,
    evict_crossed_ms: int = 0,
    start_ns: int | None = None,
    **parameters: Any,
) -> LatticeState:
    """Make a new state from settings as the twin takes them; the rest are fields of LatticeParameters."""
    return new_state(
        LatticeParameters(**parameters),
        tick_size=tick_int / PRICE_SCALE,
        size_unit=size_unit,
        default_evict_crossed_ms=evict_crossed_ms,
        start_ns=start_ns,
    )


def join(blocks: list[FinishedBins], state: LatticeState) -> FinishedBins:
    """Put blocks of finished bins one behind the other."""
    blocks = [empty_block(state, 0), *blocks]
    return FinishedBins(
        np.concatenate([block.bins for block in blocks]),
        np.concatenate([block.floats for block in blocks], axis=1),
        np.concatenate([block.labels for block in blocks], axis=1),
        np.concatenate([block.moves for block in blocks], axis=1),
        np.concatenate([block.last_event_ids for block in blocks]),
    )


def finish(state: LatticeState, blocks: list[FinishedBins], block_bins: int = 512) -> Run:
    """End the feed behind the open bin, and gather all bins."""
    end_ns = open_bin_end_ns(state)
    if end_ns is not None:
        state, last = advance(state, no_events(), end_ns, block_bins)
        blocks = blocks + last
    return Run(join(blocks, state), state)


def no_events() -> NDArray[np.void]:
    """Return an empty chunk."""
    return np.zeros(0, EVENT_DTYPE)


def run_engine(events: NDArray[np.void], *, end_ns: int | None = None, **settings: Any) -> Run:
    """Give all events to the engine at once, those before `end_ns`, and end the feed."""
    if end_ns is not None:
        behind = np.flatnonzero(events["ts_ns"] >= end_ns)
        events = events[: behind[0]] if len(behind) else events
    state, blocks = advance(open_lattice(**settings), events)
    return finish(state, blocks)


def run_in_chunks(
    events: NDArray[np.void], cuts: Sequence[int], *, block_bins: int = 512, silences: bool = False, **settings: Any
) -> Run:
    """Give the events in chunks that end at `cuts`; with `silences`, say before each how far the feed is complete.

    It is so up to halfway between the events around a cut, and then up to the later one, in a time that never runs
    backwards.
    """
    times = np.maximum.accumulate(events["ts_ns"]).tolist()
    state, blocks = open_lattice(**settings), list[FinishedBins]()
    for start, stop in pairwise([0, *sorted(cuts), len(events)]):
        if silences and start < len(events):
            before = times[start - 1] if start else times[0] - 1_000_000_000
            for complete_to_ns in ((before + times[start]) // 2, times[start]):
                state, new = advance_to(state, complete_to_ns)
                blocks += new
        state, new = advance(state, events[start:stop], block_bins=block_bins)
        blocks += new
    return finish(state, blocks, block_bins)


def assert_same_bins(found: FinishedBins, expected: FinishedBins) -> None:
    """Assert that bins and cells are the same to the last bit."""
    for name in BIN_DTYPE.names or ():
        assert_same_bits(name, found.bins[name], expected.bins[name])
    for name in GRID_COLUMNS:
        assert_same_bits(name, found.column(name), expected.column(name))
    for name, cells in found.cells(-1).items() if len(found.bins) else ():
        assert_same_bits(name, cells, expected.column(name)[-1])


def assert_same_run(found: Run, expected: Run) -> None:
    """Assert that two runs have the same bins, to the last bit, and the same counts."""
    assert found.counts == expected.counts
    assert_same_bins(found.finished, expected.finished)


def assert_same_bits(name: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    """Assert that two columns have the same shape, type and bits."""
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), name
    assert found.tobytes() == expected.tobytes(), name


def spectrum_tolerance(cell_width_ms: int) -> float:
    """Return how far spectrum scores may differ: a third difference divides rounding by the width cubed."""
    return SPECTRUM_TOLERANCE * max(1.0, (100 / cell_width_ms) ** 3)


def assert_agrees_with_twin(run: Run, twin: NaiveResult, largest_quantity: float = 1.0) -> None:
    """Assert that counts, bins and every column of the grid agree: integers exactly, floats as golden values ask.

    Where flows of up to `largest_quantity` have cancelled out, their rounding is what is left.
    """
    assert run.counts == twin.counts
    if not twin.counts["bins"]:
        return
    assert_bins_agree(run.finished, twin.bins)
    assert set(twin.grid) == set(GRID_COLUMNS)
    rules = run.state.rules[0]
    tolerance = spectrum_tolerance(int(rules["cell_width_ns"]) // 1_000_000)
    undecided = np.abs(np.abs(np.array(twin.grid["spectrum_score"])) - rules["spectrum_threshold"]) <= tolerance
    for name, cells in twin.grid.items():
        found, absolute = run.finished.column(name), max(1e-12, 1e-14 * largest_quantity)
        assert_column_agrees(name, found, np.array(cells), undecided, spectrum=tolerance, absolute=absolute)


def assert_bins_agree(finished: FinishedBins, expected: Mapping[str, Any]) -> None:
    """Assert that all columns of the bins agree: the mid to rounding, the others exactly."""
    assert set(expected) == set(BIN_DTYPE.names or ())
    for name, values in expected.items():
        if name == "mid_price":
            np.testing.assert_allclose(finished.bins[name], values, rtol=1e-15, atol=0, err_msg=name)
        else:
            np.testing.assert_array_equal(finished.bins[name], values, err_msg=name)


def assert_column_agrees(
    name: str,
    found: NDArray[Any],
    expected: NDArray[Any],
    undecided: NDArray[np.bool_],
    *,
    spectrum: float = SPECTRUM_TOLERANCE,
    absolute: float = 1e-12,
) -> None:
    """Assert that one column of the grid agrees; state codes where their score is not `undecided`."""
    if name == "spectrum_score":
        np.testing.assert_allclose(found, expected, rtol=0, atol=spectrum, err_msg=name)
    elif name == "spectrum_state_code":
        np.testing.assert_array_equal(found[~undecided], expected[~undecided], err_msg=name)
    elif name in FLOAT_COLUMNS:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=absolute, err_msg=name)
    else:
        np.testing.assert_array_equal(found, expected, err_msg=name)


def best_prices(source: Source, cell_width_ms: int = 100) -> list[tuple[float, float] | None]:
    """Return the best bid and ask at each bin's end, None where the book is not valid."""
    with source.open() as stream:
        found = np.concatenate(list(stream.chunks))
    run = run_engine(found, tick_int=round(source.tick_size * 10**9), size_unit=1e-8, cell_width_ms=cell_width_ms)
    bins = run.finished.bins
    prices = zip(bins["best_bid_price_int"].tolist(), bins["best_ask_price_int"].tolist(), strict=True)
    valid = bins["book_valid"].tolist()
    return [(bid / 1e9, ask / 1e9) if there else None for (bid, ask), there in zip(prices, valid, strict=True)]
