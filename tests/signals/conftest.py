"""Grids that the signals' tests share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.signals.battery import SIGNALS
from vpharness.events.dbn import DbnSource
from vpharness.lattice.lattice_engine import advance
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import new_state

GOLDEN_START_NS = 1_703_545_200_000_000_000
"""2023-12-25T23:00:00Z, where the golden dataset esh4 begins."""


@dataclass(frozen=True)
class Columns:
    """The grid of a dataset: `columns[name]` is [T, K]; `valid` [T] tells which bins end with a valid book."""

    columns: dict[str, NDArray[Any]]
    valid: NDArray[np.bool_]


GOLDEN_BINS = 8989
GOLDEN_COLUMNS = sorted({name for signal in SIGNALS.values() for name in signal.columns})


@pytest.fixture(scope="module", autouse=True)
def strict_numerics() -> Iterator[None]:
    """Types and ranks of arrays that are mixed by accident are errors while the signals are tested."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="session")
def golden_grid(shared: Path) -> Columns:
    """Every bin and cell of the golden dataset esh4, in full precision, built by the lattice from exchange events."""
    source = DbnSource(path=str(shared / "data" / "esh4-20231225.mbo.dbn.zst"), tick_size=0.25)
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in ("book_valid", *GOLDEN_COLUMNS)}
    with source.open() as stream:
        state = new_state(
            LatticeParameters(),
            tick_size=source.tick_size,
            size_unit=stream.size_unit,
            default_evict_crossed_ms=0,
            start_ns=GOLDEN_START_NS,
        )
        for events in stream.chunks:
            state, blocks = advance(state, events)
            for block in blocks:
                found["book_valid"].append(block.bins["book_valid"])
                for name in GOLDEN_COLUMNS:
                    found[name].append(block.column(name))
            if sum(map(len, found["book_valid"])) >= GOLDEN_BINS:
                break
    columns = {name: np.concatenate(parts)[:GOLDEN_BINS] for name, parts in found.items()}
    return Columns(columns, columns.pop("book_valid"))
