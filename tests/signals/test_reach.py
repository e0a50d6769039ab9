"""How far back a score reaches is what its body says, and scores from a later beginning agree from there on."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.parameters import parameter
from vpharness.signals import CHUNK_TOLERANCE, Clock, Grid, Reach, SignalParameters, reach_of, resolve, score, signal

RADIUS, BINS, BEGIN = 24, 2_600, 900
WIDTH_MS = 100.0


def columns_of(names: tuple[str, ...]) -> dict[str, np.ndarray[Any, Any]]:
    """Return random cells, a thousand times as large before BEGIN as after."""
    rng = np.random.default_rng(3)
    found = {}
    for name in names:
        if np.issubdtype(GRID_COLUMNS[name], np.floating):
            cells = rng.lognormal(size=(BINS, 2 * RADIUS + 1))
            cells[:BEGIN] *= 1e3
        else:
            cells = rng.integers(-2, 3, size=(BINS, 2 * RADIUS + 1)).astype(GRID_COLUMNS[name])
        found[name] = cells
    return found


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ads", Reach(199 + 49, 199 + 49)),
        ("ads_pfp_svac", Reach(199 + 49, 717)),
        ("erd", Reach(99, 99)),
        ("iirc", Reach(29, 29)),
        ("jad", Reach(299, 299)),
        ("msd", Reach(0, 0)),
        ("perm_derivative", Reach(299 + 3, 299 + 3)),
        ("pfp", Reach(5, 5 + 349)),
        ("spg", Reach(0, 368)),
        ("svac", Reach(0, 717)),
    ],
)
def test_each_signal_agrees_with_one_that_began_later_from_its_reach_on(name: str, wanted: Reach) -> None:
    """Windows are added up along the longest way; averages count until 2^-53 of their beginning is left."""
    found = resolve(f"vpharness.signals.{name}.{name}")
    assert reach_of(found, found.parameters(), cell_width_ms=WIDTH_MS, radius=RADIUS) == wanted
    assert wanted.whole is not None
    columns = columns_of(found.columns)
    whole = score(found, None, columns, cell_width_ms=WIDTH_MS)
    late = score(found, None, {name: cells[BEGIN:] for name, cells in columns.items()}, cell_width_ms=WIDTH_MS)
    differs = np.abs(late - whole[BEGIN:]) > CHUNK_TOLERANCE * np.maximum(1.0, np.abs(late))
    assert not differs[wanted.whole :].any()
    assert differs[: wanted.windows].any() == (wanted.windows > 0)


@dataclass(frozen=True)
class Odd(SignalParameters):
    """Parameters of signals that are written as no signal of the project is."""

    window: int = parameter(20, meaning="a window", minimum=2)
    alpha: float = parameter(0.5, meaning="a weight", above=0, maximum=1)
    bins: int = parameter(50, meaning="a number of bins", minimum=1)


def bids(grid: Grid) -> Array:
    """Return a series."""
    total: Array = grid.bid_depth.sum(-1)
    return total


@signal(columns=("bid_depth",))
def counting(time: Clock, grid: Grid, p: Odd) -> Array:  # a body has these arguments
    """Count bins for ever."""
    return time.seen(bids(grid)).astype(float) / 1e6


@signal(columns=("bid_depth",))
def waiting(time: Clock, grid: Grid, p: Odd) -> Array:
    """Count bins up to a number of them."""
    return jnp.where(time.seen(bids(grid)) >= p.bins, time.slope(bids(grid), p.window), 0.0)


@signal(columns=("bid_depth",))
def weighing(time: Clock, grid: Grid, p: Odd) -> Array:  # as above
    """Average with a weight that the cells choose."""
    x = bids(grid)
    return time.ema(x, 1.0 / (1.0 + x[0] ** 2))


@signal(columns=("bid_depth",))
def chained(time: Clock, grid: Grid, p: Odd) -> Array:
    """Look at one another, and beside that at a lag that is shorter."""
    x = bids(grid)
    return time.robust_z(time.ema(time.slope(x, p.window), p.alpha), 2 * p.window, 2) + time.lag(x, 3)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (counting, Reach(0, None)),
        (waiting, Reach(50, 50)),
        (weighing, Reach(0, None)),
        (chained, Reach(19 + 39, 19 + 53 + 39)),
    ],
)
def test_what_has_no_end_is_said_to_have_none(body: Any, wanted: Reach) -> None:
    """A number of bins that is only compared with another one ends there."""
    assert reach_of(body, body.parameters(), cell_width_ms=WIDTH_MS, radius=RADIUS) == wanted
