"""What `compare walk_forward=true` costs: processor time and memory of the whole command, from the shell.

    python -m tests.benchmarks.bench_walk_forward [--days 60] [--candidates 1152] [--keep FOLDER]

The ledger is made up as by `bench_compare`: 1,152 candidates are 192 runs at six thresholds. The first time stands for
a ledger that has changed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.bench_compare import PROJECT, Made, write

WORDS = ("compare", "walk_forward=true", "json=true")


def main() -> None:
    """Make a ledger, and walk forward over it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--candidates", type=int, default=1152)
    parser.add_argument("--keep", type=Path, help="a folder to leave the ledger in, and to find it in again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = (options.keep or Path(folder)) / f"lake-{options.days}-{options.candidates}"
        if not lake.exists():
            write(lake, Made(options.candidates, (1.0,) * options.days))
        for words in (("train=20",), ("train=20",), ("train=0",), ("train=20", "step=5")):
            clock, processor, megabytes = measured(lake, *WORDS, *words)
            print(f"{' '.join(words)}: [{clock:.2f}, {processor:.2f}] s, {megabytes:,.0f} MB", flush=True)


def measured(lake: Path, *words: str) -> tuple[float, float, float]:
    """Run a command on a lake; return its time by the clock and of the processor, and the most memory it held, MB."""
    environment = {**os.environ, "VPHARNESS_LAKE": str(lake)}
    begun = time.perf_counter()
    command = [sys.executable, "-m", "vpharness", *words]
    process = subprocess.Popen(command, env=environment, cwd=PROJECT, stdout=subprocess.DEVNULL)  # noqa: S603  # ours
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(words)} failed")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
