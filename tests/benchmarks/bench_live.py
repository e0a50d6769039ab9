"""How long a live session takes for a bin, events in and scored bin out, over an hour of a market.

python -m tests.benchmarks.bench_live [FILE.dbn.zst TICK_SIZE START]
"""

import sys
import time
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation import EvaluationParameters
from vpharness.events.dbn import DbnSource
from vpharness.events.source import Source
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.layout import new_state
from vpharness.lattice.parameters import LatticeParameters
from vpharness.live import LiveModel, LiveSession
from vpharness.signals import resolve, scorer
from vpharness.tasks.spans import parse_time_ns

LATTICE: Final = LatticeParameters()
SIGNALS: Final = ("perm_derivative", "ads_pfp_svac")
COMPILING_BINS: Final = 10
"""The first bins compile, and are left out."""


def model_of(name: str) -> LiveModel:
    """Return a signal as it is served by default."""
    signal = resolve(f"vpharness.signals.{name}.{name}")
    rules = EvaluationParameters().resolve(LATTICE.cell_width_ms)
    ready = scorer(signal, cell_width_ms=LATTICE.cell_width_ms, radius=LATTICE.radius)
    return LiveModel(ready, tuple(signal.parameters().thresholds), rules.warmup_bins, rules.cooldown_bins)


def seconds_of_bins(source: Source, start_ns: int | None, model: LiveModel) -> NDArray[np.float64]:
    """Return the seconds [n, 2] that each bin took, of the clock and of the processor.

    A bin is its events and the word that there are no more of them. On a machine that is shared the clock also runs
    while others have the processor.
    """
    with source.open() as stream:
        size_unit, events = stream.size_unit, np.concatenate(list(stream.chunks))
    state = new_state(
        LATTICE,
        tick_size=source.tick_size,
        size_unit=size_unit,
        evict_crossed_ms=source.default_evict_crossed_ms,
        start_ns=start_ns,
    )
    session = LiveSession(model, state)
    width_ns = LATTICE.cell_width_ms * 1_000_000
    times = np.maximum.accumulate(events["ts_ns"])
    begin_ns = max(start_ns or 0, int(times[0])) // width_ns * width_ns
    end_ns = (int(times[-1]) // width_ns + 1) * width_ns
    first = int(np.searchsorted(times, begin_ns))
    session.take(events[:first], begin_ns)
    ends = np.arange(begin_ns, end_ns, width_ns) + width_ns
    cuts = [first, *np.searchsorted(times, ends).tolist()]
    taken = []
    for (start, stop), bin_end_ns in zip(pairwise(cuts), ends.tolist(), strict=True):
        begun = np.array([time.perf_counter(), time.process_time()])
        bins = session.take(events[start:stop], bin_end_ns)
        spent = np.array([time.perf_counter(), time.process_time()]) - begun
        if bins:
            taken.append(spent / len(bins))
    return np.array(taken[COMPILING_BINS:])


def main() -> None:
    """Print the median and the 99th percentile of each signal."""
    source: Source = SyntheticSource()
    start_ns = None
    if len(sys.argv) == 4:
        source, start_ns = DbnSource(sys.argv[1], float(sys.argv[2])), parse_time_ns(sys.argv[3], "start")
    for name in SIGNALS:
        seconds = seconds_of_bins(source, start_ns, model_of(name))
        for what, each in zip(("clock", "processor"), seconds.T, strict=True):
            p50, p99, worst = 1e3 * np.quantile(each, [0.5, 0.99, 1.0])
            print(f"{name}, {what}: {len(each):,} bins, p50 {p50:.2f} ms, p99 {p99:.2f} ms, worst {worst:.1f} ms")


if __name__ == "__main__":
    main()
