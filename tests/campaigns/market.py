"""A small market for campaigns: a dataset, specs on it, and a signal that can fail or die."""

from pathlib import Path

from vpharness.campaigns.run_spec import RunSpec
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import Lake
from vpharness.evaluation import EvaluationParameters, SplitParameters
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.signals import SignalParameters

MINUTES = 4
EVALUATION = [f"source.minutes={MINUTES}", "eval.max_hold_bins=20", "eval.warmup_bins=50", "eval.null_draws=99"]

OWN_SIGNAL = """
import os
import signal as signals
from dataclasses import dataclass
from pathlib import Path

from jax import Array

from vpharness.parameters import parameter
from vpharness.signals import Clock, Grid, SignalParameters, signal

PLANNER, DEATHS = Path(__file__).with_name("planner.pid"), Path(__file__).with_name("deaths")
if not PLANNER.exists():
    PLANNER.write_text(str(os.getpid()))
    DEATHS.write_text("")


@dataclass(frozen=True)
class Fragile(SignalParameters):
    scale: float = parameter(1.0, meaning="factor of the score")
    deaths: str = parameter("0", meaning="how often a process that carries it out dies")


@signal(columns=("bid_depth", "ask_depth"))
def fragile(time: Clock, grid: Grid, p: Fragile) -> Array:
    if PLANNER.read_text() != str(os.getpid()) and len(DEATHS.read_text()) < int(p.deaths):
        DEATHS.write_text(DEATHS.read_text() + "x")
        os.kill(os.getpid(), signals.SIGKILL)
    return p.scale * time.rate((grid.bid_depth - grid.ask_depth).sum(-1))
"""
"""Silent where scale is 0; kills the processes that carry it out, but not the one that plans, `deaths` times."""


def add_own_signal(folder: Path) -> list[str]:
    """Write the signal and its YAML into a folder; return the words that have it found."""
    (folder / "fragile.py").write_text(OWN_SIGNAL, encoding="utf-8")
    group = folder / "my_conf" / "signal"
    group.mkdir(parents=True)
    (group / "fragile.yaml").write_text("_target_: fragile.fragile\n", encoding="utf-8")
    return ["--config-dir", "my_conf"]


def small_dataset(lake: Path, *, seed: int = 0) -> Dataset:
    """Build a few minutes of market."""
    built = build(Lake(lake), SyntheticSource(seed=seed, minutes=MINUTES), LatticeParameters())
    return Dataset(built.path, built.manifest)


def spec(
    dataset: Dataset,
    target: str,
    parameters: SignalParameters,
    *,
    cooldown_bins: int = 10,
    tp_ticks: float = 4.0,
    kind: str = "time",
) -> RunSpec:
    """Return a run that is over quickly."""
    evaluation = EvaluationParameters(
        tp_ticks=tp_ticks, cooldown_bins=cooldown_bins, max_hold_bins=20, warmup_bins=50, null_draws=99
    )
    return RunSpec(dataset, target, parameters, evaluation, SplitParameters(kind=kind))
