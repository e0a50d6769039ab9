"""Time and memory of learned signals: fits and scores by number of bins, a live step, and a campaign against its fits.

Times are of the processor, all threads of this process together, since machines that measure are rarely alone. Fits are
to random features of each signal's number and random labels; the sum over a schedule is worked out from fits at five
sizes, linearly in between. A live step is one bin given alone: features, weights and score.

python -m tests.benchmarks.bench_learned [BINS ...]
python -m tests.benchmarks.bench_learned signal NAME [BINS ...]
python -m tests.benchmarks.bench_learned campaign [MINUTES [RUNS]]
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.signals.battery import made_up_columns, rows
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.execute import RunFailure, execute_many
from vpharness.campaigns.run_spec import RunSpec
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.evaluation import EvaluationParameters, SplitParameters
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.learning import fit_bins, training_bins
from vpharness.learning.fit_costs import fit_seconds
from vpharness.learning.fitting import fit_at
from vpharness.signals import FitsInForce, LearnedSignal, Scorer, body_scorer, number_of_features, resolve, scorer

RADIUS: Final = 50
WIDTH_MS: Final = 100.0
NAMES: Final = ("ridge_flow", "pca_ad", "knn_cl", "gbm_mf", "xgb_snap", "mlp_lob", "svm_sp", "lsvm_der")
SIZES: Final = 5
LIVE_BINS: Final = 300
LONGEST_FIT_S: Final = 120.0
"""A fit that is planned to take longer is worked out from the one before it, in proportion to its rows."""


def seconds_of(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of the processor that a call takes, and what it returns."""
    begun = time.process_time()
    found = call()
    return time.process_time() - begun, found


def learned_signal(name: str) -> LearnedSignal[Any]:
    """Return a shipped learned signal."""
    found = resolve(f"vpharness.signals.{name}.{name}")
    assert isinstance(found, LearnedSignal)
    return found


def bench_signal(name: str, bins: int) -> None:
    """Print what fits, scores and live steps of a signal cost on so many bins."""
    signal = learned_signal(name)
    params = signal.parameters()
    ready = body_scorer(signal, params, cell_width_ms=WIDTH_MS, radius=RADIUS)
    n_features, rng = number_of_features(ready), np.random.default_rng(1)
    features = rng.normal(size=(bins, n_features)).astype(np.float32).astype(np.float64)
    labels = rng.integers(-1, 2, bins).astype(np.float64)
    places = fit_bins(params, bins, WIDTH_MS)
    tried = sorted({places[int(each)] for each in np.linspace(0, len(places) - 1, SIZES)})
    taken, used, note, weights = list[float](), list[int](), "", None
    for place in tried:
        n_rows = len(training_bins(params, place))
        if taken and (fit_seconds(signal.model, params, n_rows, n_features) or 0.0) > LONGEST_FIT_S:
            taken.append(taken[-1] * n_rows / used[-1])
            note = " (the longest worked out from shorter ones)"
        else:
            spent, fit = seconds_of(partial(fit_at, signal.model, params, features, labels, place))
            taken.append(spent)
            weights = fit.fitted.weights if fit is not None else weights
        used.append(n_rows)
    total = float(np.interp(np.array(places), tried, taken).sum())
    assert weights is not None
    held = sum(np.asarray(each).nbytes for each in weights.values())
    force = FitsInForce.always(signal.model, weights)
    force.scores(features[:2048], 0)
    scored, _ = seconds_of(lambda: force.scores(features[: min(bins, 36_000)], 0))
    planned = fit_seconds(signal.model, params, used[-1], n_features)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}, {bins:,} bins, {n_features} features: {len(places)} fits, the last on {used[-1]:,} bins "
        f"{taken[-1]:.2f} s (planned {planned:.2f}), together {total:.0f} s{note}; weights {held / 1e6:.2f} MB, "
        f"all of them {held * len(places) / 1e9:.2f} GB; scoring {min(bins, 36_000):,} rows {scored:.2f} s; "
        f"peak memory {peak:.0f} MB",
        flush=True,
    )


