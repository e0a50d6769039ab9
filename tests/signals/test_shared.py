"""Many parameter sets on one grid: the scores of each alone, for the price of what differs."""

from typing import Any, Final

import numpy as np
import pytest
from jax import Array

from tests.signals.battery import CAPACITY, SIGNALS, made_up_columns
from vpharness.errors import ConfigError
from vpharness.signals import CHUNK_TOLERANCE, Clock, Grid, Memo, SignalParameters, score, score_many, signal

BINS: Final = 420
RADIUS: Final = 26
CELL_WIDTH_MS: Final = 100

TABLES: Final[dict[str, list[dict[str, Any]]]] = {
    "perm_derivative": [{"zscore_window_bins": 90}, {"zscore_window_bins": 90, "d2_weight": 0.3}],
    "ads": [{"zscore_window": 60}, {"zscore_window": 60, "slope_windows": [5, 25, 50]}],
    "pfp": [{"lag_bins": 3}, {"lag_bins": 3, "ema_alpha": 0.5}],
    "spg": [{}, {"band": 10}],
    "erd": [{"variant": "a"}, {"variant": "b"}],
    "jad": [{"zscore_window": 60}, {"zscore_window": 60, "tanh_scale": 2.0}],
    "iirc": [{}, {"fast_window": 7}],
    "msd": [{"variant": "sum"}, {"variant": "weighted"}],
    "svac": [{}, {"norm_alpha": 0.2}],
    "ads_pfp_svac": [{"ads_warmup_ms": 4000}, {"ads_warmup_ms": 9000, "pfp_lag_ms": 300}],
}


FEW: Final = ("perm_derivative", "erd", "msd", "ads_pfp_svac")
"""Between them they call every operator and have every kind of parameter; the others are tried by the slow proofs."""


@pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in SIGNALS]
)
def test_each_scores_as_it_does_alone(name: str) -> None:
    """Whatever is shared between parameter sets, each gets the scores that it gets by itself."""
    chosen = SIGNALS[name]
    many = [chosen.parameters(**params) for params in TABLES[name]]
    columns = made_up_columns(chosen.columns, BINS, RADIUS, seed=11)
    together = list(score_many(chosen, many, columns, cell_width_ms=CELL_WIDTH_MS))
    for params, found in zip(many, together, strict=True):
        wanted = score(chosen, params, columns, cell_width_ms=CELL_WIDTH_MS, capacity=CAPACITY)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=CHUNK_TOLERANCE)
    assert (together[0] != together[1]).any()


def test_weights_and_minimum_periods_run_no_operator_again() -> None:
    """Of a table of 16 only the two windows differ in what the rolling statistics see."""
    chosen = SIGNALS["perm_derivative"]
    columns = made_up_columns(chosen.columns, BINS, RADIUS, seed=12)

    def runs(**axes: list[Any]) -> int:
        memo = Memo()
        table: list[dict[str, Any]] = [{}]
        for name, values in axes.items():
            table = [{**params, name: value} for params in table for value in values]
        many = [chosen.parameters(**params) for params in table]
        assert len(list(score_many(chosen, many, columns, cell_width_ms=CELL_WIDTH_MS, memo=memo))) == len(table)
        return memo.runs

    alone = runs(zscore_window_bins=[90])
    mixed = runs(zscore_window_bins=[90], zscore_min_periods=[30, 60], d2_weight=[0.0, 0.2], d3_weight=[0.0, 0.1])
    assert mixed - alone == 7  # the last piece, which masks and mixes, for each of the other sets
    windows = runs(zscore_window_bins=[90, 100])
    assert windows - alone == 3 + 1  # the statistics of three derivatives, and the last piece


def test_memory_is_bounded() -> None:
    """With room for a few series only, work is done again and the scores stay the same."""
    chosen = SIGNALS["pfp"]
    columns = made_up_columns(chosen.columns, BINS, RADIUS, seed=13)
    many = [chosen.parameters(lag_bins=lag, ema_alpha=alpha) for alpha in (0.1, 0.2) for lag in (1, 2, 3)]
    roomy, narrow = Memo(), Memo(limit_bytes=3 * 8 * BINS)
    wanted = list(score_many(chosen, many, columns, cell_width_ms=CELL_WIDTH_MS, memo=roomy))
    found = list(score_many(chosen, many, columns, cell_width_ms=CELL_WIDTH_MS, memo=narrow))
    np.testing.assert_array_equal(found, wanted)
    assert narrow.runs > roomy.runs


def test_bins_without_a_valid_book_are_not_shown() -> None:
    """The gaps of a dataset are those of a single run."""
    chosen = SIGNALS["svac"]
    columns = made_up_columns(chosen.columns, BINS, RADIUS, seed=14)
    valid = np.random.default_rng(15).random(BINS) < 0.9
    (found,) = score_many(chosen, [chosen.parameters()], columns, cell_width_ms=CELL_WIDTH_MS, valid=valid)
    wanted = score(chosen, None, columns, cell_width_ms=CELL_WIDTH_MS, valid=valid)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=CHUNK_TOLERANCE)


def test_everything_is_checked_before_anything_runs() -> None:
    """The last of the parameter sets being out of range, the first one is not scored either."""
    chosen = SIGNALS["svac"]
    columns = made_up_columns(chosen.columns, 5, 3, seed=16)
    with pytest.raises(ConfigError, match=r"norm_alpha is 2\.0; it must be at most 1"):
        score_many(
            chosen, [chosen.parameters(), chosen.parameters(norm_alpha=2.0)], columns, cell_width_ms=CELL_WIDTH_MS
        )


def test_a_body_may_hand_on_what_it_was_given() -> None:
    """Scores that are a column's cells, and an operator called with a constant, are cut like anything else."""

    @signal(columns=("x",))
    def plain(time: Clock, grid: Grid, p: SignalParameters) -> Array:
        """Look at the cell before."""
        return time.lag(grid.x[:, 0], 2)

    (found,) = score_many(plain, [SignalParameters([1.0])], {"x": np.arange(4.0)[:, None]}, cell_width_ms=100)
    np.testing.assert_array_equal(found, [0.0, 0.0, 0.0, 1.0])
