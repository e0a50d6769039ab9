"""No column of the grid foretells a fair market's mid, and flow columns foretell one that is led by flow."""

import math
from statistics import NormalDist
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.lattice.engine_help import finish, open_lattice
from tests.lattice.feed import TICK
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.lattice_engine import FinishedBins, advance
from vpharness.prices import PRICE_SCALE

MINUTES: Final = 30
HORIZONS: Final = (1, 10, 50)
"""How many bins ahead the mid's move is looked at. Over one bin it is the next move, at times none."""

CHANCE: Final = 0.01
"""Of any statistic in one market standing out, if all of them are chance: Bonferroni's share of each is tiny."""

SIDE_CELLS: Final = 5
RADIUS: Final = 10


def market(strength: float) -> FinishedBins:
    """Return the bins of a synthetic market, in a window that is narrower than the default to save memory."""
    source = SyntheticSource(seed=11, minutes=MINUTES, strength=strength, tick_size=TICK / PRICE_SCALE)
    state = open_lattice(tick_int=TICK, radius=RADIUS)
    blocks = list[FinishedBins]()
    with source.open() as stream:
        for events in stream.chunks:
            state, new = advance(state, events)
            blocks += new
    return finish(state, blocks).finished


def predictors(bins: FinishedBins) -> dict[str, NDArray[np.float64]]:
    """Return everything that is looked at, one value a bin: queue imbalance, and of each column four summaries.

    They are the mean over the nearest cells below spot less that above it, and the cells next to spot and at it.
    """
    found = {"queue imbalance": queue_imbalance(bins)}
    for name in GRID_COLUMNS:
        column = bins.column(name).astype(np.float64)
        below = column[:, RADIUS - SIDE_CELLS : RADIUS].mean(axis=1)
        above = column[:, RADIUS + 1 : RADIUS + 1 + SIDE_CELLS].mean(axis=1)
        found[f"{name}, below - above"] = below - above
        for k in (-1, 0, 1):
            found[f"{name}, k = {k}"] = column[:, RADIUS + k]
    return {name: values for name, values in found.items() if np.ptp(values) > 0}


def queue_imbalance(bins: FinishedBins) -> NDArray[np.float64]:
    """Return (bids - asks)/(bids + asks) at the touch of each bin."""
    rows, prices = np.arange(len(bins.bins)), bins.bins
    bids, asks = (
        bins.column(f"{side}_depth")[
            rows, RADIUS + (prices[f"best_{side}_price_int"] - prices["spot_ref_price_int"]) // TICK
        ]
        for side in ("bid", "ask")
    )
    imbalance: NDArray[np.float64] = (bids - asks) / (bids + asks)
    return imbalance


def t_statistic(known: NDArray[np.float64], change: NDArray[np.float64]) -> float:
    """Return Σ x y / √Σ x²y²: about standard normal where y is a martingale's change over stretches that follow x."""
    product = known * change
    square = float((product * product).sum())
    return float(product.sum()) / math.sqrt(square) if square > 0 else 0.0


def t_statistics(bins: FinishedBins) -> dict[str, float]:
    """Regress the mid's move over each horizon, stretch by stretch, on everything known before it."""
    assert bins.bins["book_valid"].all()
    found, mid = {}, bins.bins["mid_price"]
    for name, known in predictors(bins).items():
        for horizon in HORIZONS:
            found[f"{name}, {horizon} bins ahead"] = t_statistic(known[::horizon][:-1], np.diff(mid[::horizon]))
    return found


def standing_out(statistics: dict[str, float]) -> dict[str, float]:
    """Return those beyond Bonferroni's bound."""
    bound = NormalDist().inv_cdf(1 - CHANCE / 2 / len(statistics))
    return {name: t for name, t in statistics.items() if abs(t) > bound}


@pytest.fixture(scope="module")
def fair() -> dict[str, float]:
    """The statistics of a market of strength 0."""
    return t_statistics(market(0.0))


def test_every_column_is_looked_at(fair: dict[str, float]) -> None:
    """No column is left out for being constant, but those that are meant to be the same on both sides of spot."""
    assert {name.split(",")[0] for name in fair} == {"queue imbalance", *GRID_COLUMNS}
    assert len(fair) > 3 * 3 * len(GRID_COLUMNS)


def test_in_a_fair_market_no_column_foretells_the_mid(fair: dict[str, float]) -> None:
    """Neither queue imbalance nor any column of the grid explains a later move, beyond chance in all these looks."""
    assert standing_out(fair) == {}
    assert 0.7 < float(np.std(list(fair.values()))) < 1.4


def test_in_a_market_led_by_flow_its_columns_foretell_the_mid() -> None:
    """The same regressions see it at strength 1: liquidity that is added below spot leads the mid upwards."""
    found = standing_out(t_statistics(market(1.0)))
    assert found["v_add, below - above, 1 bins ahead"] > 0
    assert found["pressure_variant, below - above, 1 bins ahead"] > 0
