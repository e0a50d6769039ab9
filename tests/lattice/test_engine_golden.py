"""The engine meets the golden values of all five real files, through the readers."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from tests.lattice.engine_help import SPECTRUM_TOLERANCE, Run, assert_bins_agree, assert_column_agrees, run_engine
from vpharness.events.bitstamp import BitstampSource
from vpharness.events.dbn import DbnSource
from vpharness.events.event_source import Source
from vpharness.events.lobster import LobsterSource
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.prices import tick_size_to_price

RADIUS: Final = 50
THRESHOLD: Final = 0.15


@dataclass(frozen=True)
class Golden:
    """A source's class, files and parameters, and the settings of the lattice; times in ISO 8601."""

    source: type[Any]
    files: dict[str, str]
    cell_width_ms: int
    parameters: dict[str, Any] = field(default_factory=dict)
    start: str | None = None
    end: str | None = None
    evict_crossed_ms: int = 0

    def open(self, data: Path) -> Source:
        """Make the source with the files in `data`."""
        source: Source = self.source(**{name: str(data / file) for name, file in self.files.items()}, **self.parameters)
        return source


GOLDEN: Final = {
    "esh4": Golden(
        DbnSource,
        {"path": "esh4-20231225.mbo.dbn.zst"},
        100,
        {"tick_size": 0.25},
        start="2023-12-25T23:00:00Z",
        end="2023-12-25T23:15:00Z",
    ),
    "esm4": Golden(DbnSource, {"path": "esm4-20240508-2s.mbo.dbn.zst"}, 20, {"tick_size": 0.25}),
    "msft": Golden(
        LobsterSource,
        {"path": "MSFT_2012-06-21_message_50.csv", "orderbook_path": "MSFT_2012-06-21_orderbook_50.csv"},
        50,
        {"date": "2012-06-21"},
    ),
    "odd": Golden(DbnSource, {"path": "odd.mbo.dbn"}, 100, {"tick_size": 0.25}, evict_crossed_ms=500),
    "bitstamp": Golden(
        BitstampSource,
        {"path": "bitstamp-btcusd-20150501.csv.xz"},
        1000,
        {"tick_size": 0.01},
        end="2015-05-01T01:00:00Z",
        evict_crossed_ms=1000,
    ),
}


def run_of(golden: Golden, data: Path) -> Run:
    """Read a file and run the engine over its span."""
    span = {"start_ns": golden.start, "end_ns": golden.end}
    source = golden.open(data)
    with source.open() as stream:
        return run_engine(
            np.concatenate(list(stream.chunks)),
            tick_int=tick_size_to_price(source.tick_size),
            size_unit=stream.size_unit,
            cell_width_ms=golden.cell_width_ms,
            evict_crossed_ms=golden.evict_crossed_ms,
            **{name: None if time is None else pd.Timestamp(time).value for name, time in span.items()},
        )


@pytest.mark.parametrize("name", GOLDEN)
def test_engine_meets_golden_values(shared: Path, name: str) -> None:
    """Integers, flags and counts exactly, floats as closely as the golden values' own page asks."""
    run, folder = run_of(GOLDEN[name], shared / "data"), shared / "golden"
    counts = json.loads((folder / f"{name}.counts.json").read_text())
    assert run.counts == counts | {"price_out_of_range": 0, "feed_gap": 0, "halts": 0}

    bins = pd.read_parquet(folder / f"{name}.bins.parquet")
    assert len(bins) > 0
    assert_bins_agree(run.finished, {str(column): bins[column].to_numpy() for column in bins})

    grid = pd.read_parquet(folder / f"{name}.grid.parquet").sort_values(["bin_seq", "k"])
    rows = grid["bin_seq"].unique()
    assert len(grid) == len(rows) * (2 * RADIUS + 1)
    assert set(grid) == {"bin_seq", "k", *GRID_COLUMNS}
    undecided = np.abs(grid["spectrum_score"].abs().to_numpy() - THRESHOLD) <= SPECTRUM_TOLERANCE
    for column in GRID_COLUMNS:
        found = run.finished.column(column)[rows].ravel()
        assert_column_agrees(column, found, grid[column].to_numpy(), undecided)
