"""Every experiment and every signal composes and runs; so does a signal of a user's own."""

import itertools
import json
from pathlib import Path

import pandas as pd
import pytest

from tests.commands.test_cli import PROJECT, in_process
from tests.docs.markdown import importable

EXPERIMENTS = sorted(file.stem for file in (PROJECT / "conf" / "experiment").glob("*.yaml"))
SIGNALS = sorted(file.stem for file in (PROJECT / "conf" / "signal").glob("*.yaml"))
SHORT = ["source.minutes=5", "eval.max_hold_bins=60", "json=true", "save_series=false", "tracking.kind=none"]

OWN_SIGNAL = '''
from dataclasses import dataclass

from jax import Array

from vpharness.parameters import parameter
from vpharness.signals import Clock, Grid, SignalParameters, fixed_thresholds, signal


@dataclass(frozen=True)
class Imbalance(SignalParameters):
    thresholds: list[float] = fixed_thresholds(0.5, 1.0)
    window: int = parameter(50, meaning="window of the robust z", unit="bins", minimum=2)


@signal(columns=("bid_depth", "ask_depth"))
def imbalance(time: Clock, grid: Grid, p: Imbalance) -> Array:
    """Resting bids less resting asks."""
    return time.robust_z((grid.bid_depth - grid.ask_depth).sum(-1), p.window, 10)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One lake for all of them: the ten minutes of market are built once."""
    return tmp_path_factory.mktemp("experiments")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_composes_and_its_point_runs(folder: Path, name: str) -> None:
    """Without its axes an experiment is one run; with them it asks for a multirun."""
    if "sweep" in (PROJECT / "conf" / "experiment" / f"{name}.yaml").read_text(encoding="utf-8"):
        refused = in_process(folder, f"experiment={name}")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"python -m vpharness -m experiment={name}" in refused.stderr
    point = in_process(folder, f"experiment={name}", "sweep=null", *SHORT)
    assert point.returncode == 0, point.stderr
    assert json.loads(point.stdout)["candidates"]


def test_a_multirun_runs_every_point_of_an_experiment(folder: Path) -> None:
    """Axes of the experiment are swept; one that is given stands instead; the store has a row for each point."""
    axes = ["signal.pfp_lag_ms=300", "signal.ads_slope_windows_ms=[800,2000,4000]", "eval.cooldown_bins=20"]
    run = in_process(folder, "-m", "experiment=tune_ads_pfp_svac_runtime", *axes, *SHORT)
    assert run.returncode == 0, run.stderr
    meta = pd.read_parquet(folder / "lake" / "research" / "vp_harness" / "results" / "runs_meta.parquet")
    identities = [json.loads(text) for text in meta[meta["signal"] == "ads_pfp_svac"]["identity"]]
    points = [identity["signal"]["parameters"] for identity in identities]
    swept = [(p["pfp_ema_alpha"], p["composite_weight_ads"], p["composite_weight_pfp"]) for p in points]
    assert set(itertools.product([0.05, 0.1], [0.35, 0.4], [0.25, 0.3])) <= set(swept)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_composes_and_runs(folder: Path, name: str) -> None:
    """Every YAML of the group signal."""
    run = in_process(folder, f"signal={name}", *SHORT)
    assert run.returncode == 0, run.stderr
    assert {row["signal"] for row in json.loads(run.stdout)["candidates"]} == {name}


def test_a_signal_of_ones_own_needs_a_module_and_a_yaml(folder: Path) -> None:
    """Neither lies in this package; its keys are checked like those of the others."""
    (folder / "my_signals.py").write_text(OWN_SIGNAL, encoding="utf-8")
    group = folder / "my_conf" / "signal"
    group.mkdir(parents=True)
    (group / "imbalance.yaml").write_text("_target_: my_signals.imbalance\n", encoding="utf-8")
    own = ["--config-dir", "my_conf", "signal=imbalance"]
    with importable(folder):
        run = in_process(folder, *own, "signal.window=30", *SHORT)
        assert run.returncode == 0, run.stderr
        assert {row["threshold"] for row in json.loads(run.stdout)["candidates"]} == {"0.5", "1"}
        wrong = in_process(folder, *own, "signal.windows=30", *SHORT)
    assert "signal.windows is not a key here; did you mean signal.window?" in wrong.stderr