def fitted_scorer(name: str) -> Scorer:
    """Return the score of a shipped learned signal with the weights of one fit to random features and labels."""
    signal = learned_signal(name)
    params = signal.parameters()
    ready = body_scorer(signal, params, cell_width_ms=WIDTH_MS, radius=RADIUS)
    rng = np.random.default_rng(1)
    bins = max(params.first_fit_bins, 6_000)
    features = rng.normal(size=(bins, number_of_features(ready)))
    fit = fit_at(signal.model, params, features, rng.integers(-1, 2, bins).astype(np.float64), params.first_fit_bins)
    assert fit is not None
    return scorer(
        signal,
        params,
        cell_width_ms=WIDTH_MS,
        radius=RADIUS,
        fits=FitsInForce.always(signal.model, fit.fitted.weights),
    )


def bench_live(name: str) -> None:
    """Print what a live step costs."""
    signal = learned_signal(name)
    columns = made_up_columns(signal.columns, 3 * LIVE_BINS, RADIUS, seed=1)
    walk = np.cumsum(np.random.default_rng(2).integers(-1, 2, 3 * LIVE_BINS)).astype(np.float64)
    shown: dict[str, NDArray[Any]] = {**columns, **{each: np.abs(walk) + 1.0 for each in signal.series}}
    served = fitted_scorer(name)
    state, times, spent = served.start(), [], []
    for t in range(LIVE_BINS):
        one = rows(shown, t, t + 1)
        begun, wall = time.process_time(), time.perf_counter()
        state, scores = served.step(state, one)
        float(scores[0])
        spent.append(time.process_time() - begun)
        times.append(time.perf_counter() - wall)
    p50, p99 = np.percentile(spent[20:], [50, 99]) * 1e3
    c50, c99 = np.percentile(times[20:], [50, 99]) * 1e3
    print(f"{name}, live: {p50:.2f} ms of the processor a bin, p99 {p99:.2f}; by the clock {c50:.2f}, p99 {c99:.2f}")


def bench_campaign(minutes: int, runs: int) -> None:
    """Print what a campaign of learned runs takes beside the sum of its fits: `runs` runs, ten penalties of ridge."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        source = SyntheticSource(minutes=minutes, seed=1)
        build(lake, source, LatticeParameters(), dataset_id="market")
        dataset = find_dataset(lake, "market")
        signal = learned_signal("ridge_flow")
        specs = [
            RunSpec(
                dataset,
                "vpharness.signals.ridge_flow.ridge_flow",
                signal.parameters(l2=1.0 + number % 10, thresholds=[0.01 * (1 + number)], refit_every_bins=1_000),
                EvaluationParameters(max_hold_bins=200),
                SplitParameters(),
            )
            for number in range(runs)
        ]
        cache, fits = DatasetCache.of(dataset), [0]
        cache.report_fit = lambda _done, _all: fits.__setitem__(0, fits[0] + 1)
        whole, outcomes = seconds_of(lambda: list(execute_many(specs, cache)))
        assert not [each for each in outcomes if isinstance(each, RunFailure)]
        shown = cache.learned_run(signal, specs[0].learned_parameters).features
        labels = np.random.default_rng(1).normal(size=len(shown))
        places = list(fit_bins(specs[0].learned_parameters, len(shown), WIDTH_MS))
        once, _ = seconds_of(
            lambda: [fit_at(signal.model, specs[0].learned_parameters, shown, labels, place) for place in places]
        )
        distinct = min(runs, 10)
        print(
            f"campaign of {runs} runs on {dataset.manifest.bins:,} bins, {distinct} different ones to fit: {fits[0]} "
            f"fits; {whole:.1f} s with features, scores and judging; its fits alone {once * distinct:.2f} s"
        )


def main(words: Sequence[str]) -> None:
    """Run the benchmarks that are named."""
    if words[:1] == ["campaign"]:
        numbers = [int(each) for each in words[1:]]
        bench_campaign(*(*numbers, *(60, 50)[len(numbers) :])[:2])
        return
    names: Sequence[str] = NAMES
    sizes = words
    if words[:1] == ["signal"]:
        names, sizes = (words[1],), words[2:]
    for name in names:
        bench_live(name)
        for bins in [int(each) for each in sizes] or [36_000, 360_000]:
            bench_signal(name, bins)


if __name__ == "__main__":
    main(sys.argv[1:])
