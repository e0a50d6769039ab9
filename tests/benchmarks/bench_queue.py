"""What resting orders cost: `python -m tests.benchmarks.bench_queue [FILE TICK_SIZE START MINUTES]`.

The table of virtual orders beside the engine on the same events, a dense stream of 120,000 first and then the file; and
a campaign with fill=queue beside the same with fill=touch, its table being there. Times are of the processor, in this
process, the two sides taking turns, and the least of the rounds counts: other work on the machine then matters least.
The engine is taken as it builds a dataset without columns (bins alone), and with all columns. Between the two, what
becomes of all virtual orders of half an hour of the simulated market, and of the file.
"""

import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from tests.benchmarks.dense_stream import dense_stream
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.execute import RunFailure, execute_many
from vpharness.campaigns.run_spec import RunSpec
from vpharness.config.time_parsing import parse_time_ns
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.replay import only_what_is_needed
from vpharness.evaluation import MARKOUT_MS, EvaluationParameters, SplitParameters, fills_needed
from vpharness.events.dbn import DbnSource
from vpharness.events.synthetic import SyntheticSource
from vpharness.execution.virtual_orders import virtual_orders
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.lattice_engine import advance
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import LatticeState, new_state
from vpharness.order_fates import FILLS, NONE, OPEN, REASONS, REJECTED
from vpharness.signals import resolve

ROUNDS: Final = 5
DENSE_EVENTS: Final = 120_000
CHUNK_EVENTS: Final = 65_536
LATENCY_NS, WAIT_BINS, BIN_NS = 100_000_000, 100, 100_000_000
BARRIERS: Final = [(tp, sl, hold) for tp in (2, 4, 8) for sl in (2, 4) for hold in (300, 1200)]
SIGNALS: Final = ("ads", "pfp", "jad")


