"""Virtual orders against their plain twin on random streams, and against golden values."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.examples import examples
from tests.lattice.feed import TICK
from tests.lattice.streams import random_stream
from tests.naive_queue import Virtual, naive_queue
from vpharness.events.bitstamp import BitstampSource
from vpharness.events.dbn import DbnSource
from vpharness.events.lobster import LobsterSource
from vpharness.events.mbo_event import ASK, BID
from vpharness.execution.virtual_orders import virtual_orders
from vpharness.lattice.lattice_engine import advance, open_bin_end_ns
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import new_state
from vpharness.order_fates import REASONS
from vpharness.prices import PRICE_SCALE

NS_PER_MS: Final = 1_000_000
LATTICE: Final = LatticeParameters(radius=2, cell_width_ms=100, evict_crossed_ms=300)


def fresh(
    parameters: LatticeParameters = LATTICE, tick_size: float = TICK / PRICE_SCALE, size_unit: float = 1.0
) -> Any:
    """Return a lattice state before its first event."""
    return new_state(parameters, tick_size=tick_size, size_unit=size_unit, start_ns=None)


def bins_of(events: NDArray[np.void]) -> dict[str, NDArray[Any]]:
    """Return the bins of a stream."""
    state, blocks = advance(fresh(), events)
    _, more = advance(state, events[:0], open_bin_end_ns(state))
    bins = np.concatenate([block.bins for block in (*blocks, *more)]) if blocks or more else None
    return {} if bins is None else {name: bins[name] for name in bins.dtype.names or ()}


@examples()  # the first example compiles the kernels
@given(
    seed=st.integers(0, 10**6),
    mischief=st.sampled_from([0.0, 1.0, 3.0]),
    latency_ms=st.sampled_from([0, 30, 100, 250]),
    wait_bins=st.sampled_from([1, 5, 40]),
    cut=st.integers(1, 400),
)
def test_the_fate_of_every_order_is_the_plain_twins(
    seed: int, mischief: float, latency_ms: int, wait_bins: int, cut: int
) -> None:
    """On feeds with everything that goes wrong, however the events are cut into chunks."""
    events = random_stream(seed, 400, mischief=mischief)
    bins = bins_of(events)
    if not bins:
        return
    latency_ns, wait_ns = latency_ms * NS_PER_MS, wait_bins * 100 * NS_PER_MS
    chunks = [events[:cut], events[cut:]]
    fates, out_of_turn = virtual_orders(bins, fresh(), chunks, latency_ns=latency_ns, max_wait_ns=wait_ns)
    twins = [
        Virtual(side, int(price) // TICK, int(end) + latency_ns, int(end) + latency_ns + wait_ns)
        for end, valid, *prices in zip(
            *(bins[name] for name in ("bin_end_ns", "book_valid", "best_bid_price_int", "best_ask_price_int")),
            strict=True,
        )
        if valid
        for side, price in zip((BID, ASK), prices, strict=True)
    ]
    expected = naive_queue(
        events, twins, tick_int=TICK, evict_crossed_ms=300, complete_to_ns=int(bins["bin_end_ns"][-1])
    )
    placed = fates.reshape(-1)[fates.reshape(-1)["reason"] != REASONS.index("none")]
    assert [REASONS[reason] for reason in placed["reason"]] == [twin.reason for twin in twins]
    assert placed["fill_ns"].tolist() == [twin.fill_ns for twin in twins]
    assert placed["ahead_at_arrival"].tolist() == [twin.ahead_at_arrival for twin in twins]
    assert placed["executed"].tolist() == [twin.executed for twin in twins]
    assert out_of_turn == expected


def sources(folder: Path) -> dict[str, Any]:
    """Return the sources of the golden values by name."""
    data = folder / "data"
    messages, rows = (str(data / f"MSFT_2012-06-21_{name}_50.csv") for name in ("message", "orderbook"))
    msft = LobsterSource(messages, "2012-06-21", 0.01, rows)
    odd = DbnSource(str(data / "odd.mbo.dbn"), 0.25)
    return {
        "esh4": DbnSource(str(data / "esh4-20231225.mbo.dbn.zst"), 0.25),
        "odd": odd,
        "odd_lat100": odd,
        "msft": msft,
        "msft_lat100": msft,
        "bitstamp": BitstampSource(str(data / "bitstamp-btcusd-20150501.csv.xz"), 0.01),
    }


@pytest.mark.parametrize("name", ["esh4", "odd", "odd_lat100", "msft", "msft_lat100", "bitstamp"])
def test_the_fate_of_every_order_is_the_golden_one(name: str, shared: Path) -> None:
    """Two independent implementations agree on every row: price, reason, time of fill, and what was ahead."""
    said = json.loads((shared / "golden" / f"{name}.queue.json").read_text())
    expected = pd.read_parquet(shared / "golden" / f"{name}.queue.parquet")
    table = pd.read_parquet(shared / "golden" / said["bins"])
    parameters = LatticeParameters(cell_width_ms=said["cell_width_ms"], evict_crossed_ms=said["evict_crossed_ms"])
    source = sources(shared)[name]
    with source.open() as stream:
        fates, out_of_turn = virtual_orders(
            {column: table[column].to_numpy() for column in table.columns},
            fresh(parameters, source.tick_size, stream.size_unit),
            stream.chunks,
            latency_ns=said["latency_ms"] * NS_PER_MS,
            max_wait_ns=said["max_wait_bins"] * said["cell_width_ms"] * NS_PER_MS,
        )
    found = fates.reshape(-1)
    assert [REASONS[reason] for reason in found["reason"]] == expected["reason"].tolist()
    for column, name_here in (("price", "price"), ("fill_ts_ns", "fill_ns"), ("ahead_at_arrival", "ahead_at_arrival")):
        np.testing.assert_array_equal(found[name_here], expected[column])
    assert out_of_turn == said["out_of_turn"]
