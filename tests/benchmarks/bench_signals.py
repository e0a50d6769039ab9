"""Time the signals and their operators, warm, and print ratios against the plain twins and bottleneck in the same run.

Run it from the project's root: python -m tests.benchmarks.bench_signals [BINS]
"""

import itertools
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import bottleneck
import jax
import numpy as np

from tests.naive_operators import naive_rate, naive_robust_z_series
from tests.naive_signals import NAIVE_SIGNALS
from tests.signals.battery import SIGNALS, made_up_columns, rows
from vpharness.signals import capacity_for, score, score_many, scorer
from vpharness.signals.core.operators import MEDIAN_SPREAD, MEDIAN_SPREAD_DEVIATION, Operator

RADIUS: Final = 50
CELL_WIDTH_MS: Final = 100
WINDOW: Final = 300
TWIN_BINS: Final = 1_000
LIVE_BINS: Final = 2_000


def best_seconds(call: Callable[[], Any], repeats: int) -> float:
    """Return the shortest of several runs, after one that compiles."""
    jax.tree.map(np.asarray, call())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.tree.map(np.asarray, call())
        times.append(time.perf_counter() - start)
    return min(times)


def bench_robust_z(bins: int) -> None:
    """Print the rolling statistics of robust_z, on normal noise and on perm_derivative's tied first derivative."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=bins)
    # One label a side, as the lattice gives them: nearly all bins have the same balance.
    labels = rng.choice([-1.0, 0.0, 1.0], bins, p=[0.06, 0.88, 0.06])
    tied = naive_rate(labels, CELL_WIDTH_MS / 1000)
    for name, series, operator in (
        ("noise", noise, MEDIAN_SPREAD),
        ("tied d1, fallback std", tied, MEDIAN_SPREAD_DEVIATION),
    ):
        ours = best_seconds(jitted(operator, series), 10)
        median = best_seconds(partial(bottleneck.move_median, series, WINDOW, min_count=75), 10)
        start = time.perf_counter()
        naive_robust_z_series(series[:TWIN_BINS], WINDOW, 75, fallback="std")
        twin = (time.perf_counter() - start) * bins / TWIN_BINS
        print(
            f"robust_z, {name}: {ours * 1e3:.1f} ms; "
            f"{ours / median:.1f} x bottleneck's median ({median * 1e3:.1f} ms); "
            f"{twin / ours:.0f} x faster than the plain twin"
        )


def jitted(operator: Operator, series: Any) -> Callable[[], Any]:
    """Return a call of an operator over a whole series."""
    step = jax.jit(operator.apply)
    state = operator.start(capacity_for(WINDOW))
    return lambda: step(state, series, np.int64(WINDOW))


def bench_signals(bins: int) -> None:
    """Print each signal: the score of a whole run, cold and warm, against its twin, and one bin at a time."""
    for name, signal in SIGNALS.items():
        columns = made_up_columns(signal.columns, bins, RADIUS, seed=1)
        start = time.perf_counter()
        score(signal, None, columns, cell_width_ms=CELL_WIDTH_MS)
        cold = time.perf_counter() - start
        warm = best_seconds(partial(score, signal, None, columns, cell_width_ms=CELL_WIDTH_MS), 5)
        start = time.perf_counter()
        NAIVE_SIGNALS[name](rows(columns, 0, TWIN_BINS), signal.parameters(), CELL_WIDTH_MS)
        twin = (time.perf_counter() - start) * bins / TWIN_BINS
        p50, p99 = live_percentiles(name, columns)
        print(
            f"{name}: cold {cold:.2f} s, warm {warm * 1e3:.1f} ms, {twin / warm:.0f} x faster than the plain twin; "
            f"live {p50 * 1e3:.2f} ms a bin, p99 {p99 * 1e3:.2f} ms"
        )


def live_percentiles(name: str, columns: dict[str, Any]) -> tuple[float, float]:
    """Return the median and the 99th percentile of the seconds that one bin takes, given alone."""
    ready = scorer(SIGNALS[name], cell_width_ms=CELL_WIDTH_MS, radius=RADIUS)
    state, times = ready.start(), []
    for t in range(LIVE_BINS):
        start = time.perf_counter()
        state, scores = ready.step(state, rows(columns, t, t + 1))
        float(scores[0])
        times.append(time.perf_counter() - start)
    p50, p99 = np.percentile(times[10:], [50, 99])
    return float(p50), float(p99)


def bench_growth(bins: int) -> None:
    """Print what ten times as many bins cost."""
    for name in ("perm_derivative", "ads_pfp_svac"):
        signal = SIGNALS[name]
        spent = []
        for many in (bins, 10 * bins):
            columns = made_up_columns(signal.columns, many, RADIUS, seed=1)
            spent.append(best_seconds(partial(score, signal, None, columns, cell_width_ms=CELL_WIDTH_MS), 3))
        print(f"{name}, {10 * bins} bins: {spent[1] * 1e3:.0f} ms, {spent[1] / spent[0]:.1f} x {bins} bins")


def bench_sweep(bins: int) -> None:
    """Print what a sweep over perm_derivative costs, 96 parameter sets on one grid, cold and warm."""
    signal = SIGNALS["perm_derivative"]
    axes = {
        "center_exclusion_radius": (0, 1),
        "spatial_decay_power": (0.0, 1.0),
        "zscore_window_bins": (120, 240, 360),
        "zscore_min_periods": (30, 60),
        "d2_weight": (0.0, 0.2),
        "d3_weight": (0.0, 0.1),
    }
    many = [signal.parameters(**dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]
    columns = made_up_columns(signal.columns, bins, RADIUS, seed=1)
    alone = best_seconds(partial(score, signal, many[0], columns, cell_width_ms=CELL_WIDTH_MS), 3)
    for state in ("cold", "warm"):
        start = time.perf_counter()
        for _ in score_many(signal, many, columns, cell_width_ms=CELL_WIDTH_MS):
            pass
        spent = time.perf_counter() - start
        print(
            f"{len(many)} sets of perm_derivative, {state}: {spent:.2f} s, {alone * len(many) / spent:.0f} x one by one"
        )


def main() -> None:
    """Run all benchmarks."""
    bins = int(sys.argv[1]) if len(sys.argv) > 1 else 36_000
    print(f"{bins} bins of {2 * RADIUS + 1} cells")
    bench_robust_z(bins)
    bench_signals(bins)
    bench_growth(bins)
    bench_sweep(bins)


if __name__ == "__main__":
    main()