def seconds_of(work: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def in_turn(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Return the least processor time of two calls that take turns, after one that compiles what they need."""
    first()
    second()
    rounds = [(seconds_of(first), seconds_of(second)) for _ in range(ROUNDS)]
    return min(each[0] for each in rounds), min(each[1] for each in rounds)


def fresh(tick_size: float, size_unit: float, columns: tuple[str, ...] = ()) -> LatticeState:
    """Return a lattice before its first event, which computes some columns."""
    state = new_state(LatticeParameters(), tick_size=tick_size, size_unit=size_unit, start_ns=None)
    return only_what_is_needed(state, columns)


def bench_table(name: str, events: NDArray[np.void], tick_size: float, size_unit: float) -> None:
    """Print what the table takes, beside the engine for the same events."""
    chunks = [events[start : start + CHUNK_EVENTS] for start in range(0, len(events), CHUNK_EVENTS)]

    def engine(columns: tuple[str, ...]) -> None:
        state = fresh(tick_size, size_unit, columns)
        for chunk in chunks:
            state, _ = advance(state, chunk)

    state, bins = fresh(tick_size, size_unit), []
    for chunk in chunks:
        state, blocks = advance(state, chunk)
        bins += [block.bins for block in blocks]
    every = np.concatenate(bins)
    columns = {name: every[name] for name in every.dtype.names or ()}

    def table() -> None:
        virtual_orders(
            columns,
            fresh(tick_size, size_unit),
            chunks,
            latency_ns=LATENCY_NS,
            max_wait_ns=WAIT_BINS * BIN_NS,
        )

    of_table, of_engine = in_turn(table, lambda: engine(()))
    of_all = min(seconds_of(lambda: engine(tuple(GRID_COLUMNS))) for _ in range(2))
    tracemalloc.start()
    table()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    orders = 2 * len(columns["bin_end_ns"])
    print(
        f"{name}: {len(events):,} events, {orders:,} orders; table {of_table:.3f} s, {len(events) / of_table:,.0f} "
        f"events/s, {peak:.1f} MB at most; engine, bins alone {of_engine:.3f} s, all columns {of_all:.3f} s; table / "
        f"engine {of_table / of_engine:.2f} and {of_table / of_all:.2f}",
        flush=True,
    )


def specs_of(dataset: Dataset, fill: str) -> list[list[RunSpec]]:
    """Return the runs of a campaign, signal by signal."""
    groups = []
    for name in SIGNALS:
        target, parameters = signal_of(name)
        evaluations = [
            EvaluationParameters(tp_ticks=tp, sl_ticks=sl, max_hold_bins=hold, cooldown_bins=cooldown, fill=fill)
            for tp, sl, hold in BARRIERS
            for cooldown in (10, 30)
        ]
        groups.append([RunSpec(dataset, target, parameters, each, SplitParameters()) for each in evaluations])
    return groups


def signal_of(name: str) -> tuple[str, Any]:
    """Return a shipped signal's name and its parameters."""
    target = str(yaml.safe_load(Path(f"conf/signal/{name}.yaml").read_text(encoding="utf-8"))["_target_"])
    return target, resolve(target).parameters()


def bench_campaign(dataset: Dataset) -> None:
    """Print what a campaign's runs take with resting orders, beside the same at the touch, the table being there."""

    def campaign(fill: str) -> None:
        cache = DatasetCache.of(dataset)
        for group in specs_of(dataset, fill):
            for outcome in execute_many(group, cache):
                if isinstance(outcome, RunFailure):
                    raise outcome.error

    queue, touch = in_turn(lambda: campaign("queue"), lambda: campaign("touch"))
    runs = sum(map(len, specs_of(dataset, "touch")))
    print(f"campaign of {runs} runs: queue {queue:.2f} s, touch {touch:.2f} s, ratio {queue / touch:.2f}", flush=True)


def print_fates(name: str, dataset: Dataset) -> None:
    """Print what becomes of all virtual orders of a dataset: fill rate, reasons, waits, markouts, quantities."""
    view = DatasetCache.of(dataset).view
    evaluation = EvaluationParameters(fill="queue").resolve(view.cell_width_ms)
    fills = fills_needed(view, evaluation)
    assert fills is not None
    filled, placed = np.isin(fills.reason, FILLS), ~np.isin(fills.reason, (NONE, OPEN))
    shares = ", ".join(f"{REASONS[each]} {np.mean(fills.reason[filled] == each):.0%}" for each in FILLS)
    rejected = np.mean(fills.reason[placed] == REJECTED)
    markouts = ", ".join(
        f"{after / 1000:g} s {np.nanmean(fills.markout_ticks[place]):+.2f}" for place, after in enumerate(MARKOUT_MS)
    )
    quantities = f"median {np.nanmedian(fills.executed):g}, mean {np.nanmean(fills.executed):.1f}"
    print(
        f"{name}: {placed.sum():,} orders, rejected {rejected:.1%}, filled {filled.sum() / placed.sum():.0%} "
        f"({shares}), median wait {np.nanmedian(fills.wait_ms):,.0f} ms",
        f"  markouts in ticks: {markouts}; executed within the wait: {quantities}",
        sep="\n",
        flush=True,
    )


def main() -> None:
    """Print every figure."""
    bench_table("dense stream", dense_stream(DENSE_EVENTS), 0.25, 1.0)
    if len(sys.argv) != 5:
        return
    source, start_ns = DbnSource(sys.argv[1], float(sys.argv[2])), parse_time_ns(sys.argv[3], "start")
    with source.open() as stream:
        events = np.concatenate(list(stream.chunks))
    end_ns = (start_ns or 0) + round(float(sys.argv[4]) * 60e9)
    bench_table(Path(sys.argv[1]).name, events[events["ts_ns"] < end_ns], source.tick_size, stream.size_unit)
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        build(lake, source, LatticeParameters(), dataset_id="bench", start_ns=start_ns, end_ns=end_ns, columns=())
        build(lake, SyntheticSource(minutes=30), LatticeParameters(), dataset_id="simulated", columns=())
        print_fates("simulated market, 30 minutes", find_dataset(lake, "simulated"))
        print_fates(Path(sys.argv[1]).name, find_dataset(lake, "bench"))
        bench_campaign(find_dataset(lake, "bench"))


if __name__ == "__main__":
    main()
