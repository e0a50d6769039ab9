"""How long a live session takes for a bin, events in and scored bin out, over an hour of a market, for every signal.

Learned signals, with the word `learned`, have the weights of one fit to random features.

python -m tests.benchmarks.bench_live [learned] [FILE.dbn.zst TICK_SIZE START]
"""

import sys
import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.bench_learned import NAMES as LEARNED
from tests.benchmarks.bench_learned import fitted_scorer
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
    rules = EvaluationParameters().resolve(LATTICE.cell_width_ms)
    if name in LEARNED:
        ready = fitted_scorer(name)
    else:
        signal = resolve(f"vpharness.signals.{name}.{name}")
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
    words = sys.argv[1:]
    names = LEARNED if words[:1] == ["learned"] else SIGNALS
    replay = EventInput(SyntheticSource(), LATTICE, None, None)
    if len(words) >= 3:
        path, tick_size, start = words[-3:]
        replay = EventInput(DbnSource(path, float(tick_size)), LATTICE, parse_time_ns(start, "start"), None)
    print(f"{'ms':<16}" + "".join(f"{what:>26}" for what in ("scoring, clock", "whole, clock", "whole, processor")))
    for name in names:
        ms = milliseconds_of_bins(replay, model_of(name))
        quantiles = np.quantile(ms, [0.5, 0.99], axis=0).T
        print(f"{name:<16}" + "".join(f"{f'p50 {p50:.3f}  p99 {p99:.3f}':>26}" for p50, p99 in quantiles), flush=True)
    print(f"{len(ms):,} bins each")


if __name__ == "__main__":
    main()
