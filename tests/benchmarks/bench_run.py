"""How long the whole command takes from the shell, with empty caches and with full ones, and what memory it needs.

python -m tests.benchmarks.bench_run [MINUTES_OF_MARKET ...]
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
SIGNALS: Final = ("perm_derivative", "ads_pfp_svac")
WARM_RUNS: Final = 2


def fresh_copy(folder: Path) -> dict[str, str]:
    """Copy the project without any machine code; return an environment that has it, and caches of its own."""
    for name in ("vpharness", "conf"):
        shutil.copytree(PROJECT / name, folder / "project" / name, ignore=shutil.ignore_patterns("__pycache__"))
    kept = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    places = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "VPHARNESS_LAKE": str(folder / "lake")}
    return {**kept, **places, "PYTHONPATH": str(folder / "project")}


def measure(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    """Run a command; return its wall time, the processor's time and its peak memory in words."""
    command = [sys.executable, "-m", "vpharness", *arguments]
    begun = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:  # noqa: S603  # our own command
        said = b"".join(stream.read() for stream in (run.stdout, run.stderr) if stream is not None)
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begun
    if run.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{said.decode()}")
    processor = used.ru_utime + used.ru_stime
    return f"{wall:5.1f} s, of the processor {processor:5.1f} s, {used.ru_maxrss / 1024:5.0f} MB at most"


def forget_results(folder: Path) -> None:
    """Remove what a run has left, so that the same run is carried out again."""
    for results in (folder / "lake" / "research" / "vp_harness" / "results", folder / "outputs"):
        shutil.rmtree(results, ignore_errors=True)


def bench(minutes: int) -> None:
    """Build a market of that length, and run signals over it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = fresh_copy(folder)
        built = measure(folder, environment, "build", f"source.minutes={minutes}", "dataset.id=market")
        print(f"{minutes * 600:,} bins\n  build, cold           {built}")
        for signal in SIGNALS:
            arguments = ["run", f"signal={signal}", "dataset.id=market"]
            for run in ("cold", *["warm"] * WARM_RUNS):
                print(f"  {signal}, {run:<{20 - len(signal)}} {measure(folder, environment, *arguments)}")
                forget_results(folder)
            untracked = measure(folder, environment, *arguments, "tracking=none")
            print(f"  {signal}, untracked {untracked}")
            forget_results(folder)


def main() -> None:
    """Measure an hour, or markets of the lengths that are given."""
    for minutes in [int(word) for word in sys.argv[1:]] or [60]:
        bench(minutes)


if __name__ == "__main__":
    main()
