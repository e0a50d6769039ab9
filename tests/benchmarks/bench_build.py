"""What a build costs: `python -m tests.benchmarks.bench_build [FILE.dbn.zst TICK_SIZE START]`.

Without a file the synthetic hour is built. The engine is timed alone too, on a dense stream with and without its
spectrum, beside the plain twin in the same run; then loading, and growth from one to four hours.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.dense_stream import BIN_NS, LIVE_ORDERS, dense_stream
from tests.naive import naive_lattice
from vpharness.config.time_parsing import parse_time_ns
from vpharness.datasets.build_progress import BuildProgress
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.events.dbn import DbnSource
from vpharness.events.event_source import CHUNK_EVENTS, Source
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_engine import iterate
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import new_state

DENSE_EVENTS = 600_000
TWIN_EVENTS = 12_000
FOUR_COLUMNS = ("v_add", "v_fill", "v_pull", "vacuum_variant")


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def built(lake: Lake, source: Source, dataset_id: str, start_ns: int | None) -> tuple[float, BuildProgress]:
    """Build a dataset; return the wall time and the last progress, with its split into stages."""
    latest = BuildProgress()

    def report(progress: BuildProgress) -> None:
        nonlocal latest
        latest = progress

    took = seconds_of(
        lambda: build(lake, source, LatticeParameters(), dataset_id=dataset_id, start_ns=start_ns, report=report)
    )
    return took, latest


def engine_seconds(events: NDArray[np.void], *, with_spectrum: bool) -> float:
    """Return how long the engine takes for a stream, its first bin's crowd of adds included."""
    state = new_state(LatticeParameters(), tick_size=0.25, size_unit=1.0, start_ns=None)
    state.rules["with_spectrum"] = with_spectrum
    begun = time.perf_counter()
    for start in range(0, len(events), CHUNK_EVENTS):
        state = list(iterate(state, events[start : start + CHUNK_EVENTS]))[-1][0]
    return time.perf_counter() - begun


def bench_engine() -> None:
    """Time the engine alone, best of five, and the twin on the beginning of the same stream."""
    events = dense_stream(DENSE_EVENTS)
    engine_seconds(events[:LIVE_ORDERS], with_spectrum=True)
    for with_spectrum in (False, True):
        best = min(engine_seconds(events, with_spectrum=with_spectrum) for _ in range(5))
        print(f"engine, dense, spectrum {with_spectrum}: {len(events) / best / 1e6:.2f} M events/s")
    part = events[:TWIN_EVENTS]
    fast = min(engine_seconds(part, with_spectrum=True) for _ in range(5))
    slow = seconds_of(lambda: naive_lattice(part, tick_int=250_000_000, size_unit=1.0, cell_width_ms=100))
    print(f"engine against the plain twin on {len(part)} events: {slow / fast:.0f} times as fast")
    quiet = events[:LIVE_ORDERS].copy()
    quiet["ts_ns"] = quiet["ts_ns"][0] + np.arange(len(quiet)) * BIN_NS
    print(f"closing a bin, sparse: {1e6 * engine_seconds(quiet, with_spectrum=True) / len(quiet):.0f} us with spectrum")
    print(f"closing a bin, sparse: {1e6 * engine_seconds(quiet, with_spectrum=False) / len(quiet):.0f} us without")


def main() -> None:
    """Print every figure."""
    source: Source = SyntheticSource()
    start_ns = None
    if len(sys.argv) == 4:
        source, start_ns = DbnSource(sys.argv[1], float(sys.argv[2])), parse_time_ns(sys.argv[3], "start")
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        for name in ("first", "second"):
            took, progress = built(lake, source, name, start_ns)
            split = ", ".join(f"{stage} {spent:.2f} s" for stage, spent in progress.seconds.items())
            print(f"{name} build: {took:.2f} s for {progress.bins:,} bins and {progress.events:,} events ({split})")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory so far {peak:.0f} MB")
        dataset = find_dataset(lake, "second")
        loads = [seconds_of(lambda: load(dataset, FOUR_COLUMNS)) for _ in range(7)]
        print(f"loading 4 columns of {dataset.manifest.bins:,} bins: median {median(loads):.3f} s")
        for hours in (1, 4):
            took, progress = built(lake, SyntheticSource(seed=5, minutes=60 * hours), f"hours{hours}", None)
            print(f"{hours} synthetic hours: {took:.1f} s, {1e6 * took / progress.bins:.0f} us a bin")
    bench_engine()


if __name__ == "__main__":
    main()
