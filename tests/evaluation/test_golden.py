"""Conformance: every fire and every figure of the golden values, made by an independent reference."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.twins import names
from vpharness.evaluation import (
    DatasetView,
    EvaluationParameters,
    Figures,
    FireOutcomes,
    SplitParameters,
    evaluate,
    figures_of,
)

KEY = ["score", "threshold", "tp_ticks", "sl_ticks", "cooldown_bins"]
FIGURES = {
    "mid": {
        "tp_rate": "tp_rate",
        "mean_pnl_ticks": "mean_pnl_ticks",
        "median_time_to_outcome_ms": "median_time_to_outcome_ms",
        "sl_rate": "sl_rate",
        "timeout_rate": "timeout_rate",
        "n_signals": "n_signals",
        "n_censored": "n_censored",
        "n_up": "n_up",
        "n_down": "n_down",
        "events_per_hour": "events_per_hour",
    },
    "net": {
        "tp_rate": "net_tp_rate",
        "mean_pnl_ticks": "net_pnl_ticks",
        "median_time_to_outcome_ms": "median_net_time_to_outcome_ms",
        "n_signals": "n_net",
        "n_censored": "n_net_censored",
        "events_per_hour": "events_per_hour",
    },
}


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, pd.DataFrame]:
    """Return the golden tables by name."""
    tables = ("bins", "scores", "evaluation", "fires")
    return {name: pd.read_parquet(shared / "golden" / f"esh4.{name}.parquet") for name in tables}


def view_of(bins: pd.DataFrame) -> DatasetView:
    """Return what evaluation sees of the golden bins."""
    return DatasetView(
        name="esh4",
        checksum="esh4",
        span=(int(bins["bin_start_ns"].iloc[0]), int(bins["bin_end_ns"].iloc[-1])),
        tick_size=0.25,
        cell_width_ms=100.0,
        mid=bins["mid_price"].to_numpy(),
        book_valid=bins["book_valid"].to_numpy(),
        best_bid=bins["best_bid_price_int"].to_numpy(),
        best_ask=bins["best_ask_price_int"].to_numpy(),
    )


def assert_fires(expected: pd.DataFrame, found: FireOutcomes, kind: str) -> None:
    """Compare every fire: bins, sides and outcomes exactly, P&L and times to 1e-9."""
    assert found.fires.bins.tolist() == expected["bin"].tolist()
    assert found.fires.directions.tolist() == expected["side"].tolist()
    assert names(getattr(found, f"{kind}_code")) == expected["outcome"].tolist()
    assert getattr(found, f"{kind}_exit").tolist() == expected["exit_bin"].tolist()
    np.testing.assert_allclose(getattr(found, f"{kind}_pnl_ticks"), expected["pnl_ticks"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(getattr(found, f"{kind}_time_ms"), expected["time_to_outcome_ms"], rtol=1e-9)


def assert_figures(expected: "pd.Series[Any]", found: Figures, kind: str) -> None:
    """Compare every figure that the golden table has of this kind."""
    for theirs, ours in FIGURES[kind].items():
        np.testing.assert_allclose(getattr(found, ours), expected[theirs], rtol=1e-9, atol=1e-12, err_msg=ours)


def test_every_golden_fire_and_figure(golden: dict[str, pd.DataFrame]) -> None:
    """All scores, thresholds, barriers and cooldowns, at the mid and net."""
    dataset = view_of(golden["bins"])
    compared = 0
    for key, rows in golden["evaluation"].groupby(KEY):
        settings: dict[str, Any] = dict(zip(KEY, cast("tuple[Any, ...]", key), strict=True))
        mine = np.logical_and.reduce([golden["fires"][name] == value for name, value in settings.items()])
        fires = golden["fires"][mine]
        score, threshold = golden["scores"][settings.pop("score")].to_numpy(), settings.pop("threshold")
        evaluation = EvaluationParameters(**settings, cost_ticks=0.2, null_draws=99).resolve(100.0)
        (candidate,) = evaluate(dataset, score, [threshold], evaluation, SplitParameters(kind="none"))
        judged = candidate.parts["all"]
        figures = figures_of(judged.evidence, evaluation.tp_ticks, evaluation.sl_ticks)
        for kind in FIGURES:
            assert_fires(fires[fires["kind"] == kind], judged.outcomes, kind)
            assert_figures(rows[rows["kind"] == kind].iloc[0], figures, kind)
            compared += 1
    assert compared == len(golden["evaluation"])
