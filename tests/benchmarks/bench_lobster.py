"""How fast LOBSTER files are read, beside a plain reading of the same columns.

    python -m tests.benchmarks.bench_lobster [MESSAGES]

Writes a made-up day of 10 and of 50 levels, and reads it three ways: both files into events, the message file alone,
and both files into columns by pyarrow's CSV reader, which makes neither events nor a book. The first reading compiles.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.csv as pc

from vpharness.events.lobster import LobsterSource

LEVELS = (10, 50)
MESSAGES = 200_000


def write_day(folder: Path, levels: int, messages: int) -> tuple[str, str]:
    """Write both files of a day whose orders come and go at all levels; return their paths."""
    rng = np.random.default_rng(levels)
    prices = np.array([[1_000_100 + 100 * level, 1_000_000 - 100 * level] for level in range(levels)])
    sizes = np.full((levels, 2), 500)
    live: list[tuple[int, int, int, int]] = []
    paths = [folder / f"A_2012-06-21_{kind}_{levels}.csv" for kind in ("message", "orderbook")]
    with paths[0].open("w", encoding="ascii") as lines, paths[1].open("w", encoding="ascii") as rows:
        for number in range(messages):
            if live and rng.random() < 0.48:
                order_id, level, side, size = live.pop(int(rng.integers(max(0, len(live) - 1000), len(live))))
                kind, change = int(rng.choice([3, 3, 3, 4])), -size
            else:
                order_id, level, side, size = number, int(rng.integers(levels)), int(rng.integers(2)), 100
                live.append((order_id, level, side, size))
                kind, change = 1, size
            sizes[level, side] += change
            direction = 1 if side else -1
            lines.write(f"{34_200 + number / 100:.9f},{kind},{order_id},{size},{prices[level, side]},{direction}\n")
            rows.write(",".join(map(str, np.stack((prices, sizes), axis=2).ravel().tolist())) + "\n")
    return str(paths[0]), str(paths[1])


def seconds_of(work: Callable[[], object]) -> float:
    """Return the shorter of two times that some work takes."""
    times = []
    for _ in range(2):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def read_events(source: LobsterSource) -> int:
    """Read a source to its end; return how many events it has."""
    with source.open() as stream:
        return sum(map(len, stream.chunks))


def main(messages: int) -> None:
    """Print messages a second."""
    for levels in LEVELS:
        with tempfile.TemporaryDirectory() as folder:
            path, book = write_day(Path(folder), levels, messages)
            options = pc.ReadOptions(autogenerate_column_names=True)
            ways: dict[str, Callable[[], object]] = {
                "both files into events": lambda: read_events(LobsterSource(path, orderbook_path=book)),  # noqa: B023
                "message file alone": lambda: read_events(LobsterSource(path)),  # noqa: B023
                "both files into columns": lambda: [pc.read_csv(each, options) for each in (path, book)],  # noqa: B023
            }
            size = sum(Path(each).stat().st_size for each in (path, book)) / 1e6
            for name, work in ways.items():
                taken = seconds_of(work)
                print(f"{levels} levels, {size:.0f} MB, {name}: {messages / taken:,.0f} messages a second")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES)
