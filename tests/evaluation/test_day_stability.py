"""Stability over days: what days, hours and kinds of day earned, and what later entries would have earned."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive_stability
from tests.evaluation.paths import martingale
from vpharness.evaluation import (
    EvaluationParameters,
    Fires,
    SplitParameters,
    fire_outcomes,
    outcomes_of_bins,
    parts_of,
)
from vpharness.evaluation.day_stability import (
    Day,
    by_hour,
    by_tercile,
    day_of,
    decay_of,
    drawdown,
    equity,
    horizons_within,
    share_above_zero,
    spread_ticks,
    terciles,
    volatility_ticks,
    worst_day,
)

HOUR_BINS = 36_000


def day(name: str, *net: float, hours: tuple[int, ...] | None = None) -> Day:
    """Return a day with some results."""
    return Day(name, 0, np.array(hours or (0,) * len(net), np.int64), np.array(net, np.float64), 1.0, 1.0)


def test_days_without_fires_are_neither_above_nor_below_zero() -> None:
    """Two of three days that fired earned something; the worst of them lost two ticks."""
    days = [day("a", 1.0, 2.0), day("quiet"), day("b", -3.0, 1.0), day("c", 0.5)]
    assert share_above_zero(days) == pytest.approx(2 / 3)
    worst = worst_day(days)
    assert worst is not None
    assert (worst.name, worst.total) == ("b", -2.0)
    assert math.isnan(share_above_zero([day("quiet")]))
    assert worst_day([day("quiet")]) is None


def test_a_drawdown_begins_at_the_start_or_at_any_peak() -> None:
    """Equity that only falls has fallen from 0; one that only rises has no drawdown."""
    assert drawdown(equity([day("a", -1.0, -2.0), day("b", 1.0)])) == 3.0
    assert drawdown(equity([day("a", 1.0), day("b", 2.0)])) == 0.0
    assert drawdown(equity([day("a", 5.0, -1.0), day("b", 2.0, -4.0, 9.0)])) == 4.0
    assert drawdown(equity([])) == 0.0


@given(st.lists(st.integers(-5, 5), max_size=30))
def test_a_drawdown_is_the_greatest_fall(results: list[int]) -> None:
    """The plain twin compares every height with every later one."""
    assert drawdown(np.cumsum(np.array(results, np.float64))) == naive_stability.drawdown(results)


@given(st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0, math.nan]), max_size=20))
def test_terciles_are_thirds_of_the_ranks(values: list[float]) -> None:
    """Equal values keep their order, missing ones have none."""
    assert terciles(values) == naive_stability.terciles(values)


def test_hours_and_terciles_add_up_over_days() -> None:
    """Days count where they have fires in the cell."""
    days = [day("a", 1.0, -2.0, hours=(0, 5)), day("b", 4.0, hours=(5,)), day("quiet")]
    found = by_hour(days)
    assert [(hour, cell.days, cell.n, cell.total) for hour, cell in found.items()] == [(0, 1, 1, 1.0), (5, 2, 2, 2.0)]
    cells = by_tercile(days, [3.0, 1.0, math.nan])
    assert {name: (cell.days, cell.n, cell.mean) for name, cell in cells.items()} == {
        "low": (1, 1, 4.0),
        "middle": (1, 2, -0.5),
    }


@pytest.mark.parametrize("cost", [0.0, 0.75])
def test_decay_is_what_the_same_fires_would_have_earned_later(cost: float) -> None:
    """Every cell equals the plain twin's, on a market with bins without a book; the first delay is what was judged."""
    view = martingale(3, 3000, 0.4)[0]
    valid = np.ones(3000, np.bool_)
    valid[[500, 501, 777]] = False
    view = replace(view, book_valid=valid)
    evaluation = EvaluationParameters(max_hold_bins=40, warmup_bins=10, cost_ticks=cost, tp_ticks=4, sl_ticks=4)
    resolved = evaluation.resolve(view.cell_width_ms)
    (part,) = parts_of(view, resolved, SplitParameters(kind="none"))
    rng = np.random.default_rng(1)
    bins = np.sort(rng.choice(np.arange(10, 2990), 200, replace=False))
    fires = Fires(bins, rng.choice([-1, 1], 200).astype(np.int8))
    table = outcomes_of_bins(view, resolved)
    found = decay_of(view, table, part, fires)
    farthest = max(found.delays) + max(*found.horizons, resolved.net_reach_bins)
    kept = [(int(each), int(way)) for each, way in zip(bins, fires.directions, strict=True) if each + farthest < 3000]
    assert found.n_fires == len(kept) < 200
    assert found.horizons == horizons_within(resolved) == (1, 2, 5, 10, 20, 40)
    assert view.best_bid is not None
    assert view.best_ask is not None
    market = {
        "mid": np.where(view.has_mid, view.mid / view.tick_size, np.nan).tolist(),
        "bid": np.where(valid, view.best_bid / (view.tick_size * 1e9), np.nan).tolist(),
        "ask": np.where(valid, view.best_ask / (view.tick_size * 1e9), np.nan).tolist(),
        "cost": cost,
    }
    for row, delay in enumerate(found.delays):
        for column, horizon in enumerate(found.horizons):
            twin = naive_stability.decay_cell(market, kept, delay, horizon)
            assert found.mean_move[row, column] == pytest.approx(twin["move"], abs=1e-9)
            assert found.mean_touch[row, column] == pytest.approx(twin["net"], abs=1e-9)
    several = Fires(np.array([each for each, _ in kept]), np.array([way for _, way in kept], np.int8))
    judged = fire_outcomes(table, several, part).net_pnl_ticks
    assert found.mean_judged[0] == pytest.approx(np.nanmean(judged))
    shifted = fire_outcomes(table, Fires(several.bins + 5, several.directions), part).net_pnl_ticks
    assert found.mean_judged[found.delays.index(5)] == pytest.approx(np.nanmean(shifted))
    assert (found + found).mean_move == pytest.approx(found.mean_move, nan_ok=True)


def test_the_kind_of_a_day_is_measured_on_its_prices() -> None:
    """Volatility is that of the plain twin, the spread a mean over valid bins; fires have hours from the first bin."""
    view = martingale(5, 3 * HOUR_BINS, 0.2)[0]
    mid = np.where(view.has_mid, view.mid, np.nan).tolist()
    assert volatility_ticks(view) == pytest.approx(naive_stability.volatility(mid, view.tick_size, 600))
    assert view.best_bid is not None
    assert view.best_ask is not None
    assert spread_ticks(view) == pytest.approx(np.mean(view.best_ask - view.best_bid) / (view.tick_size * 1e9))
    assert math.isnan(spread_ticks(replace(view, best_bid=None, best_ask=None)))
    resolved = EvaluationParameters(max_hold_bins=40, warmup_bins=10).resolve(100)
    (part,) = parts_of(view, resolved, SplitParameters(kind="none"))
    bins = np.array([100, HOUR_BINS - 1, HOUR_BINS, 2 * HOUR_BINS + 5, 3 * HOUR_BINS - 1])
    fires = Fires(bins, np.ones(5, np.int8))
    found = day_of(view, fire_outcomes(outcomes_of_bins(view, resolved), fires, part))
    assert found.hours.tolist() == [0, 0, 1, 2], "the last one is censored"
    assert found.start_ns == view.span[0]
