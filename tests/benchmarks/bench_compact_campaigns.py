"""What campaigns cost on a dataset without columns, beside the same on stored ones, signal by signal.

    python -m tests.benchmarks.bench_compact_campaigns [FILE TICK_SIZE START]

Without a file a simulated hour is taken, or as many minutes as MINUTES says. Each of the ten signals is run with 24
evaluations (three take-profits, two stops, two holds, two cooldowns), without writing anything. Times are of the
processor, in this process, datasets opened and verified anew; machine code is there. The first time columns are
computed from events and put into the cache, which is empty for each signal; the second time they are read from it. At
last the ten are carried out on a cache that is empty before the first: one after the other, where signals share
columns, and as one campaign, whose columns are computed in one pass.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.benchmarks.bench_queue import BARRIERS, signal_of
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.execute import RunFailure, execute_many
from vpharness.campaigns.run_spec import RunSpec
from vpharness.config.time_parsing import parse_time_ns
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.evaluation import EvaluationParameters, SplitParameters
from vpharness.events.dbn import DbnSource
from vpharness.events.event_source import Source
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.signals import resolve

SIGNALS: Final = ("perm_derivative", "ads", "pfp", "spg", "erd", "jad", "iirc", "msd", "svac", "ads_pfp_svac")
EVALUATIONS: Final = tuple(
    EvaluationParameters(tp_ticks=tp, sl_ticks=sl, max_hold_bins=hold, cooldown_bins=cooldown)
    for tp, sl, hold in BARRIERS
    for cooldown in (10, 30)
)


def campaign(lake: Lake, dataset_id: str, signal: str) -> float:
    """Carry out the runs of a signal on a dataset; return the processor's time."""
    begun = time.process_time()
    cache = DatasetCache.of(find_dataset(lake, dataset_id))
    target, parameters = signal_of(signal)
    specs = [RunSpec(cache.dataset, target, parameters, each, SplitParameters()) for each in EVALUATIONS]
    for outcome in execute_many(specs, cache):
        if isinstance(outcome, RunFailure):
            raise outcome.error
    return time.process_time() - begun


def prepared(lake: Lake, dataset_id: str) -> float:
    """Compute the columns of all signals, as a campaign does before its first run; return the processor's time."""
    begun = time.process_time()
    columns = {name for signal in SIGNALS for name in resolve(signal_of(signal)[0]).columns}
    DatasetCache.of(find_dataset(lake, dataset_id)).prepare([name for name in GRID_COLUMNS if name in columns])
    return time.process_time() - begun


def main() -> None:
    """Print the times of each signal, and of all."""
    source: Source = SyntheticSource(seed=5, minutes=int(os.environ.get("MINUTES", "60")))
    start_ns = None
    if len(sys.argv) == 4:
        source, start_ns = DbnSource(sys.argv[1], float(sys.argv[2])), parse_time_ns(sys.argv[3], "start")
    total = [0.0] * 3
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        build(lake, source, LatticeParameters(), dataset_id="all", start_ns=start_ns, columns=tuple(GRID_COLUMNS))
        build(lake, source, LatticeParameters(), dataset_id="none", start_ns=start_ns, columns=())
        for signal in SIGNALS:
            campaign(lake, "all", signal)  # compiles
            campaign(lake, "none", signal)
        for signal in SIGNALS:
            shutil.rmtree(lake.cache.folder)
            times = campaign(lake, "all", signal), campaign(lake, "none", signal), campaign(lake, "none", signal)
            total = [before + more for before, more in zip(total, times, strict=True)]
            show(signal, times)
        show("all", total)
        shutil.rmtree(lake.cache.folder)
        in_turn = sum(campaign(lake, "none", signal) for signal in SIGNALS)
        print(f"one after the other: compact {in_turn:.2f} s, ratio {in_turn / total[0]:.2f}", flush=True)
        shutil.rmtree(lake.cache.folder)
        together = prepared(lake, "none") + sum(campaign(lake, "none", signal) for signal in SIGNALS)
        print(f"as one campaign: compact {together:.2f} s, ratio {together / total[0]:.2f}")


def show(signal: str, times: tuple[float, ...] | list[float]) -> None:
    """Print what a signal took."""
    stored, first, second = times
    print(
        f"{signal}: stored {stored:.2f} s; compact {first:.2f} s and {second:.2f} s, ratios {first / stored:.2f} and "
        f"{second / stored:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
