"""Campaigns of a signal that knows nothing, through datasets, sweep, store and ranking, by the command line alone."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.commands.test_cli import in_process, vpharness

SEEDS = 20
THRESHOLDS = 5
LEAST_RANKABLE = 60
SHORT = ["eval.tp_ticks=4", "eval.sl_ticks=2", "eval.max_hold_bins=300", "tracking=none", "save_series=false"]


def with_noise(folder: Path, seed: int, minutes: int) -> list[str]:
    """Build a market, make the signal known, and return the words that choose both."""
    built = in_process(folder, "build", f"source.seed={seed}", f"source.minutes={minutes}", "dataset.id=market")
    assert built.returncode == 0, built.stderr
    group = folder / "my_conf" / "signal"
    group.mkdir(parents=True)
    (group / "hashed_noise.yaml").write_text("_target_: tests.commands.hashed_noise.hashed_noise\n", encoding="utf-8")
    return ["--config-dir", "my_conf", "signal=hashed_noise", "dataset.id=market"]


def compared(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return the rows of `compare`."""
    said = in_process(folder, "compare", "json=true", *arguments)
    assert said.returncode == 0, said.stderr
    rows: list[dict[str, Any]] = json.loads(said.stdout)
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("market", range(5))
def test_a_campaign_of_noise_crowns_nobody(tmp_path: Path, market: int) -> None:
    """An hour of a simulated martingale, 20 seeds at 5 thresholds: alone some look good, in their family none does."""
    own = with_noise(tmp_path, market, 60)
    run = vpharness(tmp_path, "-m", *own, f"signal.seed=range({SEEDS})", *SHORT)
    assert run.returncode == 0, run.stderr
    results = tmp_path / "lake" / "research" / "vp_harness" / "results"
    assert pd.read_parquet(results / "runs_meta.parquet")["status"].tolist() == ["done"] * SEEDS
    assert pd.read_parquet(results / "fires.parquet")["fires_digest"].nunique() == SEEDS * THRESHOLDS

    rows = compared(tmp_path, "top=1000", "min_signals=0")
    adjusted = [row["p_adjusted"] for row in rows if row["p_adjusted"] is not None]
    assert len(rows) == SEEDS * THRESHOLDS
    assert len(adjusted) >= LEAST_RANKABLE
    assert {row["family_size"] for row in rows} == {len(adjusted)}
    assert min(row["p_value"] for row in rows) <= 0.05, "alone, some candidate looks good"
    assert not any(row["winner"] for row in rows)
    (crowned,) = compared(tmp_path, "sort=tp_rate", "top=1")
    print(
        f"market {market}: {len(adjusted)} rankable, least p {min(row['p_value'] for row in rows):.3f}, adjusted "
        f"{min(adjusted):.3f}; by TP rate {crowned['tp_rate']:.2f} of {crowned['n_signals']} fires"
    )


@pytest.mark.slow
def test_the_noise_does_not_look_ahead(tmp_path: Path) -> None:
    """What it hashes lies in the bin itself and before: the audit finds nothing."""
    said = vpharness(tmp_path, "audit", *with_noise(tmp_path, 0, 2), "json=true")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["passed"]
