"""How long a live session takes for a bin, events in and scored bin out, over an hour of a market, for every signal.

python -m tests.benchmarks.bench_live [FILE.dbn.zst TICK_SIZE START]
"""

import sys
import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.config.time_parsing import parse_time_ns
from vpharness.evaluation import EvaluationParameters
from vpharness.events.dbn import DbnSource
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.live import LiveModel
from vpharness.signals import resolve, scorer
from vpharness.simulation.inputs import EventInput

LATTICE: Final = LatticeParameters()
SIGNALS: Final = ("ads", "ads_pfp_svac", "erd", "iirc", "jad", "msd", "perm_derivative", "pfp", "spg", "svac")
THRESHOLDS: Final = (0.02, 0.05, 0.08, 0.1, 0.15, 0.2)
"""Of every signal, those whose own are quantiles included: what they are makes no difference to the time."""
COMPILING_BINS: Final = 10
"""The first bins compile, and are left out."""


def model_of(name: str) -> LiveModel:
    """Return a signal as it is served by default."""
    signal = resolve(f"vpharness.signals.{name}.{name}")
    rules = EvaluationParameters().resolve(LATTICE.cell_width_ms)
    ready = scorer(signal, cell_width_ms=LATTICE.cell_width_ms, radius=LATTICE.radius)
    return LiveModel(ready, THRESHOLDS, rules.warmup_bins, rules.cooldown_bins)


def milliseconds_of_bins(replay: EventInput, model: LiveModel) -> NDArray[np.float64]:
    """Return the milliseconds [n, 3] that each bin took: scoring alone, and all of it by the clock and the processor.

    On a machine that is shared the clock also runs while others have the processor.
    """
    taken = []
    with replay.opened(model) as (_, steps):
        for step in steps:
            begun = time.perf_counter_ns(), time.process_time_ns()
            bins, spent = step()
            clock, processor = time.perf_counter_ns() - begun[0], time.process_time_ns() - begun[1]
            if len(bins) == 1:
                taken.append((spent["score"], clock, processor))
    return np.array(taken[COMPILING_BINS:]) / 1e6


def main() -> None:
    """Print the median and the 99th percentile of each signal."""
    replay = EventInput(SyntheticSource(), LATTICE, None, None)
    if len(sys.argv) == 4:
        start_ns = parse_time_ns(sys.argv[3], "start")
        replay = EventInput(DbnSource(sys.argv[1], float(sys.argv[2])), LATTICE, start_ns, None)
    print(f"{'ms':<16}" + "".join(f"{what:>26}" for what in ("scoring, clock", "whole, clock", "whole, processor")))
    for name in SIGNALS:
        ms = milliseconds_of_bins(replay, model_of(name))
        quantiles = np.quantile(ms, [0.5, 0.99], axis=0).T
        print(f"{name:<16}" + "".join(f"{f'p50 {p50:.3f}  p99 {p99:.3f}':>26}" for p50, p99 in quantiles), flush=True)
    print(f"{len(ms):,} bins each")


if __name__ == "__main__":
    main()
