"""What following resting orders adds to a live step: processor time a bin and an event, beside the lattice's own.

`python -m tests.benchmarks.bench_live_orders FILE` with a DBN file of market-by-order data of tick size 0.25.
"""

import sys
import time

import numpy as np

from vpharness.events.by_bin import by_bin
from vpharness.events.dbn import DbnSource
from vpharness.execution.live_orders import LiveOrders
from vpharness.lattice.lattice_engine import advance
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import new_state

WIDTH_NS = 100_000_000
FIRE_EVERY = 30
LAST_BINS = 9_000
PASSES = 2
"""The first one loads or compiles the kernels."""


def measured(path: str) -> None:
    """Print the figures of one file."""
    with DbnSource(path, 0.25).open() as stream:
        events = np.concatenate(list(stream.chunks))
    begin_ns = int(events["ts_ns"][-1]) // WIDTH_NS * WIDTH_NS - LAST_BINS * WIDTH_NS
    first = int(np.searchsorted(np.maximum.accumulate(events["ts_ns"]), begin_ns))
    before, events = events[:first], events[first:]
    for _ in range(PASSES):
        lattice = new_state(LatticeParameters(), tick_size=0.25, size_unit=1.0, start_ns=None)
        book = new_state(LatticeParameters(), tick_size=0.25, size_unit=1.0, start_ns=None)
        orders = LiveOrders(book, latency_ns=WIDTH_NS, max_wait_ns=100 * WIDTH_NS)
        lattice, _ = advance(lattice, before, begin_ns)
        orders.take(before)
        orders.catch_up(begin_ns)
        lattice_ns, orders_ns, n_placed = list[int](), list[int](), 0
        for chunk, end_ns in by_bin(iter([events]), WIDTH_NS):
            begun = time.thread_time_ns()
            lattice, blocks = advance(lattice, chunk, end_ns, 4)
            closed = time.thread_time_ns()
            orders.take(chunk)
            for block in blocks:
                for place in range(len(block.bins)):
                    orders.close(int(block.bins["bin_end_ns"][place]))
                    if len(lattice_ns) % FIRE_EVERY == 0:
                        orders.place(block.bins[place : place + 1], 1 if n_placed % 2 else -1)
                        n_placed += 1
            orders.catch_up()
            lattice_ns.append(closed - begun)
            orders_ns.append(time.thread_time_ns() - closed)
    n_bins, n_events = len(lattice_ns), len(events)
    print(f"{n_bins:,} bins, {n_events:,} events, {n_placed:,} orders")
    for name, spent in (("lattice", lattice_ns), ("orders", orders_ns)):
        p50, p99 = np.percentile(spent, [50, 99]) / 1e3
        print(f"{name}: median {p50:.0f} us a bin, p99 {p99:.0f} us, {sum(spent) / n_bins / 1e3:.0f} us on average")


if __name__ == "__main__":
    measured(sys.argv[1])
