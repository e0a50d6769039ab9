"""What a dataset costs that stores no columns: `python -m tests.benchmarks.bench_compact [FILE TICK_SIZE START]`.

Size on disk, building, reading columns from events and from the cache, beside the same dataset with all columns stored.
Without a file eight synthetic hours are built, or as many as `HOURS` says, which alone are built with all columns as
well. Times are of the processor, in this process; the cache is read by a new process too, which has verified nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vpharness.config.time_parsing import parse_time_ns
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.datasets.replay import verify_replay
from vpharness.events.dbn import DbnSource
from vpharness.events.event_source import Source
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.lattice_parameters import LatticeParameters

FOUR_COLUMNS = ("v_add", "v_fill", "v_pull", "vacuum_variant")
NEW_PROCESS = """
import sys, time
from pathlib import Path
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
load(find_dataset(Lake(Path(sys.argv[1])), "none"))
begun = time.process_time()
load(find_dataset(Lake(Path(sys.argv[1])), "none"), sys.argv[2].split(","))
print(f"four columns from the cache, first opened by a process: {time.process_time() - begun:.3f} s")
"""

Made = TypeVar("Made")


def timed(what: str, work: Callable[[], Made]) -> Made:
    """Print the processor time of a call; return its result."""
    begun = time.process_time()
    made = work()
    print(f"{what}: {time.process_time() - begun:.3f} s", flush=True)
    return made


def main() -> None:
    """Print every figure."""
    source: Source = SyntheticSource(seed=5, minutes=60 * int(os.environ.get("HOURS", "8")))
    start_ns = None
    if len(sys.argv) == 4:
        source, start_ns = DbnSource(sys.argv[1], float(sys.argv[2])), parse_time_ns(sys.argv[3], "start")
    with tempfile.TemporaryDirectory() as folder:
        lake, lattice = Lake(Path(folder)), LatticeParameters()
        build(lake, SyntheticSource(minutes=1), lattice, columns=FOUR_COLUMNS)  # kernels are compiled, or loaded
        build(lake, SyntheticSource(minutes=1), lattice, dataset_id="warm", columns=())

        def made(name: str, columns: tuple[str, ...]) -> object:
            return build(lake, source, lattice, dataset_id=name, start_ns=start_ns, columns=columns)

        timed("built without columns", lambda: made("none", ()))
        none = find_dataset(lake, "none")
        m = none.manifest
        print(f"{m.bins:,} bins, {sum(m.events.values()):,} events")
        sizes = ", ".join(f"{path.name} {path.stat().st_size / 1e6:.2f}" for path in sorted(none.path.iterdir()))
        print(f"on disk {none.disk_bytes / 1e6:.2f} MB ({sizes})")
        timed("four columns from events", lambda: load(none, FOUR_COLUMNS))
        timed("four columns from the cache", lambda: load(none, FOUR_COLUMNS))
        subprocess.run([sys.executable, "-c", NEW_PROCESS, folder, ",".join(FOUR_COLUMNS)], check=True)  # noqa: S603  # ours
        timed("the spectrum's score from events", lambda: load(none, ["spectrum_score"]))
        timed("bins proven from events", lambda: verify_replay(none))
        shutil.rmtree(lake.cache.folder)
        if "HOURS" in os.environ or len(sys.argv) == 4:
            timed("built with all columns", lambda: made("all", tuple(GRID_COLUMNS)))
            stored = find_dataset(lake, "all")
            print(f"on disk {stored.disk_bytes / 1e6:.1f} MB")
            timed("four columns that are stored", lambda: load(stored, FOUR_COLUMNS))
            timed("four columns that are stored, again", lambda: load(stored, FOUR_COLUMNS))


if __name__ == "__main__":
    main()
